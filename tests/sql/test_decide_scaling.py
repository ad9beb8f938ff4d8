"""decide_scaling: from figures to a number of workers; it looks at nothing else."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from .conftest import Sql

AT = datetime(2026, 1, 1, tzinfo=UTC)
CALM = {"oldest": None, "ready": 0, "running": 0, "connections_left": 1000}


def decide(
    sql: Sql, wanted: int = 5, rules: dict[str, Any] | None = None, *, seen: dict[str, Any] | None = None, **pool: Any
) -> dict[str, Any]:
    """decide_scaling() for a pool of 1 to 50 workers with 10 slots each."""
    its: dict[str, Any] = {
        "name": "mail",
        "queues": ["mail"],
        "concurrency": 10,
        "minimum": 1,
        "maximum": 50,
        "wanted": wanted,
    } | pool
    figures = CALM | {"wanted": wanted, "workers": wanted} | (seen or {})
    figures.setdefault("utilisation", min(figures["running"] / max(its["wanted"] * its["concurrency"], 1), 9.99))
    (row,) = sql.rows(
        "select d.* from decide_scaling(jsonb_populate_record(null::pool, %s), scaling_rules(%s), %s, %s) d",
        json.dumps(its, default=str),
        json.dumps(rules or {}),
        json.dumps(figures),
        AT,
    )
    return row


def ago(seconds: float) -> datetime:
    return AT - timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("seen", "wanted", "reason"),
    [
        ({"ready": 101, "running": 0}, 15, "depth_up: 101 jobs are ready, more than 100"),
        ({"ready": 20, "running": 50, "oldest": 31}, 10, "latency: a job has waited for 31 seconds, longer than 30"),
        ({"ready": 5, "running": 5, "oldest": 31}, 6, "latency: a job has waited for 31 seconds, longer than 30"),
        ({"running": 46}, 7, "utilisation_up: 0.92 of the slots are in use, more than 0.9"),
        ({"ready": 10**6, "running": 50}, 50, "depth_up: 1000000 jobs are ready, more than 100"),
    ],
    ids=["depth", "latency", "latency with free slots", "utilisation", "all"],
)
def test_a_rule_asks_for_as_many_as_the_load_needs(rolled_back_sql: Sql, seen: dict[str, Any], wanted: int, reason: str) -> None:
    decided = decide(rolled_back_sql, seen=seen)

    assert (decided["wanted"], decided["reason"], decided["refused"]) == (wanted, reason, None)


@pytest.mark.parametrize(
    "seen",
    [{"ready": 100, "running": 45, "oldest": 30}, {"running": 26}, {"ready": 10}, {"oldest": 16}],
    ids=["just not more", "in use", "depth", "age"],
)
def test_between_the_rules_nothing_changes(rolled_back_sql: Sql, seen: dict[str, Any]) -> None:
    assert decide(rolled_back_sql, seen=seen, low_since=ago(900)) == {
        "wanted": 5,
        "reason": None,
        "refused": None,
        "low_need": None,
    }


@pytest.mark.parametrize(
    ("rules", "seen"),
    [
        ({"latency": None}, {"oldest": 1000, "ready": 20}),
        ({"depth_up": None}, {"ready": 1000}),
        ({"utilisation_up": None}, {"running": 50}),
    ],
)
def test_a_rule_that_is_null_asks_for_nothing(rolled_back_sql: Sql, rules: dict[str, Any], seen: dict[str, Any]) -> None:
    assert decide(rolled_back_sql, seen=seen)["wanted"] > 5
    assert decide(rolled_back_sql, rules=rules, seen=seen)["reason"] is None


def test_from_none_one_job_is_enough(rolled_back_sql: Sql) -> None:
    decided = decide(rolled_back_sql, 0, seen={"ready": 1, "utilisation": 1}, minimum=0)

    assert (decided["wanted"], decided["refused"]) == (1, None)


def test_there_is_never_more_than_a_worker_for_each_job_and_one(rolled_back_sql: Sql) -> None:
    decided = decide(rolled_back_sql, 3, seen={"ready": 1, "running": 2, "oldest": 1000}, rules={"mode": "step", "step": 10})

    assert decided["wanted"] == 4


@pytest.mark.parametrize(
    ("values", "seen", "refused"),
    [
        ({"scaled_up_at": ago(59)}, {}, "cooldown_up: the last change upwards was less than 60 seconds ago"),
        ({}, {"connections_left": 13}, "connections: fewer than min_connections_left = 10 would be left"),
        ({"maximum": 5}, {}, "maximum: the pool has all of its 5 workers"),
        ({}, {"replication_lag": 6}, "replication: a replica is later than max_replication_lag = 5 seconds"),
        ({}, {"replication_lag": "unknown"}, "replication: the owner of the install may not read the lag of the replicas; "
                                             "grant it pg_read_all_stats"),
        ({}, {"ready": 0, "oldest": 31, "workers": 4}, "pending: workers that are wanted do not run yet"),
    ],
    ids=["cooldown", "connections", "maximum", "replication", "unknown replication", "pending"],
)  # fmt: skip
def test_what_is_in_the_way_is_named(rolled_back_sql: Sql, values: dict[str, Any], seen: dict[str, Any], refused: str) -> None:
    decided = decide(rolled_back_sql, rules={"max_replication_lag": 5}, seen={"ready": 1000} | seen, **values)

    assert (decided["wanted"], decided["reason"], decided["refused"]) == (5, None, refused)


@pytest.mark.parametrize("scaled_up_at", [ago(60), ago(-1)], ids=["over", "the clock was set back"])
def test_after_the_cooldown_it_goes_on(rolled_back_sql: Sql, scaled_up_at: datetime) -> None:
    assert decide(rolled_back_sql, seen={"ready": 1000}, scaled_up_at=scaled_up_at)["wanted"] == 50


def test_workers_that_are_on_their_way_are_not_asked_for_again(rolled_back_sql: Sql) -> None:
    """The load of 12 workers, of which 10 are wanted: two more, and not twelve."""
    waits = decide(rolled_back_sql, 10, seen={"workers": 1, "ready": 60, "running": 10, "oldest": 40})
    grows = decide(rolled_back_sql, 10, seen={"workers": 1, "ready": 74, "running": 10, "oldest": 40})
    by_step = decide(rolled_back_sql, 10, seen={"workers": 1, "ready": 9000}, rules={"mode": "step"})

    assert (waits["wanted"], grows["wanted"]) == (10, 12)
    assert (by_step["wanted"], by_step["refused"]) == (10, "pending: workers that are wanted do not run yet")


def test_only_so_many_are_added_as_there_are_connections_left_for(rolled_back_sql: Sql) -> None:
    """10 stay free, and those of the two that are on their way are theirs."""
    assert decide(rolled_back_sql, seen={"ready": 1000, "workers": 3, "connections_left": 10 + 2 * 4 + 3 * 4 + 3})["wanted"] == 8


def test_what_goes_has_not_been_needed_for_the_whole_cooldown(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    first = decide(sql, 20, seen={"running": 30})
    soon = decide(sql, 20, seen={"running": 30}, low_since=ago(59), low_need=8)
    then = decide(sql, 20, seen={"running": 30}, low_since=ago(60), low_need=12)

    assert (first["wanted"], first["low_need"]) == (20, 5)
    assert (soon["wanted"], soon["low_need"]) == (20, 8)
    assert (then["wanted"], then["low_need"]) == (12, 5)
    assert then["reason"] == "low: 30 jobs run and 0 are ready; most workers needed in the last 60 seconds: 12"


def test_at_most_half_of_them_go_at_a_time_or_a_step(rolled_back_sql: Sql) -> None:
    low: dict[str, Any] = {"low_since": ago(60), "low_need": 0}

    assert decide(rolled_back_sql, 50, **low)["wanted"] == 25
    assert decide(rolled_back_sql, 50, {"mode": "step", "step": 3}, **low)["wanted"] == 47
    assert decide(rolled_back_sql, 2, **low)["wanted"] == 1
    assert decide(rolled_back_sql, 1, minimum=0, **low)["wanted"] == 0


def test_running_jobs_keep_the_workers_that_they_need(rolled_back_sql: Sql) -> None:
    assert decide(rolled_back_sql, 50, seen={"running": 231}, low_since=ago(60), low_need=0)["wanted"] == 33


@pytest.mark.parametrize("field", ["scaled_up_at", "scaled_down_at"])
def test_after_any_change_none_goes_for_a_while(rolled_back_sql: Sql, field: str) -> None:
    changed: dict[str, Any] = {field: ago(59)}
    decided = decide(rolled_back_sql, low_since=ago(60), low_need=0, **changed)

    assert (decided["wanted"], decided["refused"]) == (5, "cooldown_down: the last change was less than 60 seconds ago")


@pytest.mark.parametrize(
    ("wanted", "bounds", "then", "reason"),
    [
        (1, {"minimum": 3}, 3, "minimum of the pool is 3"),
        (60, {}, 50, "maximum of the pool is 50"),
        (0, {"minimum": 0, "queues": []}, 1, "minimum of the pool is 1"),
    ],
    ids=["minimum", "maximum", "no queues are named"],
)
def test_bounds_hold_at_once(rolled_back_sql: Sql, wanted: int, bounds: dict[str, Any], then: int, reason: str) -> None:
    decided = decide(rolled_back_sql, wanted, scaled_up_at=AT, scaled_down_at=AT, **bounds)

    assert (decided["wanted"], decided["reason"]) == (then, reason)
