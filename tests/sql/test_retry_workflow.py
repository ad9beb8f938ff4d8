"""retry_workflow, and retry of one dead node: what was skipped below waits again."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from .background import Background
from .conftest import Sql
from .flows import Flow, claim, end, node, refused, start
from .plan import plans_of

RETRY = "select retry_workflow(%s)"
RETRY_ONE = "select id from retry(%s)"
EVERY_OPTION: dict[str, Any] = {
    "args": {"x": [1, None, "ü"], "y": 1.50}, "queue": "q", "priority": -7, "run_at": "2020-02-29 12:00:00.123456+02",
    "retries": 9, "retry": {"jitter": False}, "result_ttl": "1 mon 3 days 04:05:06.789", "meta": {"m": [None]},
    "unique_mode": "until_done", "unique_key": "k{x}",
}  # fmt: skip


def dead_chain(sql: Sql, **options: Any) -> Flow:
    """a has failed, b and c were skipped."""
    flow = start(sql, node("a"), node("b", "a", **options), node("c", "b"))
    flow.run("a", "failed")
    assert flow.states() == {"a": "failed", "b": "skipped", "c": "skipped"}
    return flow


@pytest.mark.parametrize("one", [False, True], ids=["workflow", "job"])
def test_a_dead_letter_runs_again_and_what_was_skipped_below_it_waits_again(rolled_back_sql: Sql, one: bool) -> None:
    flow = dead_chain(rolled_back_sql)

    if one:
        assert rolled_back_sql.value(RETRY_ONE, flow["a"]) == flow["a"]
    else:
        assert rolled_back_sql.value(RETRY, flow.id) == 1

    assert flow.states() == {"a": "ready", "b": "blocked", "c": "blocked"}
    progress = flow.progress()
    assert (progress["status"], progress["open"], progress["finished_at"]) == ("running", 3, None)
    assert rolled_back_sql.value("select count(*) from job_history") == 0
    for name in "abc":
        flow.run(name)
    assert flow.status == "succeeded"


def test_a_skipped_job_is_back_as_it_was_in_every_column(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    flow = start(sql, node("a"), node("b", "a", **EVERY_OPTION))
    sql.value("select update(%s, priority => 3)", flow["b"])
    sql.rows(
        """update job set retry_of = 5, lane_id = lane_of(queue, '{k}'), limits = '{k}', cost = 6, holds_place = false,
                          errors = '[{"type": "E"}]', progress = '{"done": 1}', attempt = 2, rescues = 1,
                          unknown_since = '2021-01-01 00:00:00.000001+00', put_off_at = '2021-01-01',
                          terms = '{"expires_after": 60, "total_timeout": 600}', expires_at = '2021-01-01',
                          deadline_at = '2021-01-01', control = '{"retried": 1}' where id = %s""",
        flow["b"],
    )
    (before,) = sql.rows("select * from job where id = %s", flow["b"])
    assert [name for name, value in before.items() if value is None] == ["claimed_at", "claim_token", "worker_id", "args_bytes"]

    flow.run("a", "failed")
    sql.rows("set local intervalstyle = 'sql_standard'; set local timezone = 'Asia/Kathmandu'; set local datestyle = 'SQL, DMY'")
    sql.value(RETRY, flow.id)
    sql.rows("set local intervalstyle = default; set local timezone = default; set local datestyle = default")

    (after,) = sql.rows("select * from job where id = %s", flow["b"])
    assert after == before | {name: after[name] for name in ("expires_at", "deadline_at")}
    assert timedelta(seconds=540) <= after["deadline_at"] - after["expires_at"] < timedelta(seconds=541)  # from the retry on


def test_what_was_kept_of_a_skipped_job_is_read_once_and_not_for_each_column(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    flow = dead_chain(sql)
    function = sql.value("select 'jsonb_populate_record(anyelement, jsonb)'::regprocedure::oid::int8")

    plans = plans_of(another_sql(), RETRY, flow.id)

    assert max(tree.count(f":funcid {function} ") for tree in plans.trees) == 1


def test_a_skipped_job_without_options_is_back_as_it_was_too(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    flow = start(sql, node("a"), node("b", "a"))
    before = sql.rows("select * from job where id = %s", flow["b"])

    flow.run("a", "failed")
    sql.value(RETRY, flow.id)

    assert sql.rows("select * from job where id = %s", flow["b"]) == before


def test_failing_and_retrying_again_and_again_leaves_the_skipped_job_as_it_was(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    flow = start(sql, node("a"), node("b", "a"))
    before = sql.rows("select * from job where id = %s", flow["b"])

    for _ in range(3):
        flow.run("a", "failed")
        sql.value(RETRY, flow.id)

    assert sql.rows("select * from job where id = %s", flow["b"]) == before
    assert sql.value("select count(*) from job_history") == 0
    assert sql.value("select count(*) from workflow_node where payload is not null") == 0


def test_all_dead_letters_run_again_at_once(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    flow = start(sql, *(node(name) for name in "abc"), node("join", "a", "b", "c"), node("last", "join"))
    flow.run("a")
    flow.run("b", "failed")
    flow.run("c", "failed")

    assert sql.value(RETRY, flow.id) == 2

    assert flow.states() == {"a": "succeeded", "b": "ready", "c": "ready", "join": "blocked", "last": "blocked"}
    assert sql.value("select waits_for from workflow_nodes where name = 'join'") == 2
    flow.run("b")
    flow.run("c")
    assert flow.states()["join"] == "ready"


def test_one_of_two_dead_parents_leaves_the_child_skipped_and_the_second_brings_it_back(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    flow = start(sql, node("a"), node("b"), node("join", "a", "b"), node("own", "a"))
    flow.run("a", "failed")
    flow.run("b", "failed")

    sql.value(RETRY_ONE, flow["a"])
    assert flow.states() == {"a": "ready", "b": "failed", "join": "skipped", "own": "blocked"}
    assert sql.value("select count(*) from job_history where id = %s", flow["join"]) == 1

    sql.value(RETRY_ONE, flow["b"])
    assert flow.states() == {"a": "ready", "b": "ready", "join": "blocked", "own": "blocked"}


def test_what_is_skipped_for_a_cancelled_parent_stays_skipped(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    flow = start(sql, node("a"), node("b"), node("join", "a", "b"))
    sql.value("select cancel(%s)", flow["b"])
    flow.run("a", "failed")

    sql.value(RETRY, flow.id)

    assert flow.states() == {"a": "ready", "b": "cancelled", "join": "skipped"}
    flow.run("a")
    assert flow.status == "cancelled"


def test_what_has_run_because_of_the_failure_stays_and_what_still_waits_is_counted_anew(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    failed = {"node": "a", "when": "failed"}
    flow = start(sql, node("a"), node("b"), node("alarm", failed), node("waits", failed, "b"), node("next", "a"))
    flow.run("a", "failed")
    flow.run("alarm")
    assert flow.states()["waits"] == "blocked"

    sql.value(RETRY, flow.id)
    assert flow.states() == {"a": "ready", "b": "ready", "alarm": "succeeded", "waits": "blocked", "next": "blocked"}
    assert sql.value("select waits_for from workflow_nodes where name = 'waits'") == 2

    flow.run("a")
    assert flow.states() == {"a": "succeeded", "b": "ready", "alarm": "succeeded", "waits": "skipped", "next": "ready"}


def test_what_was_released_by_the_failure_and_has_not_started_waits_again(rolled_back_sql: Sql) -> None:
    flow = start(rolled_back_sql, node("a"), node("b", {"node": "a", "when": "finished"}))
    flow.run("a", "failed")

    rolled_back_sql.value(RETRY, flow.id)

    assert flow.states() == {"a": "ready", "b": "blocked"}


def test_other_skipped_nodes_are_left_alone(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    flow = start(sql, node("a"), node("x"), node("below a", "a"), node("below x", "x"))
    flow.run("a", "failed")
    sql.value("select cancel(%s)", flow["x"])

    sql.value(RETRY, flow.id)

    assert flow.states() == {"a": "ready", "x": "cancelled", "below a": "blocked", "below x": "skipped"}


def test_a_workflow_without_dead_letters_has_nothing_to_retry(rolled_back_sql: Sql) -> None:
    flow = start(rolled_back_sql, node("a"))

    assert rolled_back_sql.value(RETRY, flow.id) == 0
    flow.run("a")
    assert rolled_back_sql.value(RETRY, flow.id) == 0
    assert flow.status == "succeeded"


def test_a_dead_letter_that_was_purged_holds_up_no_other(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    flow = start(sql, node("a"), node("b"), node("c", "a"))
    flow.run("a", "failed")
    flow.run("b", "failed")
    sql.rows("delete from dead_letter where id = %s", flow["b"])

    assert sql.value(RETRY, flow.id) == 1

    assert flow.states() == {"a": "ready", "b": "failed", "c": "blocked"}


@pytest.mark.parametrize("id", [4711, None])
def test_an_unknown_workflow_is_named(rolled_back_sql: Sql, id: int | None) -> None:
    sqlstate, message = refused(rolled_back_sql, RETRY, id)

    assert sqlstate == "PQ003"
    assert message.startswith("workflow_id: there is no workflow ")


def test_a_blocked_node_is_not_retried_and_the_error_says_so(rolled_back_sql: Sql) -> None:
    flow = start(rolled_back_sql, node("a"), node("b", "a"))

    assert refused(rolled_back_sql, RETRY_ONE, flow["b"]) == (
        "PQ004",
        f"job_id: job {flow['b']} is blocked; only a job that waits for its time or is over can be retried",
    )


@pytest.mark.parametrize("state", ["succeeded", "cancelled"])
def test_a_node_that_is_over_and_no_dead_letter_runs_again_as_a_plain_job(rolled_back_sql: Sql, state: str) -> None:
    sql = rolled_back_sql
    flow = start(sql, node("a"), node("b", "a"))
    flow.run("a", state)
    before = flow.progress()

    again = sql.value(RETRY_ONE, flow["a"])

    assert (sql.job(again)["workflow_id"], sql.job(again)["retry_of"]) == (None, flow["a"])
    assert flow.progress() == before


def test_a_skipped_node_does_not_run_though_its_parent_has_failed(rolled_back_sql: Sql) -> None:
    flow = dead_chain(rolled_back_sql)

    assert refused(rolled_back_sql, RETRY_ONE, flow["b"]) == (
        "PQ004",
        f"job_id: job {flow['b']} was skipped; retry the job that failed above it, or the workflow",
    )


@pytest.mark.parametrize("state", ["succeeded", "cancelled"])
def test_a_node_that_is_over_does_not_run_again_without_the_results_that_it_takes(rolled_back_sql: Sql, state: str) -> None:
    flow = start(rolled_back_sql, node("a"), node("b", "a", takes="x"))
    flow.run("a", result=1)
    flow.run("b", state)

    assert refused(rolled_back_sql, RETRY_ONE, flow["b"]) == (
        "PQ004",
        f"job_id: job {flow['b']} takes the results of its parents; retry the job that failed above it, or the workflow",
    )


def test_a_dead_letter_that_takes_results_runs_again_with_them(rolled_back_sql: Sql) -> None:
    flow = start(rolled_back_sql, node("a"), node("b", "a", takes="x"))
    flow.run("a", result=1)
    flow.run("b", "failed")

    rolled_back_sql.value(RETRY_ONE, flow["b"])

    _, (row,) = claim(rolled_back_sql, flow["b"])
    assert row["node"]["takes"] == "x"


def test_the_queue_of_each_dead_letter_is_woken_and_of_what_waits_again_not(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    worker = another_sql()
    flow = start(sql, node("a", queue="first"), node("b", "a", queue="second"))
    flow.run("a", "failed")
    worker.listen()

    sql.value(RETRY, flow.id)

    assert worker.wakes(sql) == ["first"]


# Unique jobs --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("query", [RETRY, RETRY_ONE], ids=["workflow", "job"])
def test_a_job_below_whose_key_another_one_has_refuses_the_retry(rolled_back_sql: Sql, query: str) -> None:
    sql = rolled_back_sql
    flow = dead_chain(sql, unique_mode="until_done")
    other = sql.enqueue("b", unique_mode="until_done")

    said = refused(sql, query, flow.id if query == RETRY else flow["a"])

    assert said == (
        "PQ004",
        f"job_id: job {flow['b']} below it is unique, and another live job has its key; wait until that one is over",
    )
    end(sql, other)
    sql.value(query, flow.id if query == RETRY else flow["a"])
    assert flow.states() == {"a": "ready", "b": "blocked", "c": "blocked"}


def test_a_dead_letter_whose_key_another_job_has_stays_and_the_others_run(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    flow = start(sql, node("a", unique_mode="until_done"), node("b"), node("c", "a"), node("d", "b"))
    flow.run("a", "failed")
    flow.run("b", "failed")
    holder = sql.enqueue("a", unique_mode="until_done")

    assert sql.value(RETRY, flow.id) == 1
    assert sql.rows("select * from retry(%s)", flow["a"]) == [{"id": holder, "duplicate": True}]

    assert flow.states() == {"a": "failed", "b": "ready", "c": "skipped", "d": "blocked"}


# What is not kept any more ------------------------------------------------------------------------------------------------------


def test_skipped_jobs_come_back_though_their_history_was_pruned(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    flow = start(sql, node("a"), node("b", "a", **EVERY_OPTION), node("c", "b"))
    before = sql.rows("select * from job where id = %s", flow["b"])
    flow.run("a", "failed")
    sql.rows("delete from job_history")

    sql.value(RETRY, flow.id)

    assert flow.states() == {"a": "ready", "b": "blocked", "c": "blocked"}
    assert sql.rows("select * from job where id = %s", flow["b"]) == before


def test_a_dead_letter_whose_workflow_is_not_kept_any_more_runs_again_as_a_plain_job(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    flow = dead_chain(sql)
    sql.rows("delete from workflow")

    assert sql.value(RETRY_ONE, flow["a"]) == flow["a"]

    assert (sql.state(flow["a"]), sql.job(flow["a"])["workflow_id"]) == ("ready", None)
    end(sql, flow["a"])
    assert sql.state(flow["b"]) == "cancelled"


def test_results_that_a_retried_node_needs_are_kept_beyond_their_time(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    flow = start(sql, node("a", result_ttl="0 s"), node("b", "a"))
    flow.run("a", result={"rows": 3})
    flow.run("b", "failed")
    assert flow.status == "failed"

    sql.value("select maintain()")
    sql.value(RETRY, flow.id)

    assert sql.value("select result from parents(%s)", [flow["b"]]) == {"rows": 3}


# Races --------------------------------------------------------------------------------------------------------------------------


def test_of_two_retries_of_a_workflow_the_second_finds_nothing_to_do(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    flow, first = dead_chain(sql), another_sql()

    with first.connection.transaction():
        first.value(RETRY, flow.id)
        second = Background(another_sql(), RETRY + " as retried", flow.id)
        second.wait_until_blocked(sql)

    assert second.rows() == [{"retried": 0}]
    assert flow.states() == {"a": "ready", "b": "blocked", "c": "blocked"}


def test_of_two_retries_of_one_dead_node_the_second_is_told_that_it_is_ready(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    flow, first = dead_chain(sql), another_sql()

    with first.connection.transaction():
        first.value(RETRY_ONE, flow["a"])
        second = Background(another_sql(), RETRY_ONE, flow["a"])
        second.wait_until_blocked(sql)

    assert second.refusal().sqlstate == "PQ004"
    assert flow.progress()["open"] == 3


@pytest.mark.parametrize("state", ["succeeded", "failed"])
def test_two_dead_parents_one_retried_while_the_other_ends_agree_on_their_child(
    sql: Sql, another_sql: Callable[[], Sql], state: str
) -> None:
    flow = start(sql, node("a"), node("b"), node("join", "a", "b"))
    token, _ = claim(sql, flow["b"])
    flow.run("a", "failed")
    user = another_sql()

    with user.connection.transaction():
        user.value(RETRY, flow.id)
        outcome = json.dumps([{"id": flow["b"], "token": str(token), "state": state, "final": True}])
        finisher = another_sql()
        finisher.rows("set lock_timeout = '10s'")
        finish = Background(finisher, "select * from finish_batch(%s, null)", outcome)
        finish.wait_until_blocked(sql)
    finish.rows()

    assert flow.states() == {"a": "ready", "b": state, "join": "blocked" if state == "succeeded" else "skipped"}


def test_a_change_of_a_job_that_is_skipped_meanwhile_is_kept_for_a_retry(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    flow, user = start(sql, node("a"), node("b", {"node": "a", "when": "failed"}, args={"n": 1})), another_sql()
    token, _ = claim(sql, flow["a"])

    with user.connection.transaction():
        user.value("""select update(%s, args => '{"n": 2}')""", flow["b"])
        complete = Background(another_sql(), "select complete(%s, %s)", flow["a"], token)
        complete.wait_until_blocked(sql)
    complete.rows()

    assert (flow.states()["b"], sql.job(flow["b"])["args"]) == ("skipped", {"n": 2})
    assert sql.value("select payload->'args' from workflow_node where job_id = %s", flow["b"]) == {"n": 2}
