"""Whatever the order in which nodes are retried: a child does not run beside its parent."""

from collections.abc import Callable
from itertools import permutations
from typing import Any

import pytest

from .background import Background
from .conftest import Sql
from .flows import Flow, claim, end, node, start

BULK = ("bulk",)
ORDERS = [BULK, ("work", "after"), ("after", "work")]


def when(parent: str, policy: str = "finished") -> dict[str, str]:
    """An edge with a policy."""
    return {"node": parent, "when": policy}


def retry(sql: Sql, flow: Flow, order: tuple[str, ...]) -> None:
    """Retry these nodes one by one, or all dead letters at once."""
    if order == BULK:
        sql.value("select retry_workflow(%s)", flow.id)
    for name in order if order != BULK else ():
        assert sql.value("select id from retry(%s)", flow[name]) == flow[name]


def clean_up(sql: Sql, policy: str = "finished", **options: Any) -> Flow:
    """Work that has failed, and a clean-up that has failed, too."""
    flow = start(sql, node("work"), node("after", when("work", policy), **options), node("last", when("after")))
    flow.run("work", "failed")
    flow.run("after", "failed")
    flow.run("last")
    assert flow.states() == {"work": "failed", "after": "failed", "last": "succeeded"}
    return flow


def parents_of(sql: Sql, id: int) -> list[str]:
    """What its handler is told."""
    return [row["state"] for row in sql.rows("select state from parents(%s) order by 1", [id])]


@pytest.mark.parametrize("policy", ["finished", "failed"])
@pytest.mark.parametrize("order", ORDERS, ids=" ".join)
def test_a_retried_child_waits_for_its_retried_parent(rolled_back_sql: Sql, order: tuple[str, ...], policy: str) -> None:
    sql = rolled_back_sql
    flow = clean_up(sql, policy)

    retry(sql, flow, order)

    assert flow.states() == {"work": "ready", "after": "blocked", "last": "succeeded"}
    assert [row["id"] for row in sql.claim(sql.worker())[1]] == [flow["work"]]


@pytest.mark.parametrize("order", ORDERS, ids=" ".join)
def test_it_runs_when_the_parent_has_failed_again_and_is_told_so(rolled_back_sql: Sql, order: tuple[str, ...]) -> None:
    sql = rolled_back_sql
    flow = clean_up(sql)

    retry(sql, flow, order)
    flow.run("work", "failed")

    assert flow.states()["after"] == "ready"
    assert parents_of(sql, flow["after"]) == ["failed"]
    flow.run("after")
    assert flow.status == "failed"


@pytest.mark.parametrize(("policy", "then"), [("finished", "ready"), ("failed", "skipped")])
@pytest.mark.parametrize("order", ORDERS, ids=" ".join)
def test_its_edge_decides_again_when_the_parent_succeeds_this_time(
    rolled_back_sql: Sql, order: tuple[str, ...], policy: str, then: str
) -> None:
    sql = rolled_back_sql
    flow = clean_up(sql, policy)

    retry(sql, flow, order)
    flow.run("work")

    assert flow.states()["after"] == then
    assert then == "skipped" or parents_of(sql, flow["after"]) == ["succeeded"]


@pytest.mark.parametrize("order", [BULK, *permutations(["a", "b", "c"])], ids=" ".join)
def test_in_a_chain_of_dead_nodes_each_waits_for_the_one_above_it(rolled_back_sql: Sql, order: tuple[str, ...]) -> None:
    sql = rolled_back_sql
    flow = start(sql, node("a"), node("b", when("a")), node("c", when("b")), node("skipped", "c"))
    for name in "abc":
        flow.run(name, "failed")

    retry(sql, flow, order)

    assert flow.states() == {"a": "ready", "b": "blocked", "c": "blocked", "skipped": "blocked"}
    for name in ("a", "b", "c", "skipped"):
        assert [row["id"] for row in sql.claim(sql.worker())[1]] == [flow[name]]
        sql.rows("select give_back(claim_token, array[id]) from job where id = %s", flow[name])
        flow.run(name)
    assert flow.status == "succeeded"


