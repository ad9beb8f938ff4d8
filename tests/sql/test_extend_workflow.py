"""extend_workflow: more nodes for a workflow that is there."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from .background import Background
from .conftest import Sql
from .flows import Flow, claim, node, refused, start

EXTEND = "select extend_workflow(%s, %s)"


def parents_of(sql: Sql, flow: Flow, name: str) -> list[str]:
    """The names of a node's parents in the order in which it gets their results."""
    rows = sql.rows(
        "select p.name from workflow_edge e join workflow_node p on p.job_id = e.parent_id where child_id = %s order by position",
        flow[name],
    )
    return [row["name"] for row in rows]


@pytest.mark.parametrize("form", ["name", "id", "object"])
def test_a_new_node_waits_for_one_that_is_there(rolled_back_sql: Sql, form: str) -> None:
    flow = start(rolled_back_sql, node("a"))
    parent: Any = {"name": "a", "id": {"job": flow["a"]}, "object": {"node": "a", "when": "succeeded"}}[form]

    flow.extend(node("b", parent), node("c", "b"))

    assert flow.states() == {"a": "ready", "b": "blocked", "c": "blocked"}
    for name in "abc":
        flow.run(name)
    assert flow.status == "succeeded"


@pytest.mark.one_case
@pytest.mark.parametrize("state", ["ready", "running", "blocked", "succeeded", "failed", "cancelled", "skipped"])
@pytest.mark.parametrize("when", ["succeeded", "finished", "failed"])
def test_a_new_node_runs_waits_or_is_skipped_by_how_its_parent_stands(rolled_back_sql: Sql, state: str, when: str) -> None:
    flow = start(rolled_back_sql, node("a"), node("b", "a"))
    parent = "b" if state in ("blocked", "skipped") else "a"
    match state:
        case "running":
            claim(rolled_back_sql, flow["a"])
        case "skipped":
            flow.run("a", "failed")
        case "succeeded" | "failed" | "cancelled":
            flow.run("a", state)

    flow.extend(node("new", {"node": parent, "when": when}), node("below", "new"))

    if state in ("ready", "running", "blocked"):
        expected = ("blocked", "blocked")
    elif when in ("finished", state):
        expected = ("ready", "blocked")
    else:
        expected = ("skipped", "skipped")
    assert (flow.states()["new"], flow.states()["below"]) == expected


def test_a_workflow_that_had_finished_goes_on_and_finishes_again(rolled_back_sql: Sql) -> None:
    flow = start(rolled_back_sql, node("a"))
    flow.run("a")

    flow.extend(node("b", "a"))
    progress = flow.progress()

    assert (progress["status"], progress["open"], progress["nodes"], progress["finished_at"]) == ("running", 1, 2, None)
    flow.run("b")
    assert flow.status == "succeeded"


def test_a_node_that_is_skipped_as_it_is_added_leaves_a_finished_workflow_finished(rolled_back_sql: Sql) -> None:
    flow = start(rolled_back_sql, node("a"))
    flow.run("a", "failed")

    flow.extend(node("b", "a"))

    progress = flow.progress()
    assert (progress["status"], progress["open"], progress["skipped"]) == ("failed", 0, 1)


@pytest.mark.parametrize("form", ["name", "id", "object"])
def test_a_join_that_is_there_waits_for_new_nodes_too(rolled_back_sql: Sql, form: str) -> None:
    flow = start(rolled_back_sql, node("a"), node("join", "a"))
    join: Any = {"name": "join", "id": {"job": flow["join"]}, "object": {"node": "join", "when": "finished"}}[form]

    flow.extend(node("b", before=[join]), node("c", "b", before=[join]))
    flow.run("a")
    flow.run("b")

    assert flow.states()["join"] == "blocked"
    flow.run("c", "succeeded" if form != "object" else "failed")
    assert flow.states()["join"] == "ready"


def test_new_parents_stand_behind_those_that_were_there_in_the_order_given(rolled_back_sql: Sql) -> None:
    flow = start(rolled_back_sql, node("a"), node("b"), node("join", "b", "a"))

    flow.extend(*(node(name, before=["join"]) for name in "edc"))
    flow.extend(node("y"), node("x", "y", before=["join"]))

    assert parents_of(rolled_back_sql, flow, "join") == ["b", "a", "e", "d", "c", "x"]


def test_a_node_can_be_put_between_two_that_wait(rolled_back_sql: Sql) -> None:
    flow = start(rolled_back_sql, node("a"), node("b", "a"), node("c", "b"))

    flow.extend(node("between", "b", before=["c"]))

    for name in ("a", "b", "between", "c"):
        flow.run(name)
    assert flow.status == "succeeded"


