"""crossed_dead_letters: each time that the dead letters become too many is told once, to one of all who ask."""

from collections.abc import Callable
from typing import Any

import pytest

from .background import Background
from .conftest import Sql
from .dead import bury_all
from .guarantees import many

LOOK = "select crossed_dead_letters('alert', 5, 2)"


def fail_more(sql: Sql, count: int) -> None:
    """So many jobs fail for good."""
    many(sql, count)
    bury_all(sql)


def leave(sql: Sql, count: int) -> None:
    """All but so many dead letters are discarded."""
    sql.rows("delete from dead_letter where id not in (select id from dead_letter order by id limit %s)", count)


def a_crossing_is_told_once(sql: Sql) -> None:
    """However often somebody looks while they are too many; and again after they were few."""
    told = []
    for step in (4, 1, 3, -4, 5, -2, 5):  # the number of dead letters goes 4, 5, 8, 4, 9, 2, 7
        fail_more(sql, step) if step > 0 else leave(sql, -step)
        told.append([sql.value(LOOK) for _ in range(2)])

    assert told == [[None, None], [5, None], [None, None], [None, None], [None, None], [None, None], [7, None]], told


def test_a_crossing_is_told_once_and_again_when_there_were_few_in_between(rolled_back_sql: Sql) -> None:
    a_crossing_is_told_once(rolled_back_sql)


@pytest.mark.parametrize("is_first", [True, False])
def test_of_two_that_look_at_once_one_is_told(sql: Sql, another_sql: Callable[[], Sql], is_first: bool) -> None:
    if not is_first:
        fail_more(sql, 5)
        assert sql.value(LOOK) == 5
        leave(sql, 0)
        assert sql.value(LOOK) is None
    fail_more(sql, 6)
    with sql.connection.transaction():
        assert sql.value(LOOK) == 6
        other = Background(another_sql(), LOOK)
        other.wait_until_blocked(another_sql())

    assert [*other.rows()[0].values()] == [None]


def test_nothing_is_written_as_long_as_there_are_few(rolled_back_sql: Sql) -> None:
    fail_more(rolled_back_sql, 4)

    rolled_back_sql.value(LOOK)

    assert rolled_back_sql.rows("select * from dead_alert") == []


def test_names_and_filters_are_counted_apart(rolled_back_sql: Sql) -> None:
    many(rolled_back_sql, 3, queue="mail")
    fail_more(rolled_back_sql, 3)

    for name, filter, told in (("a", "{}", 6), ("b", '{"queue": "mail"}', None), ("c", "{}", 6), ("a", "{}", None)):
        assert rolled_back_sql.value("select crossed_dead_letters(%s, 5, 2, %s)", name, filter) == told


@pytest.mark.parametrize(
    ("call", "field"),
    [
        ("'', 5, 2", "name"),
        ("'x', 0, 0", "threshold"),
        ("'x', null, 0", "threshold"),
        ("'x', 5, 5", "low"),
        ("'x', 5, null", "low"),
    ],
)
def test_an_invalid_value_is_refused_by_name(rolled_back_sql: Sql, call: str, field: str) -> None:
    refusal: Any = rolled_back_sql.refusal(f"select crossed_dead_letters({call})")

    assert (refusal.sqlstate, refusal.diag.column_name) == ("PQ001", field)
