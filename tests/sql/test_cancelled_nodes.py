"""A running node of a workflow that was cancelled does not run again, of whatever cause it comes back to the queue."""

from collections.abc import Callable
from uuid import UUID

import pytest

from .conftest import Sql
from .flows import claim, node, start
from .guarantees import without_waiting

CANCEL = "select cancel_workflow(%s)"
BACK = ["give_back", "reconcile", "retire", "snooze", "unknown_task", "rescue", "crash"]


def come_back(sql: Sql, worker: UUID, token: UUID, id: int, how: str) -> None:
    """A running job returns to the queue, or would, of whatever cause."""
    match how:
        case "give_back":
            sql.value("select give_back(%s, %s)", token, [id])
        case "reconcile":
            sql.value("select reconcile(%s, '{}', '0 s')", worker)
        case "retire":
            sql.value("select retire_worker(%s)", worker)
        case "rescue":
            sql.lose(worker)
            sql.value("select rescue()")
        case "crash":
            sql.value("select heartbeat(%s, %s, 'notify')", worker, [id])
            sql.rows("update job set attempt = max_attempts where id = %s", id)
            sql.lose(worker)
            sql.value("select rescue()")
        case "promote":
            sql.rows("update job set state = 'scheduled', claim_token = null, worker_id = null, claimed_at = null")
            sql.make_due()
            sql.value("select promote()")
        case _:
            sql.finish(token, {"id": id, "state": "snoozed" if how == "snooze" else how, "delay": 60})


@pytest.mark.parametrize("back", [*BACK, "promote"])
def test_a_running_node_that_comes_back_is_cancelled(rolled_back_sql: Sql, back: str) -> None:
    sql = rolled_back_sql
    flow = start(sql, node("a"), node("over"), node("b", {"node": "a", "when": "finished"}))
    flow.run("over")
    worker = sql.worker()
    token, _ = sql.claim(worker)
    sql.value(CANCEL, flow.id)

    come_back(sql, worker, token, flow["a"], back)

    assert (flow.status, flow.states()) == ("cancelled", {"a": "cancelled", "over": "succeeded", "b": "cancelled"})
    assert (sql.job(flow["a"])["reason"], sql.value("select count(*) from job")) == ("user_requested", 0)


@pytest.mark.parametrize("back", BACK)
def test_a_running_node_of_another_workflow_and_a_plain_job_come_back(rolled_back_sql: Sql, back: str) -> None:
    sql = rolled_back_sql
    cancelled, other, plain = start(sql, node("a")), start(sql, node("a", retries=9)), sql.enqueue(retries=9)
    worker = sql.worker()
    token, _ = sql.claim(worker)
    sql.value(CANCEL, cancelled.id)

    for id in (other["a"], plain):
        if back != "crash":
            come_back(sql, worker, token, id, back)

    assert {sql.state(id) for id in (other["a"], plain)} <= {"ready", "scheduled", "running"}
    assert other.status == "running"


@pytest.mark.parametrize("state", ["snoozed", "unknown_task"])
def test_a_node_that_wants_to_come_back_is_told_that_it_was_cancelled(rolled_back_sql: Sql, state: str) -> None:
    flow = start(rolled_back_sql, node("a"))
    token, _ = claim(rolled_back_sql, flow["a"])
    rolled_back_sql.value(CANCEL, flow.id)

    verdicts = rolled_back_sql.finish(token, {"id": flow["a"], "state": state, "delay": 60})

    assert verdicts == [{"job_id": flow["a"], "verdict": "cancelled", "run_at": None}]


@pytest.mark.parametrize("back", ["give_back", "promote"])
def test_a_node_that_comes_back_while_somebody_holds_its_workflow_stalls_nobody_and_is_cancelled_by_maintain(
    sql: Sql, another_sql: Callable[[], Sql], back: str
) -> None:
    flow, user = start(sql, node("a")), another_sql()
    worker = sql.worker()
    token, _ = sql.claim(worker)
    sql.value(CANCEL, flow.id)

    with user.connection.transaction():
        user.rows("select from workflow where id = %s for update", flow.id)
        with without_waiting(sql):
            come_back(sql, worker, token, flow["a"], back)
    assert flow.states() == {"a": "ready"}

    sql.value("select maintain()")

    assert (flow.status, flow.states()) == ("cancelled", {"a": "cancelled"})


def test_what_a_cancel_has_left_behind_is_cancelled_by_maintain(rolled_back_sql: Sql) -> None:
    flow = start(rolled_back_sql, node("a"))
    rolled_back_sql.rows("update workflow set cancelled_at = clock_timestamp()")

    rolled_back_sql.value("select maintain()")

    assert (flow.status, flow.states()) == ("cancelled", {"a": "cancelled"})


def test_a_node_that_crashed_while_somebody_held_its_cancelled_workflow_is_cancelled_by_the_next_rescue(
    sql: Sql, another_sql: Callable[[], Sql]
) -> None:
    flow, user = start(sql, node("a")), another_sql()
    worker = sql.worker()
    token, _ = sql.claim(worker)
    sql.value(CANCEL, flow.id)

    with user.connection.transaction():
        user.rows("select from workflow where id = %s for update", flow.id)
        come_back(sql, worker, token, flow["a"], "crash")
    assert flow.states() == {"a": "running"}

    assert sql.value("select rescue()") == 1

    assert (flow.states(), sql.value("select crashed from rescue_log")) == ({"a": "cancelled"}, False)


@pytest.mark.parametrize("back", [*BACK, "promote"])
def test_it_is_cancelled_too_when_the_workflow_was_retried_meanwhile(rolled_back_sql: Sql, back: str) -> None:
    sql = rolled_back_sql
    flow = start(sql, node("dead"), node("a"))
    flow.run("dead", "failed")
    worker = sql.worker()
    token, _ = sql.claim(worker)
    sql.value(CANCEL, flow.id)
    assert sql.value("select retry_workflow(%s)", flow.id) == 1

    come_back(sql, worker, token, flow["a"], back)

    assert flow.states() == {"dead": "ready", "a": "cancelled"}
    flow.run("dead")
    assert flow.status == "cancelled"


def test_what_somebody_held_when_it_came_back_is_left_to_maintain_after_a_retry_too(
    sql: Sql, another_sql: Callable[[], Sql]
) -> None:
    flow, other = start(sql, node("dead"), node("a")), another_sql()
    flow.run("dead", "failed")
    token, _ = claim(sql, flow["a"])
    sql.value(CANCEL, flow.id)
    sql.value("select retry_workflow(%s)", flow.id)

    with other.connection.transaction():
        other.rows("select from workflow for update")
        sql.value("select give_back(%s, %s)", token, [flow["a"]])
        assert flow.states()["a"] == "ready"
    sql.value("select maintain()")

    assert flow.states() == {"dead": "ready", "a": "cancelled"}
