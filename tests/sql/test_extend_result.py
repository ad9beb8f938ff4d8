"""extend_result: a result is kept until another time."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tests.waiting import until

from .conftest import Sql
from .test_result import result

HOUR = timedelta(hours=1)


def succeeded(sql: Sql, value: Any = 1, **options: Any) -> int:
    """A job that has succeeded."""
    id, token = sql.running(**options)
    sql.finish(token, {"id": id, "state": "succeeded", "result": value})
    return id


def seconds_left(sql: Sql, id: int) -> float:
    """How long the result is kept from now."""
    return float(sql.value("select extract(epoch from expires_at - clock_timestamp()) from result(%s)", id))


@pytest.mark.parametrize("value", [1, None])
@pytest.mark.parametrize("ttl", [timedelta(days=40), timedelta(seconds=30)])
def test_a_result_is_kept_until_then_longer_or_shorter(sql: Sql, value: Any, ttl: timedelta) -> None:
    id = succeeded(sql, value)

    keep_until = sql.value("select extend_result(%s, %s)", id, ttl)

    assert result(sql, id)["expires_at"] == keep_until
    assert ttl.total_seconds() - 10 < seconds_left(sql, id) <= ttl.total_seconds()


def test_the_table_of_results_and_the_history_agree_across_a_change_to_summer_time(sql: Sql) -> None:
    agree = "select h.result_expires_at = r.expires_at from job_history h join job_result r on r.job_id = h.id"
    sql.rows("set timezone = 'Europe/Berlin'")
    id = succeeded(sql)
    for days in (90, 180, 270):  # one of them is on the other side of a change
        sql.value("select extend_result(%s, make_interval(days => %s))", id, days)
        assert sql.value(agree)


def test_an_extended_result_is_there_after_the_time_it_had_before(sql: Sql) -> None:
    id = succeeded(sql, result_ttl=timedelta(seconds=10))
    sql.value("select extend_result(%s, %s)", id, HOUR)

    sql.rows("update job_history set finished_at = finished_at - interval '30 min'")
    sql.rows("update job_result set expires_at = expires_at - interval '30 min'")
    sql.value("select maintain()")

    assert result(sql, id)["value"] == 1


@pytest.mark.one_case
@pytest.mark.parametrize("ttl", ["-1 s", "1001 years", None])
def test_a_ttl_out_of_range_is_refused(sql: Sql, ttl: str | None) -> None:
    error = sql.refusal("select extend_result(%s, %s)", succeeded(sql), ttl)

    assert (error.sqlstate, error.diag.column_name) == ("PQ001", "ttl")
    assert "use an interval from 0 to 1000 years" in str(error)


def test_an_unknown_job_is_refused(sql: Sql) -> None:
    assert sql.refusal("select extend_result(4711, '1 h')").sqlstate == "PQ003"


def test_a_job_that_has_not_succeeded_is_refused(sql: Sql) -> None:
    dead, token = sql.running()
    sql.finish(token, {"id": dead, "state": "failed", "final": True, "error": {"type": "E", "message": "m"}})
    cancelled = sql.enqueue()
    sql.value("select cancel(%s)", cancelled)
    for id, state in ((sql.enqueue(), "ready"), (dead, "failed"), (cancelled, "cancelled")):
        error = sql.refusal("select extend_result(%s, '1 h')", id)
        assert error.sqlstate == "PQ004"
        assert f"job {id} is {state}; only a result that is still kept can be extended" in str(error)


@pytest.mark.parametrize("value", [1, None])
@pytest.mark.parametrize("pruned", [True, False])
def test_a_result_past_its_time_is_gone_for_good(sql: Sql, value: Any, pruned: bool) -> None:
    id = succeeded(sql, value, result_ttl=timedelta(0))
    if pruned:
        sql.value("select maintain()")

    assert sql.refusal("select extend_result(%s, '1 h')", id).sqlstate == "PQ004"
    assert result(sql, id)["expired"]


def _behind(sql: Sql, other: Sql, statement: str) -> list[Any]:
    """Run a statement on another connection, commit here once it waits for us, and return its answer or error."""
    answers: list[Any] = []

    def run() -> None:
        try:
            answers.append(other.value(statement))
        except Exception as error:
            answers.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    pid = other.connection.info.backend_pid
    until(lambda: sql.value("select cardinality(pg_blocking_pids(%s))", pid), "the other one waits for us")
    sql.connection.commit()
    thread.join(10)
    return answers


def test_a_result_is_not_pruned_while_it_is_being_extended(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    id = succeeded(sql)
    sql.rows("update job_result set expires_at = clock_timestamp() + interval '0.2 s'")
    sql.rows("begin")
    sql.value("select extend_result(%s, '1 h')", id)
    other = another_sql()
    until(lambda: other.value("select expires_at < clock_timestamp() from job_result"), "its old time is over")

    other.value("select prune(7)")  # does not wait: it leaves alone what somebody holds
    sql.rows("commit")
    other.value("select prune(7)")

    assert result(sql, id)["value"] == 1


def test_extending_behind_a_deletion_is_refused(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    id = succeeded(sql)
    sql.rows("begin")
    sql.value("select delete_result(%s)", id)

    (error,) = _behind(sql, another_sql(), f"select extend_result({id}, '1 h')")

    assert error.sqlstate == "PQ004"
    assert result(sql, id)["expired"]
