"""finish with additions: what jobs add to their own workflow goes with their success."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from .conftest import Sql
from .flows import claim, node, refused, start

ADDED: list[dict[str, Any]] = [node("x"), node("y", "x")]


def finish_adding(sql: Sql, outcomes: list[dict[str, Any]], additions: Any) -> list[dict[str, Any]]:
    """finish() with additions: the verdicts."""
    return sql.rows("select * from finish(%s, %s)", json.dumps(outcomes, default=str), json.dumps(additions))


@pytest.mark.parametrize("as_arrays", [False, True])
def test_a_node_that_succeeds_adds_to_its_workflow_what_came_with_its_outcome(rolled_back_sql: Sql, as_arrays: bool) -> None:
    sql = rolled_back_sql
    flow = start(sql, node("a"), node("join", "a"))
    token, _ = claim(sql, flow["a"])
    nodes = [node("x", {"job": flow["a"]}, before=["join"]), node("y", "x"), node("free")]

    added = [{"id": flow["a"], "nodes": nodes}]

    if as_arrays:
        verdicts = sql.rows(
            "select * from finish(null, %s, array[%s::bigint], array[%s::uuid], '{0.5}')", json.dumps(added), flow["a"], token
        )
    else:
        verdicts = finish_adding(sql, [{"id": flow["a"], "token": token, "state": "succeeded"}], added)

    assert verdicts == []
    assert flow.states() == {"a": "succeeded", "join": "blocked", "x": "ready", "y": "blocked", "free": "ready"}
    assert flow.progress()["nodes"] == 5


def test_the_last_node_that_adds_some_does_not_finish_its_workflow(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    flow = start(sql, node("a"), on_success='{"task": "done"}')
    token, _ = claim(sql, flow["a"])

    finish_adding(sql, [{"id": flow["a"], "token": token, "state": "succeeded"}], [{"id": flow["a"], "nodes": ADDED}])

    assert flow.progress()["finished_at"] is None
    assert sql.value("select count(*) from job where task = 'done'") == 0


def test_jobs_of_one_batch_add_each_to_their_own_workflow(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    flows = [start(sql, node("a")), start(sql, node("a"), node("b"))]
    jobs = [flows[1]["b"], flows[0]["a"], flows[1]["a"]]
    token, _ = claim(sql, *jobs)

    finish_adding(
        sql,
        [{"id": id, "token": token, "state": "succeeded"} for id in jobs],
        [{"id": id, "nodes": [node(f"from {id}", {"job": id})]} for id in jobs],
    )

    assert flows[0].states() == {"a": "succeeded", f"from {jobs[1]}": "ready"}
    assert flows[1].states() == {"a": "succeeded", "b": "succeeded", f"from {jobs[0]}": "ready", f"from {jobs[2]}": "ready"}


@pytest.mark.parametrize(
    "outcome",
    [
        {"state": "cancelled"},
        {"state": "failed", "final": True},
        {"state": "failed", "delay": 60},
        {"state": "snoozed", "delay": 60},
        {"state": "unknown_task"},
    ],
    ids=["cancelled", "dead", "failed", "snoozed", "unknown_task"],
)
def test_what_a_job_adds_that_has_not_succeeded_is_dropped(rolled_back_sql: Sql, outcome: dict[str, Any]) -> None:
    sql = rolled_back_sql
    flow = start(sql, node("a"))
    token, _ = claim(sql, flow["a"])

    finish_adding(sql, [{"id": flow["a"], "token": token, **outcome}], [{"id": flow["a"], "nodes": ADDED}])

    assert flow.progress()["nodes"] == 1


def test_what_a_job_adds_by_a_stale_token_is_dropped(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    flow = start(sql, node("a"))
    token, _ = claim(sql, flow["a"])
    sql.value("select give_back(%s, %s)", token, [flow["a"]])
    claim(sql, flow["a"])

    (row,) = finish_adding(sql, [{"id": flow["a"], "token": token, "state": "succeeded"}], [{"id": flow["a"], "nodes": ADDED}])

    assert row["verdict"] == "stale"
    assert flow.progress()["nodes"] == 1


def test_an_outcome_that_is_repeated_adds_nothing_twice(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    flow = start(sql, node("a"))
    token, _ = claim(sql, flow["a"])
    call = [{"id": flow["a"], "token": token, "state": "succeeded"}], [{"id": flow["a"], "nodes": ADDED}]

    assert finish_adding(sql, *call) == []
    (row,) = finish_adding(sql, *call)

    assert row["verdict"] == "stale"
    assert flow.progress()["nodes"] == 3


def test_what_a_busy_job_adds_waits_for_its_next_outcome(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    flow, user = start(sql, node("a")), another_sql()
    token, _ = claim(sql, flow["a"])
    call = [{"id": flow["a"], "token": token, "state": "succeeded"}], [{"id": flow["a"], "nodes": ADDED}]

    with user.connection.transaction():
        user.rows("select from job where id = %s for update", flow["a"])
        (row,) = finish_adding(sql, *call)
    assert (row["verdict"], flow.progress()["nodes"]) == ("busy", 1)

    assert finish_adding(sql, *call) == []
    assert flow.progress()["nodes"] == 3


def test_a_plain_job_has_no_workflow_to_add_to(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    id, token = sql.running()
    flow = start(sql, node("a"))
    node_token, _ = claim(sql, flow["a"])

    finish_adding(
        sql,
        [{"id": id, "token": token, "state": "succeeded"}, {"id": flow["a"], "token": node_token, "state": "succeeded"}],
        [{"id": id, "nodes": ADDED}],
    )

    assert sql.state(id) == "succeeded"
    assert flow.progress()["nodes"] == 1


def test_what_a_job_adds_in_the_name_of_another_is_dropped(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    flow, other = start(sql, node("a")), start(sql, node("a"))
    token, _ = claim(sql, flow["a"])

    finish_adding(sql, [{"id": flow["a"], "token": token, "state": "succeeded"}], [{"id": other["a"], "nodes": ADDED}])

    assert (flow.progress()["nodes"], other.progress()["nodes"]) == (1, 1)


BAD_ADDITIONS: dict[str, tuple[list[dict[str, Any]], str]] = {
    "no nodes": ([], "PQ001"),
    "bad option": ([node("x", priority=101)], "PQ001"),
    "name that is there": ([node("b")], "PQ001"),
    "unknown parent": ([node("x", "y")], "PQ001"),
    "node that does not wait": ([node("x", before=["b"])], "PQ004"),
    "unique job that is there": ([{"task": "u", "unique_mode": "until_done"}], "PQ004"),
    "too many": ([{"task": "t"}] * 4, "PQ001"),
}


@pytest.mark.parametrize(("nodes", "sqlstate"), BAD_ADDITIONS.values(), ids=BAD_ADDITIONS)
def test_a_bad_addition_refuses_the_whole_call_and_changes_nothing(
    rolled_back_sql: Sql, nodes: list[dict[str, Any]], sqlstate: str
) -> None:
    sql = rolled_back_sql
    flow = start(sql, node("a"), node("b"))
    sql.enqueue("u", unique_mode="until_done")
    sql.rows("update setting set max_workflow_nodes = 5")
    plain, plain_token = sql.running()
    token, _ = claim(sql, flow["a"])
    outcomes = [
        {"id": flow["a"], "token": str(token), "state": "succeeded", "result": 1},
        {"id": plain, "token": str(plain_token), "state": "failed"},
    ]

    said = refused(sql, "select finish(%s, %s)", json.dumps(outcomes), json.dumps([{"id": flow["a"], "nodes": nodes}]))

    assert said[0] == sqlstate
    assert sql.finish(token, {"id": flow["a"], "state": "succeeded"}) == []


@pytest.mark.parametrize("additions", [None, []])
def test_no_additions_add_nothing(rolled_back_sql: Sql, additions: Any) -> None:
    sql = rolled_back_sql
    flow = start(sql, node("a"))
    token, _ = claim(sql, flow["a"])

    sql.rows(
        "select finish(%s, %s)",
        json.dumps([{"id": flow["a"], "token": str(token), "state": "succeeded"}]),
        None if additions is None else json.dumps(additions),
    )

    assert flow.status == "succeeded"


def test_a_workflow_that_somebody_holds_refuses_the_batch_within_a_moment_and_changes_nothing(
    sql: Sql, another_sql: Callable[[], Sql]
) -> None:
    flow, user = start(sql, node("a")), another_sql()
    token, _ = claim(sql, flow["a"])

    with user.connection.transaction():
        user.rows("select from workflow where id = %s for update", flow.id)
        refusal = sql.refusal("select finish(%s)", json.dumps([{"id": flow["a"], "token": str(token), "state": "succeeded"}]))

    assert refusal.sqlstate == "55P03"
    assert sql.state(flow["a"]) == "running"
    assert sql.finish(token, {"id": flow["a"], "state": "succeeded"}) == []
