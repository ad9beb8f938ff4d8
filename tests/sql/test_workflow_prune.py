"""maintain: workflows are kept as long as the history, whole, and longer while one of their dead letters is there."""

from collections.abc import Callable
from typing import Any

import pytest

from .conftest import Sql
from .flows import Flow, node, start
from .guarantees import without_waiting


def age(sql: Sql, flow: Flow, days: float) -> None:
    """Time travel: it has finished so many days ago."""
    sql.rows("update workflow set finished_at = finished_at - make_interval(secs => %s * 86400) where id = %s", days, flow.id)


def kept(sql: Sql, flow: Flow) -> tuple[int, int, int]:
    """How many rows there are of it."""
    sql.value("select maintain()")
    tables = ("workflow where id", "workflow_node where workflow_id", "workflow_edge where workflow_id")
    one, two, three = (sql.value(f"select count(*) from {table} = %s", flow.id) for table in tables)
    return one, two, three


@pytest.mark.parametrize("days", [7, 3])
def test_a_finished_workflow_is_kept_as_many_days_as_history_is_and_then_goes_whole(rolled_back_sql: Sql, days: int) -> None:
    sql = rolled_back_sql
    sql.rows("update setting set history_days = %s", days)
    flow = start(sql, node("a"), node("b", "a"))
    flow.run("a")
    flow.run("b")

    age(sql, flow, days - 0.1)
    assert kept(sql, flow) == (1, 2, 1)
    age(sql, flow, 0.2)
    assert kept(sql, flow) == (0, 0, 0)


@pytest.mark.parametrize("state", ["ready", "running", "blocked"])
def test_a_workflow_that_has_not_finished_is_kept_however_old(rolled_back_sql: Sql, state: str) -> None:
    sql = rolled_back_sql
    flow = start(sql, node("a"), node("b", "a"))
    if state != "blocked":
        flow.run("a")
    if state == "running":
        sql.claim(sql.worker())
    sql.rows("update workflow set created_at = created_at - interval '1 year'")

    assert kept(sql, flow) == (1, 2, 1)


@pytest.mark.parametrize("how", ["retried", "purged"])
def test_a_workflow_with_a_dead_letter_is_kept_until_that_is_gone(rolled_back_sql: Sql, how: str) -> None:
    sql = rolled_back_sql
    flow = start(sql, node("a"), node("b", "a"))
    flow.run("a", "failed")
    age(sql, flow, 100)
    assert kept(sql, flow) == (1, 2, 1)

    if how == "purged":
        sql.rows("delete from dead_letter")
    else:
        sql.value("select retry_workflow(%s)", flow.id)
        flow.run("a")
        flow.run("b")
        assert kept(sql, flow) == (1, 2, 1)
        age(sql, flow, 100)
    assert kept(sql, flow) == (0, 0, 0)


def test_a_cancelled_workflow_goes_like_any_other(rolled_back_sql: Sql) -> None:
    flow = start(rolled_back_sql, node("a"), node("b", "a"))
    rolled_back_sql.value("select cancel_workflow(%s)", flow.id)
    age(rolled_back_sql, flow, 8)

    assert kept(rolled_back_sql, flow) == (0, 0, 0)


def over(sql: Sql, *nodes: int, **options: Any) -> list[int]:
    """Workflows that finished long ago, the first earliest, and count so many nodes; their ids."""
    ids: list[int] = []
    for place, count in enumerate(nodes):
        flow = start(sql, node("a"), **options)
        flow.run("a")
        age(sql, flow, 100 - place)
        sql.rows("update workflow set nodes = %s where id = %s", count, flow.id)
        ids.append(flow.id)
    return ids


def test_a_call_deletes_so_many_nodes_that_it_stays_short_and_the_next_goes_on(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    ids = over(sql, 12000, 7999, 1, 1, 30000, 1)
    left: list[list[int]] = []

    for _ in range(3):
        sql.value("select prune_workflows(7)")
        left.append([row["id"] for row in sql.rows("select id from workflow order by id")])

    assert left == [ids[3:], ids[5:], []]


def test_other_workflows_stay(rolled_back_sql: Sql) -> None:
    old, young = start(rolled_back_sql, node("a")), start(rolled_back_sql, node("a"))
    old.run("a")
    young.run("a")
    age(rolled_back_sql, old, 8)

    assert (kept(rolled_back_sql, old), kept(rolled_back_sql, young)) == ((0, 0, 0), (1, 1, 0))


def results(sql: Sql) -> int:
    sql.value("select maintain()")
    return int(sql.value("select count(*) from job_result"))


def test_a_result_of_a_node_is_kept_while_its_workflow_is_open_and_goes_afterwards(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    flow = start(sql, node("a", result_ttl="0 s"), node("b", "a"))
    flow.run("a", result=1)
    assert results(sql) == 1

    flow.run("b")

    assert results(sql) == 0


def test_a_result_of_a_node_that_has_time_left_stays_when_its_workflow_has_finished(rolled_back_sql: Sql) -> None:
    flow = start(rolled_back_sql, node("a", result_ttl="1 h"))
    flow.run("a", result=1)

    assert results(rolled_back_sql) == 1


def test_results_of_a_failed_workflow_go_with_it(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    flow = start(sql, node("a", result_ttl="0 s"), node("b", "a"))
    flow.run("a", result=1)
    flow.run("b", "failed")
    assert results(sql) == 1

    sql.rows("delete from dead_letter")
    age(sql, flow, 8)
    kept(sql, flow)

    assert results(sql) == 0


def test_a_result_whose_time_is_over_is_not_shown_though_it_is_kept_for_the_children(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    flow = start(sql, node("a", result_ttl="0 s"), node("b", "a"))

    flow.run("a", result=1)

    (row,) = sql.rows("select value, expired from result(%s)", flow["a"])
    assert row == {"value": None, "expired": True}


def test_a_workflow_that_somebody_holds_stalls_nobody_and_goes_next_time(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    held, free, user = start(sql, node("a")), start(sql, node("a")), another_sql()
    for flow in (held, free):
        flow.run("a")
        age(sql, flow, 8)

    with user.connection.transaction():
        user.rows("select from workflow where id = %s for update", held.id)
        with without_waiting(sql):
            assert (kept(sql, held), kept(sql, free)) == ((1, 1, 0), (0, 0, 0))

    assert kept(sql, held) == (0, 0, 0)


def test_a_node_outlives_its_workflow_in_the_history_and_can_still_be_asked_for(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    flow = start(sql, node("a"), node("b", "a"))
    sql.value("select cancel(%s)", flow["a"])
    age(sql, flow, 8)
    assert kept(sql, flow) == (0, 0, 0)

    (row,) = sql.rows("select state, reason, error->>'message' as message from result(%s)", flow["b"])

    assert (row["state"], row["reason"]) == ("cancelled", "dependency_failed")
    assert row["message"] == f"job {flow['a']} (a) cancelled"
