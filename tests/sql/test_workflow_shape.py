"""workflow_shape: a workflow as boxes to draw, however many nodes it has."""

import itertools
import json
from typing import Any

import psycopg
import pytest

from .conftest import Sql
from .flows import Flow, node, start
from .plan import buffers_of

STATES = ("blocked", "scheduled", "ready", "running", "succeeded", "failed", "cancelled", "skipped")


def shape(flow: Flow, most: int = 300) -> list[dict[str, Any]]:
    rows = flow.sql.rows("select * from workflow_shape(%s, %s)", flow.id, most)
    assert all(row["nodes"] == sum(row[state] for state in STATES) for row in rows)
    return rows


def of(task: str, name: str, *after: Any, **options: Any) -> dict[str, Any]:
    """A node of a task, behind others."""
    return node(name, *after, **options) | {"task": task}


def boxes(flow: Flow, most: int = 300) -> list[tuple[str, int, int]]:
    """The task of each box, how many nodes it has, and how many boxes it waits for."""
    return [(row["task"], row["nodes"], len(row["after"])) for row in shape(flow, most)]


def fan(size: int, *more: dict[str, Any]) -> list[dict[str, Any]]:
    """One node, so many behind it, and one behind these."""
    middle = [f"parse {n}" for n in range(size)]
    return [of("fetch", "fetch"), *(of("parse", one, "fetch") for one in middle), of("store", "store", *middle), *more]


def test_a_small_workflow_is_drawn_node_by_node(rolled_back_sql: Sql) -> None:
    flow = start(rolled_back_sql, node("a"), node("b", "a"), node("c", "a"), node("d", "b", {"node": "c", "when": "finished"}))
    rows = shape(flow)
    assert [(row["name"], row["kind"], row["id"]) for row in rows] == [(name, "node", flow[name]) for name in "abcd"]
    assert [(row["after"], row["run_if"], row["edges"]) for row in rows] == [
        ([], [], []), ([flow["a"]], ["succeeded"], [1]), ([flow["a"]], ["succeeded"], [1]),
        ([flow["b"], flow["c"]], ["succeeded", "finished"], [1, 1]),
    ]  # fmt: skip


def test_more_than_five_alike_are_one_box(rolled_back_sql: Sql) -> None:
    assert len(shape(start(rolled_back_sql, *fan(5)))) == 7
    flow = start(rolled_back_sql, *fan(6))
    assert boxes(flow) == [("fetch", 1, 0), ("parse", 6, 1), ("store", 1, 1)]
    assert [row["edges"] for row in shape(flow)] == [[], [6], [6]]
    assert [(row["kind"], row["name"]) for row in shape(flow)] == [("node", "fetch"), ("task", None), ("node", "store")]


@pytest.mark.parametrize(
    "other",
    [
        of("other", "x", "fetch"),
        of("parse", "x", {"node": "fetch", "when": "finished"}),
        of("parse", "x"),
        of("parse", "x", "fetch", "parse 1"),
    ],
    ids=["another task", "another condition", "no parent", "more parents"],
)
def test_what_differs_is_no_part_of_a_box(rolled_back_sql: Sql, other: dict[str, Any]) -> None:
    flow = start(rolled_back_sql, *fan(9)[:-1], other)
    assert max(row["nodes"] for row in shape(flow)) < 10
    assert flow["x"] in [row["id"] for row in shape(flow)]


def test_what_has_other_children_is_no_part_of_a_box(rolled_back_sql: Sql) -> None:
    flow = start(rolled_back_sql, *fan(9), of("tell", "tell", "parse 3"))
    assert ("parse", 8, 1) in boxes(flow)
    assert flow["parse 3"] in [row["id"] for row in shape(flow)]


def test_a_box_counts_its_nodes_by_state(rolled_back_sql: Sql) -> None:
    flow = start(rolled_back_sql, *fan(8))
    assert shape(flow)[1]["blocked"] == 8
    flow.run("fetch")
    flow.run("parse 0", "failed")
    flow.run("parse 1")
    flow.run("parse 2", "cancelled")
    sent, box, last = shape(flow)
    assert (sent["succeeded"], box["ready"], box["failed"], box["succeeded"], box["cancelled"]) == (1, 5, 1, 1, 1)
    assert last["skipped"] == 1
    rolled_back_sql.rows("update job set state = 'scheduled', run_at = run_at + interval '1 h' where id = %s", flow["parse 3"])
    assert (shape(flow)[1]["ready"], shape(flow)[1]["scheduled"]) == (4, 1)


