"""retire_worker: a worker leaves in good order."""

import uuid

from .conftest import Sql


def test_what_a_leaving_worker_held_is_ready_again_and_no_attempt_counts(sql: Sql) -> None:
    ids = {sql.enqueue() for _ in range(3)}
    worker = sql.worker()
    sql.claim(worker, 2)
    sql.claim(worker, 1)

    given_back = {row["retire_worker"] for row in sql.rows("select retire_worker(%s)", worker)}

    assert given_back == ids
    assert {(sql.state(id), sql.job(id)["attempt"]) for id in ids} == {("ready", 0)}
    assert sql.value("select count(*) from worker") == 0


def test_other_workers_are_left_alone(sql: Sql) -> None:
    id = sql.enqueue()
    other, leaving = sql.worker(), sql.worker()
    sql.claim(other)

    assert sql.rows("select retire_worker(%s)", leaving) == []

    assert sql.state(id) == "running"
    assert sql.value("select id from worker") == other


def test_retiring_twice_or_unknown_is_harmless(sql: Sql) -> None:
    worker = sql.worker()
    sql.rows("select retire_worker(%s)", worker)

    assert sql.rows("select retire_worker(%s)", worker) == []
    assert sql.rows("select retire_worker(%s)", uuid.uuid4()) == []
