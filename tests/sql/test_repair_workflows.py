"""workflow_drift and repair_workflows: rows changed by hand are found, and no workflow waits for ever."""

from collections.abc import Callable
from typing import Any

import pytest

from .conftest import Sql
from .flows import Flow, end, node, start
from .guarantees import without_waiting

REPAIR = "select repair_workflows()"


def drift(sql: Sql, flow: Flow) -> list[tuple[Any, ...]]:
    """What is wrong, with the names of the nodes."""
    names = {id: name for name, id in flow.jobs.items()}
    rows = sql.rows("select * from workflow_drift() order by job_id nulls first, what")
    assert {row["workflow_id"] for row in rows} <= {flow.id}
    return [(names.get(row["job_id"]), row["what"], row["stored"], row["derived"]) for row in rows]


def diamond(sql: Sql) -> Flow:
    """a has succeeded; b and c are ready, join waits for them, last for join."""
    flow = start(sql, node("a"), node("b", "a"), node("c", "a"), node("join", "b", "c"), node("last", "join"))
    flow.run("a")
    return flow


DRIFT: dict[str, tuple[str, list[tuple[Any, ...]], dict[str, str]]] = {
    "too few parents are counted": (
        "update workflow_node set pending_parents = 1 where name = 'join'",
        [("join", "pending_parents", "1", "2")],
        {"join": "blocked"},
    ),
    "too many parents are counted": (
        "update workflow_node set pending_parents = 9 where name = 'join'",
        [("join", "pending_parents", "9", "2")],
        {"join": "blocked"},
    ),
    "a node that waits has no parents for its worker": (
        "update workflow_node set has_parents = false where name = 'join'",
        [("join", "has_parents", "false", "true")],
        {"join": "blocked"},
    ),
    "a blocked node has lost its edges": (
        "delete from workflow_edge where child_id = (select job_id from workflow_node where name = 'join')",
        [("join", "pending_parents", "2", "0")],
        {"join": "ready", "last": "blocked"},
    ),
    "a release was missed": (
        "alter table workflow_node disable trigger node_ended; delete from job where task in ('b', 'c'); "
        "update workflow_node set state = 'succeeded', ended_at = now() where name in ('b', 'c'); "
        "alter table workflow_node enable trigger node_ended",
        [(None, "open", "4 of 5", "2 of 5"), ("join", "pending_parents", "2", "0")],
        {"b": "succeeded", "c": "succeeded", "join": "ready", "last": "blocked"},
    ),
    "a skip was missed": (
        "alter table workflow_node disable trigger node_ended; delete from job where task = 'b'; "
        "update workflow_node set state = 'failed', ended_at = now() where name = 'b'; "
        "alter table workflow_node enable trigger node_ended",
        [(None, "open", "4 of 5", "3 of 5"), ("join", "cannot run", "blocked", "skipped"), ("join", "pending_parents", "2", "1")],
        {"b": "failed", "c": "ready", "join": "skipped", "last": "skipped"},
    ),
    "the job of a live node is gone": (
        "delete from job where task = 'b'",
        [("b", "job", "live", "none")],
        {"b": "cancelled", "c": "ready", "join": "skipped", "last": "skipped"},
    ),
    "the job of a blocked node is gone": (
        "delete from job where task = 'join'",
        [("join", "job", "blocked", "none")],
        {"join": "cancelled", "last": "skipped"},
    ),
    "a node that has ended has a live job": (
        "insert into job (id, run_at, created_at, state, queue, task, workflow_id) overriding system value "
        "select id, now(), now(), 'ready', queue, task, workflow_id from job_history where task = 'a'",
        [("a", "job", "succeeded", "ready")],
        {"a": "ready", "b": "ready", "c": "ready", "join": "blocked"},
    ),
    "the job of a live node is blocked": (
        "update job set state = 'blocked' where task = 'b'",
        [("b", "job", "live", "blocked")],
        {"b": "ready"},
    ),
    "the job of a blocked node is ready": (
        "update job set state = 'ready' where task = 'join'",
        [("join", "job", "blocked", "ready")],
        {"join": "blocked"},
    ),
    "the job of a blocked node runs": (
        "update job set state = 'running', claim_token = gen_random_uuid(), worker_id = gen_random_uuid(), claimed_at = now() "
        "where task = 'join'",
        [("join", "job", "blocked", "running")],
        {"join": "running", "last": "blocked"},
    ),
    "open is too small": ("update workflow set open = 1", [(None, "open", "1 of 5", "4 of 5")], {}),
    "open and nodes are too large": ("update workflow set open = 6, nodes = 8", [(None, "open", "6 of 8", "4 of 5")], {}),
    "it counts as finished": (
        "update workflow set open = 0, finished_at = now(), outcome = 'succeeded'",
        [(None, "open", "0 of 5", "4 of 5")],
        {},
    ),
    "several at once": (
        "update workflow_node set pending_parents = 1 where name = 'join'; delete from job where task = 'b'; "
        "update workflow set open = 1",
        [(None, "open", "1 of 5", "4 of 5"), ("b", "job", "live", "none"), ("join", "pending_parents", "1", "2")],
        {"b": "cancelled", "c": "ready", "join": "skipped", "last": "skipped"},
    ),
}