def test_the_boxes_stay_while_the_workflow_runs(rolled_back_sql: Sql) -> None:
    flow = start(rolled_back_sql, *fan(8))
    before = [(row["id"], row["nodes"], row["after"]) for row in shape(flow)]
    flow.run("fetch")
    flow.run("parse 5", "failed")
    assert [(row["id"], row["nodes"], row["after"]) for row in shape(flow)] == before


def test_too_many_boxes_become_one_for_each_task_and_depth(rolled_back_sql: Sql) -> None:
    lines = [[of("fetch", f"f{n}"), of("parse", f"p{n}", f"f{n}"), of("store", f"s{n}", f"p{n}")] for n in range(20)]
    flow = start(rolled_back_sql, *(one for line in lines for one in line))
    assert len(shape(flow)) == 60
    assert boxes(flow, 10) == [("fetch", 20, 0), ("parse", 20, 1), ("store", 20, 1)]
    assert [row["edges"] for row in shape(flow, 10)] == [[], [20], [20]]


def test_a_long_chain_becomes_few_boxes_one_behind_the_other(rolled_back_sql: Sql) -> None:
    flow = start(rolled_back_sql, *(node(f"n{n}", *([f"n{n - 1}"] if n else [])) for n in range(95)))
    rows = shape(flow, 10)
    assert [row["nodes"] for row in rows] == [10] * 9 + [5]
    assert [row["kind"] for row in rows] == ["depth"] * 10
    assert [row["after"] for row in rows] == [[], *([row["id"]] for row in rows[:-1])]
    assert (rows[0]["tasks"], rows[0]["task"]) == (10, "n0")


@pytest.mark.parametrize("ids", [[1, 2, 3, 4, 5], [5, 4, 3, 2, 1], [3, 5, 1, 4, 2]])
def test_depths_are_those_of_the_longest_way_in_whatever_order_nodes_were_added(rolled_back_sql: Sql, ids: list[int]) -> None:
    first, *_, last = ids
    edges = [*itertools.pairwise(ids), (first, last)]
    parents, children = zip(*edges, strict=True)
    depths = rolled_back_sql.value("select node_depths('{1,2,3,4,5}', %s::bigint[], %s::bigint[])", list(parents), list(children))
    assert depths == [ids.index(id) for id in (1, 2, 3, 4, 5)]


def test_an_unknown_workflow_has_no_boxes(rolled_back_sql: Sql) -> None:
    assert rolled_back_sql.rows("select * from workflow_shape(0)") == []


@pytest.mark.parametrize("most", [None, 9, 1001])
def test_a_bad_number_is_refused(rolled_back_sql: Sql, most: int | None) -> None:
    refusal = rolled_back_sql.refusal("select * from workflow_shape(1, %s)", most)
    assert refusal.sqlstate == "PQ001"


def test_a_workflow_that_is_too_large_is_refused(rolled_back_sql: Sql) -> None:
    flow = start(rolled_back_sql, node("a"))
    rolled_back_sql.rows(
        "insert into workflow_node (job_id, workflow_id, state, pending_parents, task) "
        "select 1000000 + n, %s, 'live', 0, 't' from generate_series(1, 50000) n",
        flow.id,
    )
    with pytest.raises(psycopg.Error) as refusal:
        shape(flow)
    assert refusal.value.sqlstate == "PQ004"


@pytest.mark.parametrize("kind", ["fan", "chain"])
def test_a_large_workflow_reads_two_pages_for_each_node_at_most(rolled_back_sql: Sql, kind: str) -> None:
    def cost(size: int) -> float:
        more = fan(size) if kind == "fan" else [{"task": f"t{n % 3}", "after": [n] if n else []} for n in range(size)]
        id = rolled_back_sql.value("select workflow_id from enqueue_workflow(%s)", json.dumps(more))
        return buffers_of(rolled_back_sql, "select * from workflow_shape(%s)", id)

    assert cost(4000) < 2 * 4000
