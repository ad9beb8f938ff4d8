"""on_success and on_failure: a job that is told how the workflow has ended, exactly once for each time it ends."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from .background import Background
from .conftest import Sql
from .flows import Flow, claim, node, refused, start

TELL: dict[str, Any] = {
    "on_success": json.dumps({"task": "well", "args": {"x": 1}, "queue": "calls", "priority": 7, "retries": 0}),
    "on_failure": json.dumps({"task": "alas"}),
}


def told(sql: Sql) -> list[str]:
    """The callbacks that were enqueued, in order."""
    return [row["task"] for row in sql.rows("select task from jobs where task in ('well', 'alas') order by id")]


def test_on_success_is_a_plain_job_with_the_options_given_and_says_of_what(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    flow = start(sql, node("a"), node("b", "a"), name="import", **TELL)
    flow.run("a")
    assert told(sql) == []

    flow.run("b")

    jobs = sql.rows("select * from job")
    assert len(jobs) == 1
    job = jobs[0]
    assert (job["task"], job["args"], job["queue"], job["priority"], job["max_attempts"]) == ("well", {"x": 1}, "calls", 7, 1)
    assert job["meta"] == {"workflow_id": flow.id, "workflow": "import", "outcome": "succeeded"}
    assert (job["workflow_id"], job["state"]) == (None, "ready")
    assert flow.progress()["nodes"] == 2


def test_on_failure_is_told_when_the_last_node_has_ended_and_not_before(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    flow = start(sql, node("a"), node("b"), node("c", "a"), **TELL)
    flow.run("a", "failed")
    assert told(sql) == []

    flow.run("b")

    assert told(sql) == ["alas"]
    assert sql.value("select meta from job") == {"workflow_id": flow.id, "workflow": None, "outcome": "failed"}


def end_by(sql: Sql, flow: Flow, how: str) -> None:
    """End the only node a."""
    match how:
        case "crashed":
            worker = sql.worker()
            sql.claim(worker)
            sql.rows("update worker set started = %s where id = %s", [flow["a"]], worker)
            sql.lose(worker)
            sql.value("select rescue()")
        case "complete":
            token, _ = claim(sql, flow["a"])
            sql.value("select complete(%s, %s)", flow["a"], token)
        case "cancel":
            sql.value("select cancel(%s)", flow["a"])
        case "cancel_workflow":
            sql.value("select cancel_workflow(%s)", flow.id)
        case _:
            flow.run("a", how)


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("succeeded", ["well"]),
        ("complete", ["well"]),
        ("failed", ["alas"]),
        ("crashed", ["alas"]),
        ("cancelled", []),
        ("cancel", []),
        ("cancel_workflow", []),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_end_tells_the_one_it_is_for_and_a_cancelled_workflow_tells_nobody(
    rolled_back_sql: Sql, how: str, expected: list[str]
) -> None:
    flow = start(rolled_back_sql, node("a", retries=0), **TELL)

    end_by(rolled_back_sql, flow, how)

    assert told(rolled_back_sql) == expected
    assert flow.progress()["open"] == 0


def test_a_workflow_whose_nodes_need_not_all_run_has_succeeded(rolled_back_sql: Sql) -> None:
    flow = start(rolled_back_sql, node("a"), node("alarm", {"node": "a", "when": "failed"}), **TELL)

    flow.run("a")

    assert flow.states() == {"a": "succeeded", "alarm": "skipped"}
    assert told(rolled_back_sql) == ["well"]


def test_a_failure_that_was_dealt_with_is_still_told(rolled_back_sql: Sql) -> None:
    flow = start(rolled_back_sql, node("a"), node("alarm", {"node": "a", "when": "failed"}), **TELL)

    flow.run("a", "failed")
    flow.run("alarm")

    assert (flow.status, told(rolled_back_sql)) == ("failed", ["alas"])


def test_nodes_that_end_in_one_batch_tell_once(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    flow = start(sql, *(node(name) for name in "abc"), **TELL)
    token, rows = claim(sql, *flow.jobs.values())

    sql.finish(token, *({"id": row["id"], "state": "succeeded"} for row in rows))

    assert told(sql) == ["well"]


def test_several_workflows_that_finish_in_one_batch_tell_once_each(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    flows = [start(sql, node("a"), **TELL) for _ in range(3)]
    token, _ = claim(sql, *(flow["a"] for flow in flows))

    sql.finish(
        token,
        *(
            {"id": flow["a"], "state": state, "final": True}
            for flow, state in zip(flows, ["failed", "succeeded", "cancelled"], strict=True)
        ),
    )

    metas = [row["meta"] for row in sql.rows("select meta from job where state = 'ready' order by id")]
    assert [(meta["workflow_id"], meta["outcome"]) for meta in metas] == [(flows[0].id, "failed"), (flows[1].id, "succeeded")]


def test_each_time_it_finishes_it_is_told_again(rolled_back_sql: Sql) -> None:
    flow = start(rolled_back_sql, node("a"), **TELL)

    flow.run("a", "failed")
    rolled_back_sql.value("select retry_workflow(%s)", flow.id)
    flow.run("a")
    flow.extend(node("b"))
    flow.run("b")

    assert told(rolled_back_sql) == ["alas", "well", "well"]


@pytest.mark.parametrize("how", ["enqueue", "extend"])
def test_what_is_skipped_at_once_below_a_workflow_that_is_over_tells_nobody_again(rolled_back_sql: Sql, how: str) -> None:
    flow = start(rolled_back_sql, node("a"), **TELL)
    flow.run("a", "failed")

    for name in "bc":
        if how == "enqueue":
            rolled_back_sql.enqueue(name, depends_on=[flow["a"]])
        else:
            flow.extend(node(name, "a"))

    assert (flow.status, flow.progress()["skipped"]) == ("failed", 2)
    assert told(rolled_back_sql) == ["alas"]


def test_of_the_last_two_nodes_that_end_at_once_one_tells(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    flow, first = start(sql, node("a"), node("b"), **TELL), another_sql()
    token, _ = claim(sql, flow["a"], flow["b"])

    with first.connection.transaction():
        first.finish(token, {"id": flow["a"], "state": "succeeded"})
        second = Background(another_sql(), "select complete(%s, %s)", flow["b"], token)
        second.wait_until_blocked(sql)
        assert told(sql) == []
    second.rows()

    assert told(sql) == ["well"]
    assert flow.status == "succeeded"


def test_a_last_end_that_is_rolled_back_tells_nobody(sql: Sql) -> None:
    flow = start(sql, node("a"), **TELL)

    with sql.connection.transaction(force_rollback=True):
        flow.run("a")
        assert told(sql) == ["well"]

    assert told(sql) == []
    assert flow.status == "running"


def test_the_queue_of_a_callback_is_woken_when_it_is_enqueued_and_not_at_submission(
    sql: Sql, another_sql: Callable[[], Sql]
) -> None:
    worker = another_sql()
    worker.listen()
    flow = start(sql, node("a"), **TELL)
    assert worker.wakes(sql) == ["default"]

    flow.run("a")

    assert worker.wakes(sql) == ["calls"]


BAD: dict[str, tuple[Any, str]] = {
    "no object": ([1], "is not valid; give one object with the options of enqueue, without meta and depends_on"),
    "text": ("well", "give one object with the options of enqueue"),
    "meta": ({"task": "t", "meta": 1}, "give one object with the options of enqueue, without meta and depends_on"),
    "depends_on": ({"task": "t", "depends_on": [1]}, "without meta and depends_on"),
    "run_if": ({"task": "t", "run_if": "failed"}, "without meta and depends_on"),
    "no task": ({}, "task: NULL is not valid"),
    "unknown option": ({"task": "t", "colour": 1}, "jobs: 'colour' is not valid"),
    "bad option": ({"task": "t", "queue": "a b"}, "queue: 'a b' is not valid"),
    "unique": (
        {"task": "t", "unique_mode": "until_done"},
        "it cannot be unique; leave unique_mode, unique_key and unique_period out",
    ),
    "unique by key": ({"task": "t", "unique_key": "k"}, "it cannot be unique"),
    "unique for a time": ({"task": "t", "unique_period": "1 h"}, "it cannot be unique"),
    "args": ({"task": "t", "args": [1]}, "args: '[1]' is not valid"),
}


@pytest.mark.one_case
@pytest.mark.parametrize("which", ["on_success", "on_failure"])
@pytest.mark.parametrize(("callback", "message"), BAD.values(), ids=BAD)
def test_a_callback_that_could_not_be_enqueued_is_refused_at_submission(
    rolled_back_sql: Sql, which: str, callback: Any, message: str
) -> None:
    query = f"select enqueue_workflow(%s, {which} => %s)"

    said = refused(rolled_back_sql, query, json.dumps([node("a")]), json.dumps(callback))

    assert said[0] == "PQ001"
    assert message in said[1]


def test_trying_a_callback_at_submission_enqueues_nothing(rolled_back_sql: Sql) -> None:
    start(rolled_back_sql, node("a"), on_success=json.dumps({"task": "t"}))

    assert rolled_back_sql.rows("select task from job") == [{"task": "a"}]


def test_a_callback_is_enqueued_though_its_arguments_are_too_large_by_now(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    args = {"x": "y" * 20000}
    flow = start(sql, node("a"), on_success=json.dumps({"task": "well", "args": args}))
    sql.rows("update setting set max_args_bytes = 16384")

    flow.run("a")

    assert sql.value("select args from job where task = 'well'") == args


@pytest.mark.parametrize("given", [{}, {"args": None}, {"args": {}}], ids=str)
def test_a_callback_without_arguments_has_none(rolled_back_sql: Sql, given: dict[str, Any]) -> None:
    flow = start(rolled_back_sql, node("a"), on_success=json.dumps({"task": "well", **given}))

    flow.run("a")

    assert rolled_back_sql.value("select args from job where task = 'well'") == {}


def test_a_callback_that_is_no_good_by_now_is_dropped_with_a_warning_and_holds_up_nothing(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    warnings: list[str | None] = []
    sql.connection.add_notice_handler(lambda diagnostic: warnings.append(diagnostic.message_primary))
    flow = start(sql, node("a"), on_success=json.dumps({"task": "well"}))
    sql.rows("""update workflow set on_success = '{"task": ""}'""")

    flow.run("a")

    assert flow.status == "succeeded"
    (warning,) = warnings
    assert f"workflow {flow.id} has finished, but its callback could not be enqueued: task: " in str(warning)
