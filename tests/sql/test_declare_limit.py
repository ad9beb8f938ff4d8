"""declare_limit: what code says of a limit, and what people have set since."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from .background import Background
from .conftest import Sql

DECLARE = "select declare_limit(%s, %s)"
FIGURES = """select rate, extract(epoch from per)::float8 as per, burst, max_running, count_cost, weight, retry_blocks, enabled
               from limit_def"""


def declare(sql: Sql, **definition: Any) -> bool | None:
    """Whether it changed the limit; None: it is set by people."""
    changed: bool | None = sql.value(DECLARE, "task:send", json.dumps(definition))
    return changed


def test_it_makes_the_limit_with_defaults_for_what_is_not_said(rolled_back_sql: Sql) -> None:
    assert declare(rolled_back_sql, rate=100, per=60) is True

    assert rolled_back_sql.rows(FIGURES) == [
        {"rate": 100, "per": 60, "burst": 1, "max_running": None, "count_cost": True, "weight": 1, "retry_blocks": False,
         "enabled": True}
    ]  # fmt: skip


def test_the_same_again_changes_nothing_and_leaves_what_people_have_set(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    declare(sql, rate=100, per=60)
    sql.value("select set_limit('task:send', rate => 5, max_running => 3, enabled => false)")
    before = sql.rows(FIGURES)

    assert declare(sql, per=60, rate=100) is False

    assert sql.rows(FIGURES) == before


def test_something_else_than_last_time_replaces_what_the_code_has_set(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    declare(sql, rate=100, per=60, weight=3)

    assert declare(sql, max_running=7) is True

    (row,) = sql.rows(FIGURES)
    assert (row["rate"], row["per"], row["max_running"], row["weight"]) == (None, None, 7, 1)


@pytest.mark.parametrize("declared", [True, False], ids=["changed by people", "made by people"])
def test_something_else_than_last_time_leaves_what_people_have_set(rolled_back_sql: Sql, declared: bool) -> None:
    sql = rolled_back_sql
    if declared:
        declare(sql, rate=100, per=60)
    sql.value("select set_limit('task:send', rate => 5, per => '1 s', max_running => 3)")
    before = sql.rows("select * from limit_def")

    assert declare(sql, max_running=7) is None
    assert declare(sql, rate=1000000, per=1) is None

    assert sql.rows("select * from limit_def") == before
    assert sql.rows("select * from parking where key = 'task:send' and until > now()") == []


def test_a_limit_that_people_have_disabled_stays_so_and_one_that_they_enable_again_is_the_codes(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    declare(sql, rate=100, per=60)
    sql.value("select set_limit('task:send', enabled => false)")
    assert declare(sql, max_running=7) is None

    sql.value("select set_limit('task:send', enabled => true)")

    assert declare(sql, max_running=7) is True


def test_a_limit_that_people_have_made_as_the_code_says_is_the_codes(rolled_back_sql: Sql) -> None:
    """So that it can be made before the code is deployed."""
    sql = rolled_back_sql
    sql.value("select set_limit('task:send', max_running => 7)")

    assert declare(sql, max_running=7) is False

    assert declare(sql, max_running=8) is True


def test_the_settings_of_a_session_do_not_make_it_a_limit_of_people(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    declare(sql, rate=1 / 3, per=4000)
    sql.rows("set local intervalstyle = iso_8601")
    sql.rows("set local extra_float_digits = -15")

    assert declare(sql, max_running=7) is True


def test_a_limit_that_was_deleted_is_made_again(rolled_back_sql: Sql) -> None:
    declare(rolled_back_sql, max_running=7)
    rolled_back_sql.value("select delete_limit('task:send')")

    assert declare(rolled_back_sql, max_running=7) is True


@pytest.mark.parametrize(
    ("definition", "field"),
    [
        ({"rate": -1, "per": 1}, "rate"),
        ({"rate": 1}, "per"),
        ({"rate": 1, "per": 0}, "per"),
        ({"rate": 1, "per": 1, "burst": 0}, "burst"),
        ({"max_running": -1}, "max_running"),
        ({"weight": 0}, "weight"),
    ],
)
def test_it_refuses_what_set_limit_refuses(rolled_back_sql: Sql, definition: dict[str, Any], field: str) -> None:
    refused = rolled_back_sql.refusal(DECLARE, "task:send", json.dumps(definition))

    assert (refused.sqlstate, refused.diag.column_name) == ("PQ001", field)


def test_workers_that_start_together_declare_it_once(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    first = another_sql()

    with first.connection.transaction():
        assert declare(first, max_running=7) is True
        second = Background(another_sql(), DECLARE, "task:send", '{"max_running": 7}')
        second.wait_until_blocked(sql)

    assert second.rows() == [{"declare_limit": False}]
