"""A node that waits belongs to whoever holds its workflow: who changes one takes that first, or leaves the node alone."""

import json

import pytest

from .background import Background
from .conftest import Sql
from .flows import claim, node, start
from .workflow_steps import DEAD, FINISH, OpenSql, outcomes

UPDATE = """select update(%s, '{"n": 2}')"""


def test_a_job_changed_while_it_is_skipped_is_the_same_in_the_history_and_when_it_comes_back(
    sql: Sql, another_sql: OpenSql
) -> None:
    flow, user = start(sql, node("a"), node("b", "a", args={"n": 1})), another_sql()
    token, _ = claim(sql, flow["a"])

    with user.connection.transaction():
        user.value(UPDATE, flow["b"])
        finish = Background(another_sql(), FINISH, outcomes(token, [flow["a"]], DEAD))
        finish.wait_until_blocked(sql)
    finish.rows()

    assert sql.value("select args from job_history where id = %s", flow["b"]) == {"n": 2}
    sql.value("select retry_workflow(%s)", flow.id)
    assert sql.job(flow["b"])["args"] == {"n": 2}


@pytest.mark.parametrize("name", ["ready", "blocked"])
@pytest.mark.parametrize("rival", ["cancel", "cancel_workflow"])
def test_who_has_changed_a_node_can_go_on_in_its_workflow_though_somebody_cancels(
    sql: Sql, another_sql: OpenSql, name: str, rival: str
) -> None:
    flow, user = start(sql, node("ready"), node("blocked", "ready")), another_sql()
    query, id = ("select cancel(%s)", flow[name]) if rival == "cancel" else ("select cancel_workflow(%s)", flow.id)

    with user.connection.transaction():
        user.value(UPDATE, flow[name])
        cancel = Background(another_sql(), query, id)
        cancel.wait_until_blocked(sql)
        user.value("select extend_workflow(%s, %s)", flow.id, json.dumps([node("late")]))
    cancel.rows()

    assert flow.states()[name] == "cancelled"
    assert flow.states()["late"] == ("ready" if rival == "cancel" else "cancelled")


def test_a_duplicate_of_a_job_that_waits_holds_up_nobody_who_ends_its_parent(sql: Sql, another_sql: OpenSql) -> None:
    flow, user = start(sql, node("a"), node("b", "a", unique_mode="until_started", unique_key="k")), another_sql()

    with user.connection.transaction():
        assert user.enqueue("b", {"n": 2}, unique_mode="replace", unique_key="k") == flow["b"]
        sql.rows("set lock_timeout = '1s'")
        flow.run("a")

    assert (sql.state(flow["b"]), sql.job(flow["b"])["args"]) == ("ready", {})
