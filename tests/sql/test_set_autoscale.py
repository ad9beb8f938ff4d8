"""set_autoscale, scaling_rules: by which rules a pool scales itself."""

import json
from typing import Any

import pytest

from .conftest import Sql
from .pool_steps import events, make_pool, pool

DEFAULTS = {
    "latency": 30,
    "depth_up": 100,
    "depth_down": 10,
    "utilisation_up": 0.9,
    "utilisation_down": 0.5,
    "mode": "proportional",
    "step": 1,
    "check_every": 30,
    "cooldown_up": 60,
    "cooldown_down": 60,
    "min_connections_left": 10,
    "connections_per_worker": 4,
    "max_replication_lag": None,
}


def set_autoscale(sql: Sql, rules: dict[str, Any] | None = None, is_on: bool | None = True) -> None:
    sql.value("select set_autoscale('mail', %s, %s, 'ann')", is_on, None if rules is None else json.dumps(rules))


def test_what_is_not_named_has_its_default_and_later_stays_as_it_is(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    make_pool(sql)
    set_autoscale(sql, {"depth_up": 500, "depth_down": 10})
    set_autoscale(sql, {"latency": None}, is_on=None)

    assert sql.value("select scaling_rules(rules) from pool") == DEFAULTS | {"depth_up": 500, "latency": None}
    assert (pool(sql)["autoscale"], pool(sql)["rules"]) == (True, {"depth_up": 500, "latency": None})

    set_autoscale(sql, {"depth_up": "default", "latency": "default"}, is_on=False)
    assert (pool(sql)["autoscale"], pool(sql)["rules"]) == (False, {})


def test_the_next_check_is_at_once_and_by_the_new_rules(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    make_pool(sql)
    set_autoscale(sql)
    assert sql.value("select autoscale('mail', 'a')") == 30
    sql.rows("update pool set refused = 'x', low_since = now(), low_need = 1 returning name")
    set_autoscale(sql, {"check_every": 5})

    assert {pool(sql)[field] for field in ("checked_at", "refused", "low_since", "low_need")} == {None}
    assert sql.value("select autoscale('mail', 'a')") == 5


def test_who_has_set_what_is_noted(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    make_pool(sql)
    set_autoscale(sql, {"step": 2})
    set_autoscale(sql, {"step": 2})

    assert [kind for kind, *_ in events(sql)] == ["made", "autoscale"]
    assert sql.rows("select by, reason, figures from pool_event where kind = 'autoscale'") == [
        {"by": "ann", "reason": "on", "figures": {"step": 2}}
    ]
    (row,) = sql.rows("select by, subject, before, after from audit_log where verb = 'set_autoscale'")
    assert (row["by"], row["subject"]) == ("ann", "mail")
    assert (row["before"], row["after"]) == (
        {"autoscale": False, "rules": {}},
        {"autoscale": True, "rules": {"step": 2}},
    )


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ([1], """rules: '[1]' is not valid; give an object, for example {"depth_up": 100}"""),
        ({"depth": 1}, "rules: 'depth' is not valid; use check_every, connections_per_worker, cooldown_down, "),
        ({"latency": 0}, "latency: '0' is not valid; use seconds, 0.1 to 86400, or null"),
        ({"latency": "fast"}, "latency: 'fast' is not valid; use seconds, 0.1 to 86400, or null"),
        ({"max_replication_lag": -1}, "max_replication_lag: '-1' is not valid; use seconds, 0.1 to 86400, or null"),
        ({"depth_up": 1.5}, "depth_up: '1.5' is not valid; use a whole number above 0, or null"),
        ({"depth_down": 100}, "depth_down: '100' is not valid; use less than depth_up, which is 100"),
        ({"utilisation_up": 0.4}, "utilisation_down: '0.5' is not valid; use less than utilisation_up, which is 0.4"),
        ({"utilisation_up": 2}, "utilisation_up: '2' is not valid; use 0.01 to 1, or null"),
        ({"mode": "fast"}, "mode: 'fast' is not valid; use proportional or step"),
        ({"mode": None}, "mode: NULL is not valid; use proportional or step"),
        ({"step": 0}, "step: '0' is not valid; use a whole number, 1 to 1000"),
        ({"check_every": None}, "check_every: NULL is not valid; use seconds, 1 to 86400"),
        ({"cooldown_up": 1e9}, "cooldown_up: '1000000000.0' is not valid; use seconds, 1 to 86400"),
        ({"min_connections_left": True}, "min_connections_left: 'true' is not valid; use a whole number, 0 to 100000"),
    ],
    ids=lambda value: json.dumps(value) if not isinstance(value, str) else "",
)
def test_a_rule_that_is_invalid_is_refused_and_nothing_changes(rolled_back_sql: Sql, rules: Any, message: str) -> None:
    sql = rolled_back_sql
    make_pool(sql)
    refused = sql.refusal("select set_autoscale('mail', true, %s)", json.dumps(rules))

    assert refused.sqlstate == "PQ001"
    assert (refused.diag.message_primary or "").startswith(message)
    assert (pool(sql)["autoscale"], pool(sql)["rules"]) == (False, {})


def test_a_pool_that_is_not_there_or_goes_is_refused(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    assert sql.refusal("select set_autoscale('mail')").sqlstate == "PQ003"
    make_pool(sql)
    sql.rows("update pool set deleting = true returning name")
    assert sql.refusal("select set_autoscale('mail')").sqlstate == "PQ004"
