"""maintain removes dead letters that are older than dead_days; without it they stay."""

from collections.abc import Callable

import pytest

from .conftest import Sql
from .dead import dead
from .flows import node, start
from .guarantees import without_waiting


def aged(sql: Sql, days: int, id: int) -> int:
    """This dead letter has failed so many days ago."""
    sql.rows("update dead_letter set finished_at = finished_at - make_interval(days => %s) where id = %s", days, id)
    return id


def kept(sql: Sql) -> list[int]:
    """Those that are left after maintenance."""
    sql.value("select maintain()")
    return [row["id"] for row in sql.rows("select id from dead_letter order by id")]


def test_without_a_setting_they_stay(rolled_back_sql: Sql) -> None:
    id = aged(rolled_back_sql, 1000, dead(rolled_back_sql))

    assert kept(rolled_back_sql) == [id]


def test_those_that_are_older_go_whatever_their_queue(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    sql.rows("update setting set dead_days = 30")
    young = [aged(sql, 29, dead(sql, queue=queue)) for queue in ("a", "b", "c")]
    for queue in ("a", "c", "d"):
        aged(sql, 31, dead(sql, queue=queue))

    assert kept(sql) == young


@pytest.mark.parametrize("everywhere", [None, 30])
def test_a_queue_keeps_its_own_for_longer_or_shorter(rolled_back_sql: Sql, everywhere: int | None) -> None:
    sql = rolled_back_sql
    sql.rows("update setting set dead_days = %s", everywhere)
    sql.value("""select set_queue('short', '{"dead_days": 2}')""")
    sql.value("""select set_queue('long', '{"dead_days": 90}')""")
    old = {queue: aged(sql, 60, dead(sql, queue=queue)) for queue in ("default", "long", "short")}
    young = aged(sql, 1, dead(sql, queue="short"))

    assert kept(sql) == [*([] if everywhere else [old["default"]]), old["long"], young]


def test_the_longest_time_is_within_the_calendar(rolled_back_sql: Sql) -> None:
    rolled_back_sql.value("""select set_queue('default', '{"dead_days": 36500}')""")

    id = dead(rolled_back_sql)

    assert kept(rolled_back_sql) == [id]


def test_a_node_stays_until_its_workflow_is_over(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    sql.rows("update setting set dead_days = 1")
    flow = start(sql, node("a"), node("b"), node("c", {"node": "a", "when": "finished"}))
    flow.run("a", "failed")
    aged(sql, 2, flow["a"])
    assert kept(sql) == [flow["a"]]
    flow.run("b")
    flow.run("c")

    assert kept(sql) == []
    assert (flow.status, flow.states()["a"]) == ("failed", "failed")


def test_no_more_go_at_once_than_are_wanted(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    sql.rows("update setting set dead_days = 1")
    for queue in ("a", "a", "b", "b"):
        aged(sql, 2, dead(sql, queue=queue))

    assert [sql.value("select prune_dead(3)"), sql.value("select prune_dead(3)")] == [True, False]
    assert sql.value("select count(*) from dead_letter") == 0


def nobody_waits_for_one_that_is_retried(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    """While one of two is being retried, the other goes."""
    sql.rows("update setting set dead_days = 1")
    first, second = (aged(sql, 2, dead(sql)) for _ in range(2))
    operator = another_sql()
    with operator.connection.transaction(force_rollback=True):
        operator.value("select id from retry(%s)", first)
        with without_waiting(sql):
            sql.value("select prune_dead(10)")

    assert [row["id"] for row in sql.rows("select id from dead_letter")] == [first], second


def test_one_that_is_being_retried_is_not_waited_for(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    nobody_waits_for_one_that_is_retried(sql, another_sql)
