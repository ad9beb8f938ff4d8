"""set_queue, reset_queue: settings of a queue."""

import json
from datetime import timedelta
from typing import Any

import pytest

from .conftest import Sql

DEFAULTS = {
    "max_ready": None,
    "on_full": "refuse",
    "starvation_after": None,
    "starvation_share": 0.25,
    "keep_succeeded": True,
    "keep_cancelled": True,
    "dead_days": None,
}


def set_queue(sql: Sql, name: str = "default", /, **settings: Any) -> None:
    """set_queue() with these settings."""
    sql.value("select set_queue(%s, %s)", name, json.dumps(settings))


def settings_of(sql: Sql, name: str = "default") -> dict[str, Any]:
    (row,) = sql.rows("select * from queue where name = %s", name)
    return {field: row[field] for field in DEFAULTS}


def test_what_is_not_named_has_its_default_and_later_stays_as_it_is(rolled_back_sql: Sql) -> None:
    set_queue(rolled_back_sql, max_ready=10)
    first = settings_of(rolled_back_sql)
    set_queue(rolled_back_sql, dead_days=3)

    assert first == DEFAULTS | {"max_ready": 10}
    assert settings_of(rolled_back_sql) == DEFAULTS | {"max_ready": 10, "dead_days": 3}


@pytest.mark.parametrize(
    ("field", "given", "stored"),
    [
        ("max_ready", 5, 5),
        ("on_full", "drop_oldest", "drop_oldest"),
        ("starvation_after", "5 minutes", timedelta(minutes=5)),
        ("starvation_after", 1.5, timedelta(seconds=1.5)),
        ("starvation_share", 1, 1),
        ("keep_succeeded", False, False),
        ("keep_cancelled", False, False),
        ("dead_days", 30, 30),
    ],
)
def test_a_setting_is_stored_and_null_is_its_default_again(rolled_back_sql: Sql, field: str, given: Any, stored: Any) -> None:
    set_queue(rolled_back_sql, **{field: given})
    assert settings_of(rolled_back_sql)[field] == stored

    set_queue(rolled_back_sql, **{field: None})
    assert settings_of(rolled_back_sql) == DEFAULTS


@pytest.mark.parametrize("field", ["max_ready", "starvation_after", "starvation_share", "dead_days"])
def test_zero_is_the_default_too(rolled_back_sql: Sql, field: str) -> None:
    set_queue(rolled_back_sql, **{field: 1})
    set_queue(rolled_back_sql, **{field: 0})

    assert settings_of(rolled_back_sql) == DEFAULTS


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({"max_redy": 1}, ("max_redy", "starvation_after, starvation_share")),
        ({"max_ready": -1}, ("max_ready: '-1'", "0 for the default")),
        ({"max_ready": 1.5}, ("max_ready: '1.5'",)),
        ({"max_ready": 5.0}, ("max_ready: '5.0'",)),
        ({"max_ready": "many"}, ("max_ready: 'many'",)),
        ({"on_full": "wait"}, ("on_full: 'wait'", "use refuse or drop_oldest")),
        ({"starvation_after": "soon"}, ("starvation_after: 'soon'", "interval")),
        ({"starvation_after": "-1 s"}, ("starvation_after",)),
        ({"starvation_after": "1001 years"}, ("starvation_after",)),
        ({"starvation_after": True}, ("starvation_after",)),
        ({"starvation_share": 1.1}, ("starvation_share: '1.1'",)),
        ({"starvation_share": 5e-324}, ("starvation_share: '0.000", "use a number from 0.001")),
        ({"keep_succeeded": "no"}, ("keep_succeeded: 'no'", "true or false")),
        ({"dead_days": 2**31}, ("dead_days",)),
        ([1], ("settings",)),
        ("x", ("settings",)),
    ],
)
def test_an_invalid_setting_is_refused_by_name_and_changes_nothing(
    rolled_back_sql: Sql, settings: Any, names: tuple[str, ...]
) -> None:
    refused = rolled_back_sql.refusal("select set_queue('default', %s)", json.dumps(settings))

    assert refused.sqlstate == "PQ001"
    assert all(name in str(refused) for name in names)
    assert rolled_back_sql.rows("select * from queue") == []


@pytest.mark.parametrize("name", ["", "a b", "x" * 101, None])
def test_an_invalid_name_is_refused(rolled_back_sql: Sql, name: str | None) -> None:
    for verb in ("set_queue(%s, '{}')", "reset_queue(%s)"):
        refused = rolled_back_sql.refusal(f"select {verb}", name)

        assert refused.sqlstate == "PQ001"
        assert "1 to 100 letters" in str(refused)


def test_reset_removes_all_settings_and_says_whether_there_were_any(rolled_back_sql: Sql) -> None:
    set_queue(rolled_back_sql, max_ready=1)
    set_queue(rolled_back_sql, "other", max_ready=1)

    assert rolled_back_sql.value("select reset_queue('default')") is True
    assert rolled_back_sql.value("select reset_queue('default')") is False
    assert rolled_back_sql.rows("select name from queue") == [{"name": "other"}]
