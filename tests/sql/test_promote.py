"""promote: scheduled jobs whose time has come become ready."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from . import guarantees
from .conftest import Sql

HOUR = timedelta(hours=1)


def test_a_due_job_becomes_ready_and_the_next_is_announced(sql: Sql) -> None:
    due, later = sql.enqueue(run_after=HOUR), sql.enqueue(run_after=HOUR)
    sql.rows("update job set run_at = clock_timestamp() - interval '1 s' where id = %s", due)

    (row,) = sql.rows("select * from promote()")

    assert (sql.state(due), sql.state(later)) == ("ready", "scheduled")
    assert row["promoted"] == 1
    assert 3500 < row["next_in"] <= 3600


def test_no_job_is_ready_before_its_time(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    guarantees.a_promoted_job_is_due(sql, another_sql)


def test_without_scheduled_jobs_there_is_no_next_time(sql: Sql) -> None:
    sql.enqueue()

    assert sql.rows("select * from promote()") == [{"promoted": 0, "next_in": None, "schedules_due": None}]


def test_when_more_are_due_than_one_pass_takes_the_next_is_due_now(sql: Sql) -> None:
    ids = [sql.enqueue(run_after=HOUR) for _ in range(3)]
    sql.make_due()
    sql.rows("update job set run_at = run_at - interval '1 min' where id = %s", ids[2])

    assert sql.rows("select * from promote(2)") == [{"promoted": 2, "next_in": 0, "schedules_due": None}]
    states = [sql.state(id) for id in ids]
    assert sql.rows("select * from promote(2)") == [{"promoted": 1, "next_in": None, "schedules_due": None}]

    assert states == ["ready", "scheduled", "ready"]


def test_a_promoted_job_starts_in_the_order_of_its_time(sql: Sql) -> None:
    waiting, promoted = sql.enqueue(), sql.enqueue(run_after=HOUR)
    sql.rows("update job set run_at = run_at - interval '2 h' where id = %s", promoted)

    sql.value("select promote()")

    assert [row["id"] for row in sql.claim(sql.worker())[1]] == [promoted, waiting]


@pytest.mark.parametrize("due", [True, False])
def test_promoting_wakes_each_queue_once_and_none_without_need(sql: Sql, another_sql: Callable[[], Sql], due: bool) -> None:
    for queue in ("a", "a", "b"):
        sql.enqueue(queue=queue, run_after=HOUR)
    if due:
        sql.make_due()
    worker = another_sql()
    worker.listen()

    sql.value("select promote()")

    assert sorted(worker.wakes(sql)) == (["a", "b"] if due else [])
