"""claim_jobs: a worker takes exactly the jobs that it names."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from .conftest import Sql
from .guarantees import without_waiting

CLAIM_JOBS = "select * from claim_jobs(%s, %s, %s)"


def claimed(sql: Sql, worker: UUID, *ids: int) -> list[int]:
    """The ids of the jobs that a claim of these took."""
    return [row["id"] for row in sql.rows(CLAIM_JOBS, worker, uuid.uuid4(), list(ids))]


def test_the_named_jobs_run_in_the_order_they_were_named_and_no_others(sql: Sql) -> None:
    first, other, last = sql.enqueue(priority=-5), sql.enqueue(priority=100), sql.enqueue(queue="mail")
    worker = sql.worker()

    assert claimed(sql, worker, last, first) == [last, first]

    assert [sql.state(id) for id in (first, other, last)] == ["running", "ready", "running"]


def test_a_named_job_is_claimed_as_claim_would_claim_it(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    options: dict[str, Any] = {"args": {"to": 1}, "meta": '"m"', "priority": 3, "unique_mode": "until_done"}
    one, two = sql.enqueue(**options), sql.enqueue(**{**options, "args": {"to": 2}})
    worker, token = sql.worker(), uuid.uuid4()

    (by_name,) = sql.rows(CLAIM_JOBS, worker, token, [one])
    by_claim, (by_queue,) = sql.claim(worker)

    def row(id: int, token: UUID) -> dict[str, Any]:
        (found,) = sql.rows("select * from job where id = %s", id)
        assert found["claim_token"] == token
        its_own = ("id", "args", "run_at", "created_at", "claimed_at", "claim_token", "unique_key")
        return {name: value for name, value in found.items() if name not in its_own}

    assert row(one, token) == row(two, by_claim)
    assert list(by_name) == list(by_queue)
    nothing = {"node": None, "limits": None, "terms": None}
    assert by_name == nothing | {name: sql.job(one)[name] for name in by_name if name not in nothing}
    assert sql.finish(token, {"id": one, "state": "succeeded"}) == []


def test_jobs_that_are_not_ready_are_left_out(sql: Sql) -> None:
    running, _ = sql.running()
    over, token = sql.running()
    sql.value("select complete(%s, %s)", over, token)
    later, ready = sql.enqueue(run_after=timedelta(hours=1)), sql.enqueue()

    assert claimed(sql, sql.worker(), running, over, later, 4711, ready, ready) == [ready]

    assert (sql.state(running), sql.state(later), sql.job(ready)["attempt"]) == ("running", "scheduled", 1)


def test_a_suspect_is_taken_when_it_is_named(sql: Sql) -> None:
    ids = [sql.enqueue(), sql.enqueue()]
    sql.rows("update job set rescues = 2")

    assert claimed(sql, sql.worker(), *ids) == ids


@pytest.mark.parametrize(("mode", "holds"), [("until_done", True), ("until_started", False), ("replace", False)])
def test_the_key_falls_or_stays_as_at_any_claim(rolled_back_sql: Sql, mode: str, holds: bool) -> None:
    sql = rolled_back_sql
    id = sql.enqueue(unique_mode=mode)

    claimed(sql, sql.worker(), id)

    assert (sql.enqueue(unique_mode=mode) == id) is holds


def test_a_job_that_somebody_else_is_claiming_is_passed_over_without_waiting(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    held, free = sql.enqueue(), sql.enqueue()
    worker, other = sql.worker(), another_sql()

    with other.connection.transaction():
        other.claim(worker, 1)
        with without_waiting(sql):
            assert claimed(sql, worker, held, free) == [free]


def test_no_jobs_named_means_none_claimed(sql: Sql) -> None:
    sql.enqueue()

    assert claimed(sql, sql.worker()) == []
    assert sql.rows(CLAIM_JOBS, sql.worker(), uuid.uuid4(), None) == []


def test_a_lost_worker_gets_nothing(sql: Sql) -> None:
    id, lost = sql.enqueue(), sql.worker()
    sql.lose(lost)

    assert sql.refusal(CLAIM_JOBS, lost, uuid.uuid4(), [id]).sqlstate == "PQ002"
    assert sql.state(id) == "ready"
