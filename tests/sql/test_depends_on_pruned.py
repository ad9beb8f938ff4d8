"""depends_on a job whose workflow is pruned in this moment: the job is a plain one again, and can still be waited for."""

from collections.abc import Callable

import pytest

from .background import Background
from .conftest import Sql
from .flows import node, start

ENQUEUE = "select enqueue('child', depends_on => %s, run_if => %s) as id"
PRUNE = "delete from workflow where id = %s"


@pytest.mark.parametrize(("run_if", "state"), [("succeeded", "ready"), ("failed", "cancelled")])
def test_a_parent_whose_workflow_is_being_pruned_decides_as_a_plain_job(
    sql: Sql, another_sql: Callable[[], Sql], run_if: str, state: str
) -> None:
    flow, pruner = start(sql, node("a"), node("b", "a")), another_sql()
    flow.run("a")
    flow.run("b")

    with pruner.connection.transaction():
        pruner.rows(PRUNE, flow.id)
        enqueue = Background(another_sql(), ENQUEUE, [flow["a"], flow["b"]], run_if)
        enqueue.wait_until_blocked(sql)
    ((child,),) = [tuple(row.values()) for row in enqueue.rows()]

    assert sql.state(child) == state
    assert sql.value("select count(*) from workflow where id <> %s", flow.id) == 1


def test_many_children_in_one_call_find_it_pruned_too(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    flow, pruner = start(sql, node("a")), another_sql()
    flow.run("a")

    with pruner.connection.transaction():
        pruner.rows(PRUNE, flow.id)
        jobs = f"""[{{"task": "x", "depends_on": [{flow["a"]}]}}, {{"task": "y", "depends_on": [{flow["a"]}]}}]"""
        enqueue = Background(another_sql(), "select count(*) as n from enqueue_many(%s::jsonb)", jobs)
        enqueue.wait_until_blocked(sql)

    assert enqueue.rows() == [{"n": 2}]
    assert sql.rows("select state from job") == [{"state": "ready"}] * 2


def test_a_parent_that_is_not_kept_any_more_either_is_named(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    flow, pruner = start(sql, node("a")), another_sql()
    flow.run("a")

    with pruner.connection.transaction():
        pruner.rows(PRUNE, flow.id)
        pruner.rows("delete from job_history")
        enqueue = Background(another_sql(), ENQUEUE, [flow["a"]], "finished")
        enqueue.wait_until_blocked(sql)

    assert enqueue.refusal().sqlstate == "PQ003"
    assert sql.value("select count(*) from job") == 0