def test_nodes_can_be_put_into_several_places_of_a_chain_at_once(rolled_back_sql: Sql) -> None:
    flow = start(rolled_back_sql, node("a"), node("b", "a"), node("c", "b"))

    flow.extend(node("a-b", "a", before=["b"]), node("b-c", "b", before=["c"]), node("end", "c"))

    for name in ("a", "a-b", "b", "b-c", "c", "end"):
        assert [row["task"] for row in rolled_back_sql.rows("select task from job where state = 'ready'")] == [name]
        flow.run(name)
    assert flow.status == "succeeded"


def test_a_join_is_skipped_when_a_new_parent_can_no_longer_run(rolled_back_sql: Sql) -> None:
    flow = start(rolled_back_sql, node("a"), node("dead"), node("join", "a"))
    flow.run("dead", "failed")

    flow.extend(node("new", "dead", before=["join"]))

    assert flow.states() == {"a": "ready", "dead": "failed", "new": "skipped", "join": "skipped"}


@pytest.mark.one_case
@pytest.mark.parametrize("after", [["c"], [{"node": "c", "when": "finished"}]])
def test_a_cycle_through_nodes_that_are_there_is_refused(rolled_back_sql: Sql, after: list[Any]) -> None:
    flow = start(rolled_back_sql, node("a"), node("b", "a"), node("c", "b"))

    said = refused(rolled_back_sql, EXTEND, flow.id, json.dumps([node("x", *after), node("new", "x", before=["b"])]))

    assert said == ("PQ001", "before: 'new' is not valid; these nodes would wait for nodes that wait for them, in a cycle")


def test_a_node_that_waits_for_the_one_it_stands_before_is_refused(rolled_back_sql: Sql) -> None:
    flow = start(rolled_back_sql, node("a"), node("b", "a"))

    assert refused(rolled_back_sql, EXTEND, flow.id, json.dumps([node("new", "b", before=["b"])]))[0] == "PQ001"


@pytest.mark.parametrize("state", ["ready", "running", "succeeded", "failed", "cancelled", "skipped"])
def test_only_nodes_that_still_wait_can_wait_for_more(rolled_back_sql: Sql, state: str) -> None:
    flow = start(rolled_back_sql, node("a"), node("b", "a"))
    name = "b" if state == "skipped" else "a"
    match state:
        case "running":
            claim(rolled_back_sql, flow["a"])
        case "skipped":
            flow.run("a", "failed")
        case "succeeded" | "failed" | "cancelled":
            flow.run("a", state)

    sqlstate, message = refused(rolled_back_sql, EXTEND, flow.id, json.dumps([node("new", before=[name])]))

    assert sqlstate == "PQ004"
    assert message == (
        f"before: the node of job {flow[name]} has started or is over; only nodes that still wait for others can wait for more"
    )


@pytest.mark.one_case
@pytest.mark.parametrize("before", ["x", 1, {"node": "x"}, {"job": 10**9}, None, {"node": "b", "when": "now"}, 1.5])
def test_a_child_that_is_not_there_is_refused(rolled_back_sql: Sql, before: Any) -> None:
    flow = start(rolled_back_sql, node("a"), node("b", "a"))

    sqlstate, message = refused(rolled_back_sql, EXTEND, flow.id, json.dumps([node("new", before=[before])]))

    assert sqlstate == "PQ001"
    assert message.startswith(("before: ", "when: "))


def test_a_job_of_another_workflow_is_neither_parent_nor_child(rolled_back_sql: Sql) -> None:
    flow, other = start(rolled_back_sql, node("a")), start(rolled_back_sql, node("a"), node("b", "a"))

    for nodes in (node("new", {"job": other["a"]}), node("new", before=[{"job": other["b"]}])):
        sqlstate, message = refused(rolled_back_sql, EXTEND, flow.id, json.dumps([nodes]))
        assert sqlstate == "PQ001"
        assert f"node new names a node that workflow {flow.id} does not have" in message


def test_a_plain_job_is_no_parent(rolled_back_sql: Sql) -> None:
    flow, plain = start(rolled_back_sql, node("a")), rolled_back_sql.enqueue()

    assert refused(rolled_back_sql, EXTEND, flow.id, json.dumps([node("new", {"job": plain})]))[0] == "PQ001"


def test_a_name_that_the_workflow_has_is_refused(rolled_back_sql: Sql) -> None:
    flow = start(rolled_back_sql, node("a"))

    said = refused(rolled_back_sql, EXTEND, flow.id, json.dumps([{"task": "t", "name": "a"}]))

    assert said == ("PQ001", "name: 'a' is not valid; the workflow has a node of this name; use another")


def test_a_name_of_another_workflow_is_free(rolled_back_sql: Sql) -> None:
    start(rolled_back_sql, node("a"))
    flow = start(rolled_back_sql, node("b"))

    flow.extend(node("a", "b"))

    assert flow.states() == {"a": "blocked", "b": "ready"}


