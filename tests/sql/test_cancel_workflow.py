"""cancel_workflow: what has not started never will, what runs is asked to stop."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from .background import Background
from .conftest import Sql
from .flows import claim, end, node, refused, start
from .guarantees import without_waiting

CANCEL = "select cancel_workflow(%s)"
DONE = '{"task": "done"}'


def test_what_has_not_started_is_cancelled_and_what_is_over_stays(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    flow = start(
        sql, node("over"), node("ready"), node("later", run_after="1 h"), node("blocked", "ready"), node("last", "blocked")
    )
    flow.run("over")

    assert sql.value(CANCEL, flow.id) == 4

    states = flow.states()
    assert states.pop("over") == "succeeded"
    assert set(states.values()) == {"cancelled"}
    progress = flow.progress()
    assert (progress["status"], progress["open"], progress["cancelled"]) == ("cancelled", 0, 4)
    assert progress["finished_at"] is not None
    assert sql.value("select count(*) from job") == 0


def test_a_cancelled_node_is_in_the_history_with_all_that_was_asked_of_it(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    flow = start(sql, node("a"), node("b", "a", args={"x": 1}, queue="q", priority=5, meta=1, unique_mode="until_done"))
    before = sql.job(flow["b"])

    sql.value(CANCEL, flow.id)

    job = sql.job(flow["b"])
    assert (job["state"], job["reason"], job["errors"], job["worker_id"]) == ("cancelled", "user_requested", None, None)
    kept = ("id", "task", "args", "queue", "priority", "meta", "created_at", "run_at", "attempt", "max_attempts", "workflow_id")
    assert {key: job[key] for key in kept} == {key: before[key] for key in kept}
    assert sql.enqueue("b", {"x": 1}, unique_mode="until_done") != flow["b"]


def test_a_running_node_is_left_to_end_and_then_the_workflow_has_finished(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    flow = start(sql, node("a"), node("b", "a"))
    token, _ = claim(sql, flow["a"])

    assert sql.value(CANCEL, flow.id) == 1
    assert (flow.status, flow.states()) == ("running", {"a": "running", "b": "cancelled"})

    sql.finish(token, {"id": flow["a"], "state": "succeeded"})
    assert (flow.status, flow.states()) == ("cancelled", {"a": "succeeded", "b": "cancelled"})


@pytest.mark.parametrize("when", ["succeeded", "finished", "failed"])
def test_nothing_below_a_cancelled_node_runs_whatever_its_policy(rolled_back_sql: Sql, when: str) -> None:
    sql = rolled_back_sql
    flow = start(sql, node("a"), node("b", {"node": "a", "when": when}))

    assert sql.value(CANCEL, flow.id) == 2

    assert flow.states() == {"a": "cancelled", "b": "cancelled"}


def test_a_running_node_that_fails_then_does_not_run_again(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    flow = start(sql, node("a", retries=5))
    token, _ = claim(sql, flow["a"])
    sql.value(CANCEL, flow.id)

    (verdict,) = sql.finish(token, {"id": flow["a"], "state": "failed", "error": {"type": "E"}})

    assert verdict["verdict"] == "dead_letter"
    assert flow.status == "failed"


@pytest.mark.parametrize("nodes", [[{"task": "late"}], [{"no": "task"}]], ids=["good", "bad"])
def test_additions_of_a_running_node_of_a_cancelled_workflow_are_dropped(
    rolled_back_sql: Sql, nodes: list[dict[str, str]]
) -> None:
    sql = rolled_back_sql
    flow = start(sql, node("a"))
    token, _ = claim(sql, flow["a"])
    sql.value(CANCEL, flow.id)

    sql.value("select complete(%s, %s, nodes => %s)", flow["a"], token, json.dumps(nodes))

    assert flow.progress()["nodes"] == 1
    assert flow.status == "succeeded"


def test_additions_are_kept_when_the_workflow_was_retried_meanwhile(rolled_back_sql: Sql) -> None:
    """The job was asked to stop and has succeeded all the same; its workflow goes on."""
    sql = rolled_back_sql
    flow = start(sql, node("a"), node("b"))
    token, _ = claim(sql, flow["a"])
    other, _ = claim(sql, flow["b"])
    sql.value(CANCEL, flow.id)
    sql.finish(other, {"id": flow["b"], "state": "failed"})
    sql.value("select retry_workflow(%s)", flow.id)

    sql.value("select complete(%s, %s, nodes => %s)", flow["a"], token, json.dumps([{"task": "late"}]))

    assert flow.progress()["nodes"] == 3


def test_a_workflow_that_has_finished_stays_as_it_is(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    flow = start(sql, node("a"))
    flow.run("a")
    before = flow.progress()

    assert sql.value(CANCEL, flow.id) == 0
    assert flow.progress() == before


def test_a_second_cancel_finds_nothing_to_do(rolled_back_sql: Sql) -> None:
    flow = start(rolled_back_sql, node("a"), node("b"))
    claim(rolled_back_sql, flow["a"])

    assert [rolled_back_sql.value(CANCEL, flow.id) for _ in range(2)] == [1, 0]


@pytest.mark.parametrize("id", [4711, None])
def test_an_unknown_workflow_is_named(rolled_back_sql: Sql, id: int | None) -> None:
    sqlstate, message = refused(rolled_back_sql, CANCEL, id)

    assert sqlstate == "PQ003"
    assert message.startswith("workflow_id: there is no workflow ")


def test_no_callback_is_told_of_a_cancel(rolled_back_sql: Sql) -> None:
    flow = start(rolled_back_sql, node("a"), on_success=DONE, on_failure=DONE)

    rolled_back_sql.value(CANCEL, flow.id)

    assert rolled_back_sql.value("select count(*) from job") == 0


def test_a_cancel_that_is_rolled_back_changes_nothing(sql: Sql) -> None:
    flow = start(sql, node("a"), node("b", "a"))

    with sql.connection.transaction(force_rollback=True):
        sql.value(CANCEL, flow.id)

    assert flow.states() == {"a": "ready", "b": "blocked"}


def test_workers_are_told_to_look_for_jobs_to_stop_and_not_that_there_is_work(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    worker = another_sql()
    flow = start(sql, node("a"), node("b"))
    claim(sql, flow["a"])
    worker.listen()

    sql.value(CANCEL, flow.id)

    assert worker.wakes(sql) == ["!cancel"]


# One node, by cancel ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["scheduled", "ready", "blocked"])
@pytest.mark.parametrize("when", ["succeeded", "finished", "failed"])
def test_a_node_that_is_cancelled_by_itself_has_ended_for_what_waits_for_it(rolled_back_sql: Sql, when: str, state: str) -> None:
    sql = rolled_back_sql
    options: dict[str, Any] = {"run_after": "1 h"} if state == "scheduled" else {}
    flow = start(sql, node("0"), node("a", *["0"] * (state == "blocked"), **options), node("b", {"node": "a", "when": when}))

    sql.value("select cancel(%s)", flow["a"])

    assert flow.states()["a"] == "cancelled"
    assert flow.states()["b"] == ("ready" if when == "finished" else "skipped")
    assert flow.states()["0"] == "ready"


def test_a_running_node_may_be_cancelled_by_itself(rolled_back_sql: Sql) -> None:
    flow = start(rolled_back_sql, node("a"), node("b", "a"), node("c"))
    claim(rolled_back_sql, flow["a"])

    assert rolled_back_sql.value("select cancel(%s)", flow["a"]) == "asked"
    assert rolled_back_sql.value("select cancel(%s, force => true)", flow["a"]) == "fenced"
    assert flow.states() == {"a": "cancelled", "b": "skipped", "c": "ready"}


def test_a_handler_that_cancels_its_own_node_skips_what_needs_it(rolled_back_sql: Sql) -> None:
    flow = start(rolled_back_sql, node("a"), node("b", "a"), node("c", {"node": "a", "when": "finished"}))

    flow.run("a", "cancelled")

    assert flow.states() == {"a": "cancelled", "b": "skipped", "c": "ready"}


# Races --------------------------------------------------------------------------------------------------------------------------


def test_a_job_that_somebody_holds_is_left_to_maintain_and_stalls_nobody(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    flow, user = start(sql, node("a"), node("b")), another_sql()

    with user.connection.transaction():
        user.rows("select from job where id = %s for update", flow["a"])
        with without_waiting(sql):
            assert sql.value(CANCEL, flow.id) == 1
    assert flow.states() == {"a": "ready", "b": "cancelled"}

    sql.value("select maintain()")
    assert flow.status == "cancelled"


def test_a_cancelled_workflow_that_somebody_holds_stalls_neither_the_others_nor_the_pruning(
    sql: Sql, another_sql: Callable[[], Sql]
) -> None:
    flows, user = [start(sql, node("a")) for _ in range(2)], another_sql()
    with user.connection.transaction():  # so that their only nodes are left to maintain
        user.rows("select from job for update")
        for flow in flows:
            sql.value(CANCEL, flow.id)
    sql.rows("insert into job_result values (4711, '1', clock_timestamp() - interval '1 s')")

    with user.connection.transaction():
        user.rows("select from workflow where id = %s for update", flows[0].id)
        sql.value("select maintain()")
        assert [flow.status for flow in flows] == ["running", "cancelled"]
        assert sql.value("select count(*) from job_result") == 0

    sql.value("select maintain()")
    assert flows[0].status == "cancelled"


def test_a_node_that_is_released_while_a_cancel_waits_is_cancelled_too(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    flow, finisher = start(sql, node("a"), node("b", "a")), another_sql()
    token, _ = claim(sql, flow["a"])

    with finisher.connection.transaction():
        finisher.finish(token, {"id": flow["a"], "state": "succeeded"})
        cancel = Background(another_sql(), CANCEL + " as ended", flow.id)
        cancel.wait_until_blocked(sql)

    assert cancel.rows() == [{"ended": 1}]
    assert (flow.status, flow.states()) == ("cancelled", {"a": "succeeded", "b": "cancelled"})


def test_a_finish_that_meets_a_cancel_is_told_to_come_again_and_releases_nothing(
    sql: Sql, another_sql: Callable[[], Sql]
) -> None:
    flow, user = start(sql, node("a"), node("b", {"node": "a", "when": "finished"})), another_sql()
    token, _ = claim(sql, flow["a"])

    with user.connection.transaction():
        user.value(CANCEL, flow.id)
        refusal = sql.refusal("select complete(%s, %s)", flow["a"], token)
    assert refusal.sqlstate == "55P03"

    sql.value("select complete(%s, %s)", flow["a"], token)
    assert flow.states() == {"a": "succeeded", "b": "cancelled"}


def test_a_plain_parent_that_is_cancelled_while_it_is_being_adopted_skips_the_adopter(
    sql: Sql, another_sql: Callable[[], Sql]
) -> None:
    parent, adopter = sql.enqueue("parent"), another_sql()

    with adopter.connection.transaction():
        child = adopter.enqueue("child", depends_on=[parent])
        cancel = Background(another_sql(), "select cancel(%s)", parent)
        cancel.wait_until_blocked(sql)
    cancel.rows()

    assert (sql.state(parent), sql.state(child)) == ("cancelled", "cancelled")
    assert sql.job(child)["reason"] == "dependency_failed"


def test_a_cancelled_node_that_is_retried_is_a_new_plain_job(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    flow = start(sql, node("a"), node("b", "a"))
    sql.value(CANCEL, flow.id)

    again = sql.value("select id from retry(%s)", flow["b"])

    assert (sql.job(again)["workflow_id"], sql.job(again)["retry_of"]) == (None, flow["b"])
    end(sql, again)
    assert flow.status == "cancelled"