@pytest.mark.parametrize("order", ORDERS, ids=" ".join)
def test_below_a_node_that_was_skipped_it_waits_for_that_one(rolled_back_sql: Sql, order: tuple[str, ...]) -> None:
    sql = rolled_back_sql
    flow = start(sql, node("work"), node("between", "work"), node("after", when("between")))
    flow.run("work", "failed")
    flow.run("after", "failed")

    retry(sql, flow, order)

    assert flow.states() == {"work": "ready", "between": "blocked", "after": "blocked"}


def test_it_waits_for_those_parents_that_are_retried_and_not_for_those_that_are_over(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    flow = start(sql, *(node(name) for name in "abc"), node("join", *(when(name) for name in "abc")))
    flow.run("a")
    for name in ("b", "c", "join"):
        flow.run(name, "failed")

    retry(sql, flow, ("join", "b"))

    assert flow.states() == {"a": "succeeded", "b": "ready", "c": "failed", "join": "blocked"}
    assert sql.value("select waits_for from workflow_nodes where name = 'join'") == 1
    flow.run("b", "failed")
    assert flow.states()["join"] == "ready"


@pytest.mark.parametrize("waits", [False, True], ids=["ready", "scheduled"])
def test_a_child_that_the_failure_has_released_waits_again_as_it_was(rolled_back_sql: Sql, waits: bool) -> None:
    sql = rolled_back_sql
    flow = start(sql, node("work"), node("after", when("work"), retry={"delays": [3600]}))
    flow.run("work", "failed")
    if waits:
        flow.run("after", "failed", final=False)
    (before,) = sql.rows("select * from job where id = %s", flow["after"])

    sql.value("select retry_workflow(%s)", flow.id)
    assert sql.rows("select * from job where id = %s", flow["after"]) == [{**before, "state": "blocked"}]
    flow.run("work")

    assert flow.states()["after"] == before["state"] == ("scheduled" if waits else "ready")


def test_a_child_that_runs_goes_on_and_is_told_that_its_parent_is_open(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    flow = start(sql, node("work"), node("after", when("work")))
    flow.run("work", "failed")
    token, _ = claim(sql, flow["after"])

    sql.value("select retry_workflow(%s)", flow.id)

    assert flow.states() == {"work": "ready", "after": "running"}
    assert parents_of(sql, flow["after"]) == ["open"]
    sql.finish(token, {"id": flow["after"], "state": "succeeded"})
    flow.run("work")
    assert flow.status == "succeeded"


def test_a_child_that_is_just_being_claimed_runs_and_the_retry_does_not_wait(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    flow, claimer = start(sql, node("work"), node("after", when("work"))), another_sql()
    flow.run("work", "failed")

    with claimer.connection.transaction():
        token, _ = claim(claimer, flow["after"])
        retried = Background(another_sql(), "select retry_workflow(%s) as n", flow.id)
        assert not retried.is_blocked(sql)
        assert retried.rows() == [{"n": 1}]

    assert flow.states() == {"work": "ready", "after": "running"}
    sql.finish(token, {"id": flow["after"], "state": "succeeded"})


def test_a_child_with_limits_that_waits_again_is_claimed_when_its_parent_is_over(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    sql.value("select set_limit('api', rate => 100, per => '1 s', burst => 100)")
    flow = clean_up(sql, limits=["api"])

    retry(sql, flow, ("after", "work"))
    assert [row["id"] for row in sql.claim(sql.worker())[1]] == [flow["work"]]
    sql.rows("select give_back(claim_token, array[id]) from job where state = 'running'")
    end(sql, flow["work"])

    assert [row["id"] for row in sql.claim(sql.worker())[1]] == [flow["after"]]
