"""Nobody waits for a unique key while holding a workflow, but a retry; and that takes its keys in one order."""

import json

import pytest

from .background import Background
from .conftest import Sql
from .flows import claim, node, start
from .workflow_steps import OpenSql

PERIOD = {"unique_mode": "period", "unique_period": "1 h"}
ADDED = [{"task": "u", "unique_mode": "until_done"}]


@pytest.mark.parametrize("verb", ["finish_batch", "complete"])
def test_additions_wait_for_a_key_before_the_workflow_is_taken(sql: Sql, another_sql: OpenSql, verb: str) -> None:
    flow, user, finisher = start(sql, node("a"), node("b")), another_sql(), another_sql()
    token, _ = claim(sql, flow["a"])
    finisher.rows("set lock_timeout = '20s'")
    nodes = json.dumps(ADDED)

    with user.connection.transaction(force_rollback=True):
        user.enqueue("u", unique_mode="until_done")
        if verb == "complete":
            finish = Background(finisher, "select complete(%s, %s, nodes => %s)", flow["a"], token, nodes)
        else:
            outcome = json.dumps([{"id": flow["a"], "token": str(token), "state": "succeeded"}])
            addition = json.dumps([{"id": flow["a"], "nodes": ADDED}])
            finish = Background(finisher, "select * from finish_batch(%s, %s)", outcome, addition)
        finish.wait_until_blocked(sql)
        sql.rows("set lock_timeout = '1s'")
        flow.run("b")  # not held up
        user.value("select extend_workflow(%s, %s)", flow.id, json.dumps([node("late")]))  # no deadlock
    finish.rows()

    assert flow.states() == {"a": "succeeded", "b": "succeeded"}
    assert flow.progress()["nodes"] == 3
    assert sql.value("select state from job where task = 'u'") == "ready"


@pytest.mark.parametrize("mode", [{"unique_mode": "until_done"}, PERIOD, {}], ids=["until_done", "period", "not unique"])
def test_what_is_added_while_the_workflow_is_cancelled_is_taken_back(
    sql: Sql, another_sql: OpenSql, mode: dict[str, str]
) -> None:
    flow, user = start(sql, node("a")), another_sql()
    token, _ = claim(sql, flow["a"])

    with user.connection.transaction():
        user.value("select cancel_workflow(%s)", flow.id)
        complete = Background(
            another_sql(), "select complete(%s, %s, nodes => %s)", flow["a"], token, json.dumps([{"task": "late", **mode}])
        )
        complete.wait_until_blocked(sql)
    complete.rows()

    assert flow.states() == {"a": "succeeded"}
    assert (flow.progress()["nodes"], flow.status) == (1, "succeeded")
    assert sql.value("select count(*) from job") == sql.value("select count(*) from unique_hold") == 0


def test_a_retry_takes_the_keys_of_what_was_skipped_in_the_order_of_their_digests(sql: Sql, another_sql: OpenSql) -> None:
    digests = "select name from unnest(%s::text[]) as n(name) order by unique_digest(name, '{}', null)"
    order = [row["name"] for row in sql.rows(digests, [f"u{n}" for n in range(4)])]
    flow, user = start(sql, node("a")), another_sql()
    for name in reversed(order):  # one by one: what comes together gets its ids in that order, too
        flow.extend(node(name, "a", unique_mode="until_done"))
    flow.run("a", "failed")

    with user.connection.transaction(force_rollback=True):
        user.enqueue(order[0], unique_mode="until_done")
        retry = Background(another_sql(), "select retry_workflow(%s)", flow.id)
        retry.wait_until_blocked(sql)
        user.rows("set local lock_timeout = '5s'")
        for name in order[1:]:
            user.enqueue(name, unique_mode="until_done")  # who takes keys in that order meets no deadlock
    retry.rows()

    assert set(flow.states().values()) == {"ready", "blocked"}
