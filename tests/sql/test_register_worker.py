"""register_worker: every start of a worker is a new worker."""

import uuid

import psycopg
import pytest

from .conftest import Sql

REGISTER = "select register_worker(%s, 'w1', 'host', 7, '1.2', '{mail,default}', 25, '30 s')"


def test_a_registered_worker_is_active_and_says_who_it_is(sql: Sql) -> None:
    id = uuid.uuid4()

    sql.value(REGISTER, id)

    (row,) = sql.rows("select * from worker")
    assert (row["id"], row["name"], row["host"], row["pid"], row["version"]) == (id, "w1", "host", 7, "1.2")
    assert (row["queues"], row["concurrency"], row["lease"].total_seconds()) == (["mail", "default"], 25, 30)
    assert (row["state"], row["running"], row["started"], row["wake_mode"]) == ("active", 0, [], "starting")
    assert row["started_at"] <= row["heartbeat_at"]


def test_an_id_is_used_once_so_that_nobody_adopts_another_starts_jobs(sql: Sql) -> None:
    id = uuid.uuid4()
    sql.value(REGISTER, id)

    assert isinstance(sql.refusal(REGISTER, id), psycopg.errors.UniqueViolation)


@pytest.mark.parametrize("end", ["lost", "retired"])
def test_a_worker_whose_time_is_over_claims_under_a_new_id(sql: Sql, end: str) -> None:
    old = sql.worker()
    sql.enqueue()
    if end == "lost":
        sql.lose(old)
    else:
        sql.value("select retire_worker(%s)", old)

    assert sql.refusal("select * from claim(%s, %s, '{default}', 1)", old, uuid.uuid4()).sqlstate == "PQ002"
    assert len(sql.claim(sql.worker())[1]) == 1