@pytest.mark.parametrize(("harm", "found", "states"), DRIFT.values(), ids=DRIFT)
def test_what_was_changed_by_hand_is_found_and_mended(
    rolled_back_sql: Sql, harm: str, found: list[tuple[Any, ...]], states: dict[str, str]
) -> None:
    sql = rolled_back_sql
    flow = diamond(sql)
    untouched = start(sql, node("other"), node("waits", "other"))
    expected = flow.states() | states
    for statement in harm.split("; "):
        sql.rows(statement + f" where id = {flow.id}" * statement.startswith("update workflow set"))
    assert drift(sql, flow) == found

    mended = sql.value("select repair_workflows()") if flow.progress()["finished_at"] is None else repair_finished(sql, flow)

    assert mended == 1
    assert drift(sql, flow) == []
    assert flow.states() == expected
    assert flow.progress()["repairs"] == 1
    assert untouched.progress()["repairs"] == 0
    assert sql.value(REPAIR) == 0
    work_off(sql)
    assert flow.progress()["open"] == 0


def test_a_worker_is_told_of_the_parents_of_a_node_that_was_mended(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    flow = diamond(sql)
    sql.rows("update workflow_node set has_parents = false where name = 'join'")

    assert sql.value(REPAIR) == 1

    flow.run("b")
    flow.run("c")
    _, (row,) = sql.claim(sql.worker())
    assert (row["id"], row["node"].get("has_parents")) == (flow["join"], True)


def repair_finished(sql: Sql, flow: Flow) -> int:
    """A workflow that counts as finished is not looked at by itself: nothing waits for it; a person may mend it."""
    assert sql.value(REPAIR) == 0
    sql.value("select repair_workflow(%s)", flow.id)
    return 1


def work_off(sql: Sql) -> None:
    """Run whatever can run until nothing is ready."""
    for row in sql.rows("select id, claim_token as token from job where state = 'running'"):
        sql.finish(row["token"], {"id": row["id"], "state": "succeeded"})
    while ids := [row["id"] for row in sql.rows("select id from job where state = 'ready' order by id")]:
        for id in ids:
            end(sql, id)


def test_a_node_without_a_job_has_ended_as_its_last_trace_says(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    flow = start(sql, node("dead"), node("over"), node("gone"), node("join", {"node": "dead", "when": "failed"}, "over"))
    sql.rows("alter table workflow_node disable trigger node_ended")
    flow.run("dead", "failed")
    flow.run("over")
    sql.rows("delete from job where task = 'gone'")
    sql.rows("alter table workflow_node enable trigger node_ended")
    sql.rows("update workflow_node set state = 'live', ended_at = null where name in ('dead', 'over')")

    assert sql.value(REPAIR) == 1

    assert flow.states() == {"dead": "failed", "over": "succeeded", "gone": "cancelled", "join": "ready"}


def test_a_count_that_was_too_small_releases_nobody_while_another_parent_is_mended(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    flow = start(sql, node("over"), node("runs"), node("join", "over", "runs"))
    sql.rows("alter table workflow_node disable trigger node_ended")
    flow.run("over")
    sql.rows("alter table workflow_node enable trigger node_ended")
    sql.rows("update workflow_node set state = 'live', ended_at = null where name = 'over'")
    sql.rows("update workflow_node set pending_parents = 1 where name = 'join'")

    assert sql.value(REPAIR) == 1

    assert flow.states() == {"over": "succeeded", "runs": "ready", "join": "blocked"}
    flow.run("runs")
    assert flow.states()["join"] == "ready"


def test_a_workflow_whose_last_node_is_gone_finishes_and_tells(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    flow = start(sql, node("a"), node("b"), on_success='{"task": "done"}')
    flow.run("a")
    sql.rows("alter table workflow_node disable trigger node_ended")
    flow.run("b")
    sql.rows("alter table workflow_node enable trigger node_ended")
    sql.rows("update workflow_node set state = 'live', ended_at = null where name = 'b'")

    sql.value(REPAIR)

    assert flow.status == "succeeded"
    assert sql.value("select count(*) from job where task = 'done'") == 1


def test_a_workflow_whose_last_node_was_not_skipped_finishes_and_tells(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    flow = start(sql, node("a"), node("b", "a"), on_failure='{"task": "alas"}')
    sql.rows("alter table workflow_node disable trigger node_ended")
    flow.run("a", "failed")
    sql.rows("alter table workflow_node enable trigger node_ended")

    sql.value(REPAIR)

    assert (flow.status, flow.states()) == ("failed", {"a": "failed", "b": "skipped"})
    assert sql.value("select count(*) from job where task = 'alas'") == 1


def test_a_workflow_that_has_lost_all_its_nodes_is_removed(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    flow = start(sql, node("a"))
    sql.rows("delete from workflow_node")
    assert drift(sql, flow) == [(None, "open", "1 of 1", "0 of 0")]

    assert sql.value(REPAIR) == 1

    assert sql.value("select count(*) from workflow") == 0
    end(sql, flow["a"])


def test_a_sound_workflow_is_left_alone(rolled_back_sql: Sql) -> None:
    flow = diamond(rolled_back_sql)
    before = rolled_back_sql.rows("select * from workflow")

    assert rolled_back_sql.value(REPAIR) == 0
    assert rolled_back_sql.rows("select * from workflow where id = %s", flow.id) == before


def test_maintain_repairs_and_warns(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    flow, warnings = diamond(sql), []
    sql.connection.add_notice_handler(lambda diagnostic: warnings.append((diagnostic.severity, diagnostic.message_primary)))
    sql.rows("delete from job where task = 'b'")

    sql.value("select maintain()")
    sql.value("select maintain()")

    assert warnings == [("WARNING", "1 workflows did not agree with their jobs and were repaired; see workflow.repairs")]
    assert flow.progress()["repairs"] == 1
    assert flow.states()["b"] == "cancelled"


def test_a_look_at_so_many_nodes_takes_other_workflows_each_time(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    flows = [diamond(sql) for _ in range(3)]
    sql.rows("update workflow set open = 5")
    looked_at = "select distinct workflow_id from workflow_drift(true, %s) order by 1"
    ids = [flow.id for flow in flows]

    assert [row["workflow_id"] for row in sql.rows(looked_at, 11)] == ids
    assert all(len(sql.rows(looked_at, most)) == n for most, n in [(1, 1), (5, 1), (6, 2), (10, 2)] for _ in range(5))
    seen: set[int] = set()
    sql.value("select setseed(0.5)")
    for _ in range(50):
        seen |= {row["workflow_id"] for row in sql.rows(looked_at, 1)}
    assert seen == set(ids)
    assert sql.value("select repair_workflows(1)") == 1
    assert sql.value(REPAIR) == 2


def test_a_workflow_in_use_is_left_for_the_next_time_and_stalls_nobody(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    held, other, user = diamond(sql), diamond(sql), another_sql()
    sql.rows("delete from job where task = 'b'")

    with user.connection.transaction():
        user.rows("select from workflow where id = %s for update", held.id)
        with without_waiting(sql):
            assert sql.value(REPAIR) == 1
    assert (held.progress()["repairs"], other.progress()["repairs"]) == (0, 1)

    assert sql.value(REPAIR) == 1
    assert held.progress()["repairs"] == 1


def test_a_workflow_that_cannot_be_repaired_holds_up_neither_the_others_nor_maintain(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    bad, good = diamond(sql), diamond(sql)
    sql.rows("delete from job where task = 'b'")
    sql.rows(f"alter table workflow add constraint stubborn check (id <> {bad.id} or repairs = 0)")

    assert sql.value("select maintain()") is True

    assert (bad.progress()["repairs"], good.progress()["repairs"]) == (0, 1)
    sql.rows("alter table workflow drop constraint stubborn")
    assert sql.value(REPAIR) == 1