def test_an_unknown_workflow_is_named(rolled_back_sql: Sql) -> None:
    said = refused(rolled_back_sql, EXTEND, 4711, json.dumps([node("a")]))

    assert said == ("PQ003", "workflow_id: there is no workflow 4711; it never existed, or it is not kept any more")


def test_a_workflow_that_is_null_is_refused(rolled_back_sql: Sql) -> None:
    assert refused(rolled_back_sql, EXTEND, None, json.dumps([node("a")]))[0] == "PQ003"


@pytest.mark.parametrize("finished", [False, True])
def test_a_workflow_that_was_cancelled_takes_no_more_nodes(rolled_back_sql: Sql, finished: bool) -> None:
    flow = start(rolled_back_sql, node("a"))
    if not finished:
        claim(rolled_back_sql, flow["a"])
    rolled_back_sql.value("select cancel_workflow(%s)", flow.id)

    said = refused(rolled_back_sql, EXTEND, flow.id, json.dumps([node("b")]))

    assert said == ("PQ004", f"workflow_id: workflow {flow.id} was cancelled; enqueue another one")


def test_more_nodes_than_the_setting_allows_are_refused(rolled_back_sql: Sql) -> None:
    flow = start(rolled_back_sql, node("a"), node("b"))
    rolled_back_sql.rows("update setting set max_workflow_nodes = 3")
    flow.extend(node("c"))

    said = refused(rolled_back_sql, EXTEND, flow.id, json.dumps([node("d")]))

    assert said == (
        "PQ001",
        "nodes: 4 nodes are too many for one workflow; use several, or raise max_workflow_nodes of table setting (3 now)",
    )


def test_a_unique_job_that_is_there_already_refuses_the_whole_call(rolled_back_sql: Sql) -> None:
    flow = start(rolled_back_sql, node("a", unique_mode="until_done"))

    assert (
        refused(rolled_back_sql, EXTEND, flow.id, json.dumps([node("b"), {"task": "a", "unique_mode": "until_done"}]))[0]
        == "PQ004"
    )


def test_new_nodes_that_may_run_wake_their_queue(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    worker = another_sql()
    flow = start(sql, node("a"), node("over"))
    flow.run("over")
    worker.listen()

    flow.extend(node("b", queue="root"), node("c", "a", queue="waits"), node("d", "over", queue="released"))

    assert sorted(worker.wakes(sql)) == ["released", "root"]


def test_a_parent_that_ends_while_its_new_child_waits_for_the_workflow_decides_at_once(
    sql: Sql, another_sql: Callable[[], Sql]
) -> None:
    flow, finisher = start(sql, node("a")), another_sql()
    token, _ = claim(sql, flow["a"])

    with finisher.connection.transaction():
        finisher.finish(token, {"id": flow["a"], "state": "succeeded"})
        extension = Background(another_sql(), EXTEND, flow.id, json.dumps([node("b", "a")]))
        extension.wait_until_blocked(sql)
    extension.rows()

    assert flow.states() == {"a": "succeeded", "b": "ready"}


def test_a_parent_that_ends_while_it_gets_a_child_releases_that_child(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    flow, user = start(sql, node("a")), another_sql()
    token, _ = claim(sql, flow["a"])

    with user.connection.transaction():
        user.value(EXTEND, flow.id, json.dumps([node("b", "a")]))
        complete = Background(another_sql(), "select complete(%s, %s)", flow["a"], token)
        complete.wait_until_blocked(sql)
    complete.rows()

    assert flow.states() == {"a": "succeeded", "b": "ready"}


def test_in_repeatable_read_a_workflow_that_has_moved_since_the_snapshot_is_a_serialization_failure(
    sql: Sql, another_sql: Callable[[], Sql]
) -> None:
    flow, user = start(sql, node("a")), another_sql()
    user.rows("begin isolation level repeatable read")
    user.value("select count(*) from workflow")

    flow.run("a")

    assert user.refusal(EXTEND, flow.id, json.dumps([node("b", "a")])).sqlstate == "40001"
    user.rows("rollback")


def test_a_finish_in_repeatable_read_that_would_miss_a_new_child_is_a_serialization_failure(
    sql: Sql, another_sql: Callable[[], Sql]
) -> None:
    flow, worker = start(sql, node("a")), another_sql()
    token, _ = claim(sql, flow["a"])
    worker.rows("begin isolation level repeatable read")
    worker.value("select count(*) from workflow")

    flow.extend(node("b", "a"))
    outcome = json.dumps([{"id": flow["a"], "token": str(token), "state": "succeeded"}])

    assert worker.refusal("select finish(%s)", outcome).sqlstate == "40001"
    worker.rows("rollback")
    assert flow.states() == {"a": "running", "b": "blocked"}
