"""parents: what a handler wants to know of the jobs that its own waited for."""

from typing import Any

import pytest

from .conftest import Sql
from .flows import end, node, start


def parents(sql: Sql, *ids: int) -> list[dict[str, Any]]:
    return sql.rows("select * from parents(%s)", list(ids))


def test_results_come_in_the_order_in_which_the_child_names_its_parents(rolled_back_sql: Sql) -> None:
    flow = start(rolled_back_sql, *(node(name) for name in "abc"), node("join", "c", "a", "b"))
    for name in "abc":
        flow.run(name, result={"from": name})

    rows = parents(rolled_back_sql, flow["join"])

    assert [row["name"] for row in rows] == ["c", "a", "b"]
    assert rows[0] == {
        "child_id": flow["join"], "parent_id": flow["c"], "name": "c", "task": "c", "state": "succeeded",
        "result": {"from": "c"}, "error": None, "expired": False, "withheld": False,
    }  # fmt: skip


def test_parents_that_were_adopted_come_in_the_order_given(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    ids = [sql.enqueue(f"p{n}") for n in range(5)]
    given = [ids[3], ids[0], ids[4], ids[1], ids[2]]
    child = sql.enqueue("child", depends_on=given)
    for id in ids:
        end(sql, id, result=id)

    assert [(row["parent_id"], row["result"]) for row in parents(sql, child)] == [(id, id) for id in given]


def test_new_parents_of_a_join_come_behind_the_old_ones(rolled_back_sql: Sql) -> None:
    flow = start(rolled_back_sql, node("a"), node("join", "a"))
    flow.extend(*(node(name, before=["join"]) for name in "dcb"))

    assert [row["name"] for row in parents(rolled_back_sql, flow["join"])] == ["a", "d", "c", "b"]


def test_every_end_of_a_parent_is_told(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    names = ["fine", "dead", "cancelled", "skipped"]
    flow = start(
        sql,
        *(node(name) for name in names[:3]),
        node("skipped", "dead"),
        node("join", *({"node": name, "when": "finished"} for name in names)),
    )
    flow.run("fine")
    flow.run("dead", "failed", error={"type": "E", "message": "m"})
    sql.value("select cancel(%s)", flow["cancelled"])

    rows = parents(sql, flow["join"])

    assert [(row["name"], row["state"], row["result"]) for row in rows] == [
        ("fine", "succeeded", None),
        ("dead", "failed", None),
        ("cancelled", "cancelled", None),
        ("skipped", "skipped", None),
    ]
    assert [(row["error"] or {}).get("message") for row in rows] == [None, "m", None, None]


@pytest.mark.parametrize("result", [False, 0, "", [], {}])
def test_an_empty_result_is_a_result(rolled_back_sql: Sql, result: Any) -> None:
    flow = start(rolled_back_sql, node("a"), node("b", "a"))

    flow.run("a", result=result)

    assert [row["result"] for row in parents(rolled_back_sql, flow["b"])] == [result]


def test_many_children_are_asked_at_once_and_plain_jobs_have_no_parents(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    flow = start(sql, node("a"), node("b", "a"), node("c", "a", "b"))
    plain = sql.enqueue()

    rows = parents(sql, flow["c"], plain, flow["b"], 4711)

    assert [(row["child_id"], row["name"]) for row in rows] == [(flow["b"], "a"), (flow["c"], "a"), (flow["c"], "b")]
    assert parents(sql) == parents(sql, plain) == []


def test_a_parent_that_has_not_ended_is_open_and_has_no_result(rolled_back_sql: Sql) -> None:
    flow = start(rolled_back_sql, node("a"), node("b", "a"), node("c", "b"))

    assert [row["state"] for row in parents(rolled_back_sql, flow["b"], flow["c"])] == ["open", "open"]


def test_results_are_there_after_their_time_while_the_workflow_is_open(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    flow = start(sql, node("a", result_ttl="0 s"), node("b", "a"))
    flow.run("a", result=1)

    sql.value("select maintain()")

    assert [row["result"] for row in parents(sql, flow["b"])] == [1]


NULL_AND_VALUE = {"null": None, "value": 1}


def told(sql: Sql, child: int) -> list[tuple[Any, bool]]:
    """The result of each parent, and whether it has expired."""
    return [(row["result"], row["expired"]) for row in parents(sql, child)]


def test_a_result_that_was_deleted_has_expired_and_a_null_has_not(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    flow = start(sql, *(node(name, result_ttl="0 s") for name in NULL_AND_VALUE), node("join", *NULL_AND_VALUE))
    for name, result in NULL_AND_VALUE.items():
        flow.run(name, result=result)
    sql.value("select maintain()")
    assert told(sql, flow["join"]) == [(None, False), (1, False)]

    sql.value("select delete_result(%s)", flow["value"])

    assert told(sql, flow["join"]) == [(None, False), (None, True)]


def test_a_result_that_has_gone_with_the_end_of_its_workflow_has_expired_for_what_is_added(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    flow = start(sql, *(node(name, result_ttl="0 s") for name in NULL_AND_VALUE))
    for name, result in NULL_AND_VALUE.items():
        flow.run(name, result=result)
    sql.value("select maintain()")

    flow.extend(node("late", *NULL_AND_VALUE))

    assert told(sql, flow["late"]) == [(None, False), (None, True)]


@pytest.mark.parametrize(("ttl", "expired"), [("0 s", True), ("1 h", False)])
@pytest.mark.parametrize("value", NULL_AND_VALUE.values(), ids=NULL_AND_VALUE)
def test_a_plain_parent_that_is_over_has_what_is_kept_of_it(rolled_back_sql: Sql, ttl: str, expired: bool, value: Any) -> None:
    sql = rolled_back_sql
    parent = sql.enqueue(result_ttl=ttl)
    end(sql, parent, result=value)
    sql.value("select maintain()")

    child = sql.enqueue("child", depends_on=[parent])

    assert told(sql, child) == [(None if expired else value, expired)]


def test_a_result_of_a_plain_parent_that_is_deleted_later_has_expired(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    parent = sql.enqueue()
    end(sql, parent, result=1)
    child = sql.enqueue("child", depends_on=[parent])

    sql.value("select delete_result(%s)", parent)

    assert told(sql, child) == [(None, True)]


def test_a_node_that_has_failed_and_runs_again_has_returned_what_it_returns_then(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    flow = start(sql, node("a"), node("b", "a"))
    flow.run("a", "failed")
    sql.value("select retry_workflow(%s)", flow.id)
    flow.run("a", result=1)

    assert told(sql, flow["b"]) == [(1, False)]
