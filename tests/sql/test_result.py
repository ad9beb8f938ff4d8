"""result: how a job stands and what it returned."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from .conftest import Sql
from .flows import node, start
from .plan import plans_of


def result(sql: Sql, id: int) -> dict[str, Any]:
    """The row, without what is NULL or false."""
    (row,) = sql.rows("select * from result(%s)", id)
    return {name: value for name, value in row.items() if value not in (None, False) or (name == "value" and value is False)}


def outcome(sql: Sql, id: int) -> dict[str, Any]:
    """`result` without what every job has."""
    row = result(sql, id)
    return {name: value for name, value in row.items() if name not in ("task", "expires_at", "elapsed")}


def test_a_job_that_is_not_over_has_a_state_only(sql: Sql) -> None:
    ready, scheduled = sql.enqueue(), sql.enqueue(run_after=timedelta(hours=1))
    running, _ = sql.running()

    assert [outcome(sql, id) for id in (ready, scheduled, running)] == [
        {"state": "ready"},
        {"state": "scheduled"},
        {"state": "running"},
    ]


def test_an_unknown_job_has_no_state(sql: Sql) -> None:
    assert result(sql, 4711) == {}


@pytest.mark.parametrize("value", [1, False, [], {"a": None}])
def test_a_job_that_succeeded_has_its_value(sql: Sql, value: Any) -> None:
    id, token = sql.running()
    sql.finish(token, {"id": id, "state": "succeeded", "result": value})

    assert outcome(sql, id) == {"state": "succeeded", "value": value}


def test_a_job_that_returned_nothing_has_no_value(sql: Sql) -> None:
    id, token = sql.running()
    sql.finish(token, {"id": id, "state": "succeeded"})

    assert outcome(sql, id) == {"state": "succeeded"}


@pytest.mark.parametrize("pruned", [True, False])
def test_a_result_past_its_time_is_expired_whether_or_not_it_was_pruned(sql: Sql, pruned: bool) -> None:
    id, token = sql.running(result_ttl=timedelta(seconds=10))
    sql.finish(token, {"id": id, "state": "succeeded", "result": 1})
    sql.rows("update job_result set expires_at = expires_at - interval '1 min'")
    sql.rows("update job_history set finished_at = finished_at - interval '1 min'")
    if pruned:
        sql.value("select maintain()")

    assert outcome(sql, id) == {"state": "succeeded", "expired": True}


def test_a_dead_letter_has_its_reason_and_last_error(sql: Sql) -> None:
    id, token = sql.running()
    sql.finish(token, {"id": id, "state": "failed", "final": True, "error": {"type": "E", "message": "m"}})

    row = result(sql, id)

    assert (row["state"], row["reason"], row["error"]["type"], row["error"]["message"]) == ("failed", "error", "E", "m")


def test_a_cancelled_job_has_its_reason_and_never_expires(sql: Sql) -> None:
    id = sql.enqueue()
    sql.value("select cancel(%s)", id)
    sql.rows("update job_history set finished_at = finished_at - interval '2 days'")

    error = {"message": f"by {sql.value('select session_user')}"}
    assert outcome(sql, id) == {"state": "cancelled", "reason": "user_requested", "error": error}


def test_every_job_has_its_task_and_one_that_is_over_the_seconds_in_its_handler(sql: Sql) -> None:
    ready, (done, token), (dead, other) = sql.enqueue("one"), sql.running(task="two"), sql.running(task="three")
    sql.finish(token, {"id": done, "state": "succeeded", "elapsed": 0.25})
    sql.finish(other, {"id": dead, "state": "failed", "final": True, "elapsed": 0.5, "error": {"type": "E", "message": "m"}})

    rows = [result(sql, id) for id in (ready, done, dead)]
    assert [(row["task"], row.get("elapsed")) for row in rows] == [("one", None), ("two", 0.25), ("three", 0.5)]


@pytest.mark.parametrize("value", [1, None])
@pytest.mark.parametrize(("ttl", "seconds"), [(None, 86400), (timedelta(hours=1), 3600)])
def test_a_result_that_is_kept_says_until_when_and_so_does_a_null(
    sql: Sql, value: Any, ttl: timedelta | None, seconds: int
) -> None:
    id, token = sql.running(result_ttl=ttl)
    sql.finish(token, {"id": id, "state": "succeeded", "result": value})

    left = sql.value("select extract(epoch from expires_at - clock_timestamp()) from result(%s)", id)
    assert seconds - 10 < left <= seconds


def test_what_is_stored_is_kept_even_when_the_history_disagrees(sql: Sql) -> None:
    id, token = sql.running()
    sql.finish(token, {"id": id, "state": "succeeded", "result": 1})
    sql.rows("update job_history set finished_at = finished_at - interval '1 day'")

    assert outcome(sql, id) == {"state": "succeeded", "value": 1}


@pytest.mark.parametrize("verb", ["result(%s)", "extend_result(%s, '1 h')", "delete_result(%s)"])
def test_everything_about_results_is_found_by_an_index_even_on_empty_tables(
    sql: Sql, another_sql: Callable[[], Sql], verb: str
) -> None:
    sql.rows("analyze job, job_history, job_result, dead_letter")
    id, token = sql.running()
    sql.finish(token, {"id": id, "state": "succeeded", "result": 1})

    plans = plans_of(another_sql(), f"select * from {verb}", id)

    assert plans.nodes("INDEXSCAN")
    assert not plans.nodes("SEQSCAN", "BITMAPHEAPSCAN")


def test_a_skipped_job_names_the_job_whose_fault_it_is_however_far_above(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    flow = start(sql, node("a"), node("b", "a"), node("c", "b"), node("d", "c"))
    flow.run("a", "failed", error={"type": "E", "message": "no disk"})

    (row,) = sql.rows("select * from result(%s)", flow["d"])

    assert (row["state"], row["reason"], row["value"]) == ("cancelled", "dependency_failed", None)
    cause = row["error"].pop("cause", {})
    assert row["error"] == {"type": "DependencyFailed", "message": f"job {flow['a']} (a) failed"}
    assert (cause["job_id"], cause["error"]["type"], cause["error"]["message"]) == (flow["a"], "E", "no disk")
    direct = sql.job(flow["d"])["errors"]
    assert [(error["type"], error["message"]) for error in direct] == [("DependencyFailed", f"job {flow['c']} (c) skipped")]


def test_a_skipped_job_names_every_job_whose_fault_it_is_by_name_or_task(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    nodes = [
        node("a"),
        {"task": "fetch"},
        node("fine"),
        node("join", "a", 2, {"node": "fine", "when": "failed"}),
        node("last", "join"),
    ]
    flow = start(sql, *nodes)
    flow.run("fine")
    flow.run("a", "failed")
    sql.value("select cancel(%s)", flow["2"])

    message = sql.value("select error->>'message' from result(%s)", flow["last"])

    assert message == (f"job {flow['a']} (a) failed, job {flow['2']} (fetch) cancelled, job {flow['fine']} (fine) succeeded")


def test_of_many_jobs_whose_fault_it_is_a_skipped_job_names_five_and_the_first_that_failed(rolled_back_sql: Sql) -> None:
    sql, names = rolled_back_sql, "abcdefg"
    flow = start(sql, *map(node, names), node("last", {"node": "a", "when": "finished"}, *names[1:]))
    for name in names:
        if name in "ceg":
            flow.run(name, "failed", error={"type": "E", "message": name})
        else:
            sql.value("select cancel(%s)", flow[name])

    error = sql.value("select error from result(%s)", flow["last"])

    said = {name: "failed" if name in "ceg" else "cancelled" for name in "bcdef"}
    assert error["message"] == ", ".join(f"job {flow[name]} ({name}) {state}" for name, state in said.items()) + " and 1 more"
    assert (error["cause"]["job_id"], error["cause"]["error"]["message"]) == (flow["c"], "c")


def test_a_skipped_job_has_no_cause_where_nothing_failed(rolled_back_sql: Sql) -> None:
    flow = start(rolled_back_sql, node("a"), node("b", "a"))
    rolled_back_sql.value("select cancel(%s)", flow["a"])

    error = rolled_back_sql.value("select error from result(%s)", flow["b"])

    assert error == {"type": "DependencyFailed", "message": f"job {flow['a']} (a) cancelled"}


def test_a_blocked_job_has_no_result_yet(rolled_back_sql: Sql) -> None:
    flow = start(rolled_back_sql, node("a"), node("b", "a"))

    (row,) = rolled_back_sql.rows("select * from result(%s)", flow["b"])

    assert (row["state"], row["task"], row["error"], row["expired"]) == ("blocked", "b", None, None)


def test_ended_knows_blocked_jobs_as_live_and_skipped_ones_as_over(rolled_back_sql: Sql) -> None:
    flow = start(rolled_back_sql, node("a"), node("b", "a"))
    ids = list(flow.jobs.values())
    assert rolled_back_sql.rows("select ended(%s)", ids) == []

    flow.run("a", "failed")

    assert [row["ended"] for row in rolled_back_sql.rows("select ended(%s)", ids)] == ids
