"""enqueue_workflow: all nodes or none."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from .conftest import Sql
from .flows import claim, node, refused, start

ENQUEUE = "select enqueue_workflow(%s)"


def edges(sql: Sql) -> list[tuple[Any, ...]]:
    rows = sql.rows(
        "select p.name as parent, c.name as child, run_if, position from workflow_edge e "
        "join workflow_node p on p.job_id = parent_id join workflow_node c on c.job_id = child_id order by child_id, position"
    )
    return [tuple(row.values()) for row in rows]


def test_nodes_without_parents_are_ready_and_the_others_blocked(rolled_back_sql: Sql) -> None:
    flow = start(rolled_back_sql, node("a"), node("b"), node("join", "a", "b"), node("last", "join"), name="import")

    assert flow.states() == {"a": "ready", "b": "ready", "join": "blocked", "last": "blocked"}
    assert list(flow.jobs.values()) == sorted(flow.jobs.values())
    progress = flow.progress()
    assert (progress["name"], progress["status"], progress["nodes"], progress["open"]) == ("import", "running", 4, 4)
    assert edges(rolled_back_sql) == [
        ("a", "join", "succeeded", 1),
        ("b", "join", "succeeded", 2),
        ("join", "last", "succeeded", 1),
    ]


def test_a_chain_runs_link_by_link_to_its_end(rolled_back_sql: Sql) -> None:
    flow = start(rolled_back_sql, node("a"), node("b", "a"), node("c", "b"))

    for name in "abc":
        assert [row["task"] for row in rolled_back_sql.rows("select task from job where state = 'ready'")] == [name]
        flow.run(name)

    assert flow.states() == dict.fromkeys("abc", "succeeded")
    progress = flow.progress()
    assert (progress["status"], progress["open"], progress["repairs"]) == ("succeeded", 0, 0)
    assert progress["finished_at"] is not None


def test_a_node_waits_for_all_its_parents(rolled_back_sql: Sql) -> None:
    flow = start(rolled_back_sql, *(node(name) for name in "abc"), node("join", "a", "b", "c"))

    waits_for = []
    for name in "bca":
        assert flow.states()["join"] == "blocked"
        waits_for.append(rolled_back_sql.value("select waits_for from workflow_nodes where name = 'join'"))
        flow.run(name)

    assert waits_for == [3, 2, 1]
    assert flow.states()["join"] == "ready"


def test_parents_that_end_in_one_batch_release_their_child_once(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    worker = another_sql()
    flow = start(sql, *(node(name) for name in "abc"), node("join", "a", "b", "c", queue="joins"))
    token, rows = claim(sql, flow["a"], flow["b"], flow["c"])
    worker.listen()

    sql.finish(token, *({"id": row["id"], "state": "succeeded"} for row in rows))

    assert worker.wakes(sql) == ["joins"]
    assert flow.states()["join"] == "ready"


def test_every_form_of_a_parent_names_the_same_node(rolled_back_sql: Sql) -> None:
    forms: list[Any] = [1, "a", {"node": 1}, {"node": "a"}, {"node": "a", "when": "succeeded"}]
    start(rolled_back_sql, node("a"), *(node(f"child {place}", form) for place, form in enumerate(forms)))

    assert edges(rolled_back_sql) == [("a", f"child {place}", "succeeded", 1) for place in range(len(forms))]


def test_parents_keep_the_order_in_which_they_are_named(rolled_back_sql: Sql) -> None:
    start(rolled_back_sql, *(node(name) for name in "abc"), node("join", "c", {"node": 1, "when": "finished"}, 2))

    assert edges(rolled_back_sql) == [("c", "join", "succeeded", 1), ("a", "join", "finished", 2), ("b", "join", "succeeded", 3)]


def test_a_parent_that_is_named_twice_is_one_parent(rolled_back_sql: Sql) -> None:
    flow = start(rolled_back_sql, node("a"), node("b", "a", 1, {"node": "a"}))

    flow.run("a")

    assert flow.states()["b"] == "ready"


def test_a_node_may_wait_for_several_in_different_ways(rolled_back_sql: Sql) -> None:
    start(rolled_back_sql, node("a"), node("b"), node("c", "a", {"node": "b", "when": "finished"}, 1))

    assert edges(rolled_back_sql) == [("a", "c", "succeeded", 1), ("b", "c", "finished", 2)]


def test_links_that_are_null_are_none(rolled_back_sql: Sql) -> None:
    flow = start(rolled_back_sql, node("a"), {**node("b", "a"), "before": None}, {**node("c"), "after": None})

    assert flow.states() == {"a": "ready", "b": "blocked", "c": "ready"}


@pytest.mark.parametrize("option", ["after", "name"])
def test_nodes_need_neither_names_nor_parents(rolled_back_sql: Sql, option: str) -> None:
    nodes: list[dict[str, Any]] = [{"task": "t"}, {"task": "t", option: [1] if option == "after" else None}]
    flow = start(rolled_back_sql, *nodes)

    assert flow.progress()["blocked"] == (1 if option == "after" else 0)


def test_every_option_of_enqueue_can_be_given(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    given = {
        "args": {"x": 1}, "queue": "q", "priority": 3, "run_after": "1 h", "retries": 7, "retry": {"jitter": False},
        "result_ttl": "1 min", "meta": [1], "unique_key": "k", "unique_mode": "until_done",
    }  # fmt: skip
    flow = start(sql, node("a"), node("b", "a", **given))

    (job,) = sql.rows("select * from job where id = %s", flow["b"])

    kept = {key: job[key] for key in ("args", "queue", "priority", "retry", "meta", "unique_mode", "workflow_id", "state")}
    assert kept == {
        "args": {"x": 1}, "queue": "q", "priority": 3, "retry": {"jitter": False}, "meta": [1], "unique_mode": "until_done",
        "workflow_id": flow.id, "state": "blocked",
    }  # fmt: skip
    assert (job["max_attempts"], job["result_ttl"]) == (8, timedelta(minutes=1))
    assert job["unique_key"] is not None


def test_a_child_whose_time_has_not_come_is_scheduled_when_it_is_released(rolled_back_sql: Sql) -> None:
    flow = start(rolled_back_sql, node("a"), node("b", "a", run_after="1 h"))
    due = rolled_back_sql.job(flow["b"])["run_at"]

    flow.run("a")

    assert flow.states()["b"] == "scheduled"
    assert rolled_back_sql.job(flow["b"])["run_at"] == due


def test_a_released_child_is_due_since_its_release_so_that_no_cursor_has_passed_it(rolled_back_sql: Sql) -> None:
    flow = start(rolled_back_sql, node("a"), node("b", "a"))
    token, _ = claim(rolled_back_sql, flow["a"])
    before = rolled_back_sql.value("select clock_timestamp()")

    rolled_back_sql.finish(token, {"id": flow["a"], "state": "succeeded"})

    assert rolled_back_sql.job(flow["b"])["run_at"] >= before


@pytest.mark.parametrize("delay", [{"state": "snoozed", "delay": 0}, {"state": "failed", "delay": 0}, {"state": "unknown_task"}])
def test_a_node_that_runs_again_releases_nobody(rolled_back_sql: Sql, delay: dict[str, Any]) -> None:
    flow = start(rolled_back_sql, node("a"), node("b", "a"))

    flow.run("a", **{"final": False, **delay})

    assert flow.states()["b"] == "blocked"
    assert flow.progress()["open"] == 2


def test_a_node_that_crashes_too_often_skips_what_needs_it(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    flow = start(sql, node("a", retries=0), node("b", "a"))
    worker = sql.worker()
    sql.claim(worker)
    sql.rows("update worker set started = %s where id = %s", [flow["a"]], worker)
    sql.lose(worker)

    sql.value("select rescue()")

    assert flow.states() == {"a": "failed", "b": "skipped"}
    assert flow.status == "failed"


def test_a_failure_skips_everything_below_however_deep(rolled_back_sql: Sql) -> None:
    flow = start(rolled_back_sql, node("0"), *(node(str(n), str(n - 1)) for n in range(1, 300)), node("beside"))

    flow.run("0", "failed")

    states = flow.states()
    assert (states.pop("0"), states.pop("beside")) == ("failed", "ready")
    assert set(states.values()) == {"skipped"}
    assert rolled_back_sql.value("select count(*) from job") == 1


MIXED = {
    "succeeded": {"ab": "ready", "ac": "ready", "of c": "ready", "below": "blocked", "alarm": "skipped", "after": "ready"},
    "failed": {"ab": "ready", "ac": "skipped", "of c": "skipped", "below": "skipped", "alarm": "ready", "after": "ready"},
}


@pytest.mark.parametrize("c", MIXED)
def test_each_child_of_a_batch_is_decided_by_its_own_parents(rolled_back_sql: Sql, c: str) -> None:
    """Those that can run are counted alike whether another child of the batch is barred or not."""
    sql = rolled_back_sql
    flow = start(
        sql, node("a"), node("b"), node("c"), node("late"), node("ab", "a", "b"), node("ac", "a", "c"), node("of c", "c"),
        node("below", "of c", "a"), node("alarm", {"node": "c", "when": "failed"}),
        node("after", "b", {"node": "c", "when": "finished"}), node("later", "a", "b", "late"),
    )  # fmt: skip
    token, _ = sql.claim(sql.worker(), 3)

    ends = {"a": "succeeded", "b": "succeeded", "c": c}
    sql.finish(token, *({"id": flow[name], "state": state, "final": True} for name, state in ends.items()))

    assert flow.states() == {**ends, "late": "ready", "later": "blocked", **MIXED[c]}
    flow.run("late")
    assert flow.states()["later"] == "ready"


def test_what_wants_any_end_of_its_parent_runs_though_that_was_skipped(rolled_back_sql: Sql) -> None:
    flow = start(rolled_back_sql, node("a"), node("b", "a"), node("clean up", {"node": "b", "when": "finished"}), node("c", "b"))

    flow.run("a", "failed")

    assert flow.states() == {"a": "failed", "b": "skipped", "clean up": "ready", "c": "skipped"}


@pytest.mark.parametrize(
    ("ends", "outcome"),
    [
        (["succeeded", "succeeded"], "succeeded"),
        (["succeeded", "cancelled"], "cancelled"),
        (["cancelled", "failed"], "failed"),
        (["failed", "succeeded"], "failed"),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, list) else value,
)
def test_the_worst_end_of_a_node_is_the_outcome(rolled_back_sql: Sql, ends: list[str], outcome: str) -> None:
    flow = start(rolled_back_sql, node("a"), node("b"))

    for name, state in zip("ab", ends, strict=True):
        flow.run(name, state)

    assert flow.status == outcome


def test_what_a_worker_must_know_of_a_node_comes_with_the_claim(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    flow = start(sql, node("a"), node("b", "a", takes="x", takes_all=True), name="import")
    plain = sql.enqueue()
    flow.run("a")

    token, rows = claim(sql, flow["b"], plain)
    sql.value("select give_back(%s, %s)", token, [flow["b"], plain])
    _, same = sql.claim(sql.worker())

    told = {"workflow": flow.id, "workflow_name": "import", "name": "b", "takes": "x", "takes_all": True, "has_parents": True}
    expected = {flow["b"]: told, plain: None}
    assert {row["id"]: row["node"] for row in rows} == expected
    assert {row["id"]: row["node"] for row in same} == expected


def test_workers_of_the_first_nodes_are_woken_and_of_blocked_ones_not(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    worker = another_sql()
    worker.listen()

    start(sql, node("a", queue="first"), node("b", queue="first"), node("c", "a", queue="second"))

    assert worker.wakes(sql) == ["first"]


def test_a_skipped_node_wakes_nobody(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    worker = another_sql()
    flow = start(sql, node("a"), node("b", "a", queue="second"))
    worker.listen()

    flow.run("a", "failed")

    assert worker.wakes(sql) == []


def test_a_workflow_that_is_rolled_back_leaves_nothing(sql: Sql) -> None:
    with sql.connection.transaction(force_rollback=True):
        flow = start(sql, node("a"), node("b", "a"))

    assert sql.rows("select * from workflow_nodes where workflow_id = %s", flow.id) == []
    assert sql.value("select count(*) from job") == 0


A, B = node("a"), node("b")
REFUSED: dict[str, tuple[Any, str, str]] = {
    "no array": ({"task": "a"}, "PQ001", "nodes: '{\"task\": \"a\"}' is not valid; give a JSON array of objects"),
    "no objects": ([1], "PQ001", "nodes: '[1]' is not valid; give a JSON array of objects"),
    "no nodes": ([], "PQ001", "nodes: '[]' is not valid; a workflow needs at least one node"),
    "unknown option": ([{**A, "colour": 1}], "PQ001", "nodes: 'colour' is not valid; use the options of a node: task, args"),
    "after no array": ([A, {**B, "after": "a"}], "PQ001", "after: 'a' is not valid; give an array"),
    "name too long": ([node("a" * 201, task="t")], "PQ001", "is not valid; use a text of 1 to 200 characters"),
    "name empty": ([node("", task="t")], "PQ001", "name: '' is not valid; use a text of 1 to 200 characters"),
    "name no text": ([{"task": "t", "name": 7}], "PQ001", "name: '7' is not valid; use a text"),
    "names given twice": (
        [A, {**B, "name": "a"}], "PQ001", "name: 'a' is not valid; two nodes have this name; give each its own"
    ),
    "itself by place": ([A, node("b", 2)], "PQ001", "after: '2' is not valid; node b cannot wait for itself"),
    "itself by name": ([A, node("b", "b")], "PQ001", "after: '\"b\"' is not valid; node b cannot wait for itself"),
    "later element": ([node("a", 2), B], "PQ001", "node a names a node that does not stand before it in the array"),
    "cycle": ([node("a", "b"), node("b", "a")], "PQ001", "put parents first (nodes in a cycle have no such order)"),
    "place 0": ([A, node("b", 0)], "PQ001", "after: '0' is not valid; node b names a node that workflow"),
    "no such place": ([A, node("b", 9)], "PQ001", "after: '9' is not valid; node b names a node that workflow"),
    "fraction": ([A, B, node("c", 1.5)], "PQ001", "after: '1.5' is not valid; node c names a node that workflow"),
    "huge place": ([A, node("b", 10**30)], "PQ001", "is not valid; node b names a node that workflow"),
    "no such name": (
        [A, {"task": "t", "after": ["x"]}], "PQ001", "after: '\"x\"' is not valid; node number 2 names a node that workflow"
    ),
    "parent null": ([A, node("b", None)], "PQ001", "after: 'null' is not valid; node b names a node that workflow"),
    "no such id": ([A, node("b", {"job": 10**9})], "PQ001", "node b names a node that workflow"),
    "huge id": ([A, node("b", {"job": 10**30})], "PQ001", "node b names a node that workflow"),
    "id no number": ([A, node("b", {"job": "1"})], "PQ001", "node b names a node that workflow"),
    "unknown key of a parent": (
        [A, node("b", {"node": "a", "wen": "failed"})], "PQ001", "'wen' is not valid; use node or job, and when"
    ),
    "when": (
        [A, node("b", {"node": "a", "when": "later"})], "PQ001", "when: 'later' is not valid; use succeeded, finished or failed"
    ),
    "two ways to one parent": (
        [A, node("b", "a", {"node": 1, "when": "failed"})],
        "PQ001",
        "when: node b waits for node a in several ways, which contradict each other; give one",
    ),
    "no such name behind a place": ([A, node("b", 1, "x")], "PQ001", "after: '\"x\"' is not valid; node b names a node that"),
    "node and job": ([A, node("b", {"node": 1, "job": 5})], "PQ001", "is not valid; give node or job"),
    "neither node nor job": ([A, node("b", {"when": "failed"})], "PQ001", "is not valid; give node or job"),
    "takes nothing": ([A, node("b", "a", takes="")], "PQ001", "takes: '' is not valid; use the name of an argument"),
    "takes_all without takes": (
        [A, node("b", "a", takes_all=True)], "PQ001", "takes_all: 'true' is not valid; name the argument that gets the list"
    ),
    "before in a new workflow": (
        [{**A, "before": ["b"]}, B], "PQ001", "before: '\"b\"' is not valid; node a names a node that does not"
    ),
    "replace": (
        [A, node("b", "a", unique_mode="replace")], "PQ001", "unique_mode: 'replace' is not valid; a job that waits for others"
    ),
    "bad option": ([A, node("b", "a", priority=101)], "PQ001", "priority: '101' is not valid; use -100 (last) to 100 (first)"),
    "no task": ([{"name": "a"}], "PQ001", "task: NULL is not valid; use 1 to 200 characters"),
    "args no object": ([node("a", args=[1])], "PQ001", "args: '[1]' is not valid; give the arguments by name"),
    "takes no text": ([A, node("b", "a", takes=5)], "PQ001", "takes: '5' is not valid; use the name of an argument"),
    "takes_all no bool": ([A, node("b", "a", takes_all=5)], "PQ001", "takes_all: '5' is not valid; use true or false"),
}  # fmt: skip


@pytest.mark.one_case
@pytest.mark.parametrize(("nodes", "sqlstate", "message"), REFUSED.values(), ids=REFUSED)
def test_a_bad_submission_is_refused_by_name_and_writes_nothing(
    rolled_back_sql: Sql, nodes: Any, sqlstate: str, message: str
) -> None:
    said = refused(rolled_back_sql, ENQUEUE, json.dumps(nodes))

    assert said[0] == sqlstate, said
    assert message in said[1]


def test_null_is_no_array_of_nodes(rolled_back_sql: Sql) -> None:
    assert refused(rolled_back_sql, ENQUEUE, None)[0] == "PQ001"


@pytest.mark.one_case
@pytest.mark.parametrize("name", ["", "n" * 201], ids=["empty", "long"])
def test_a_bad_name_of_the_workflow_is_refused(rolled_back_sql: Sql, name: str) -> None:
    said = refused(rolled_back_sql, "select enqueue_workflow(%s, %s)", json.dumps([A]), name)

    assert said == ("PQ001", f"name: '{name[:200]}' is not valid; use 1 to 200 characters")


def test_a_job_of_another_workflow_is_no_parent(rolled_back_sql: Sql) -> None:
    other = start(rolled_back_sql, node("a"))

    sqlstate, message = refused(rolled_back_sql, ENQUEUE, json.dumps([node("b", {"job": other["a"]})]))

    assert sqlstate == "PQ001"
    assert f"""after: '{{"job": {other["a"]}}}' is not valid; node b names a node that workflow """ in message


def test_the_ids_of_ones_own_nodes_cannot_be_guessed(rolled_back_sql: Sql) -> None:
    next_id = start(rolled_back_sql, node("a"))["a"] + 1

    for guess in range(next_id, next_id + 6):
        assert refused(rolled_back_sql, ENQUEUE, json.dumps([node("a", {"job": guess}), node("b")]))[0] == "PQ001"


def test_a_unique_job_that_is_there_already_stands_in_the_way(rolled_back_sql: Sql) -> None:
    there = rolled_back_sql.enqueue("b", unique_key="k", unique_mode="until_done")

    said = refused(rolled_back_sql, ENQUEUE, json.dumps([A, node("b", "a", unique_key="k", unique_mode="until_done")]))

    assert said == ("PQ004", f"nodes: job {there} stands in the way of node b, which is unique; wait for it, or leave unique out")


def test_two_nodes_with_one_key_are_refused(rolled_back_sql: Sql) -> None:
    twice = [node("a", task="t", unique_mode="until_done"), node("b", task="t", unique_mode="until_done")]

    assert refused(rolled_back_sql, ENQUEUE, json.dumps(twice))[0] == "PQ004"


def test_more_nodes_than_the_setting_allows_are_refused_and_as_many_are_not(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    sql.rows("update setting set max_workflow_nodes = 2")
    start(sql, node("a"), node("b"))

    said = refused(sql, ENQUEUE, json.dumps([node("a"), node("b"), node("c")]))

    assert said == (
        "PQ001",
        "nodes: 3 nodes are too many for one workflow; use several, or raise max_workflow_nodes of table setting (2 now)",
    )
