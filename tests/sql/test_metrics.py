"""metrics: rates, durations and waits of a span, by queue and by task; counts exact, percentiles within their bucket."""

import random
from datetime import timedelta
from typing import Any

import pytest

from ..rolled import made_now
from .conftest import Sql
from .figures import A_DAY, A_MINUTE, AN_HOUR, ended, history, midnight, roll_up

ERROR = 0.025  # of a percentile, as promised


def metrics(sql: Sql, span: str = "2 hours", scope: str = "all", name: str | None = None) -> dict[str, Any]:
    """One row of metrics()."""
    (row,) = sql.rows("select * from metrics(%s) where scope = %s and name is not distinct from %s", span, scope, name)
    return row


def the(fraction: float, of: list[float]) -> float:
    """The percentile: so many of the values, or more, are no greater."""
    return sorted(of)[-int(-fraction * len(of) // 1) - 1]


def percentiles_are_within_their_bucket(sql: Sql) -> None:
    """Of all, by queue and by task."""
    took = {queue: ended(sql, 400, queue=queue) for queue in ("a", "b")}
    roll_up(sql)

    for row, seconds in ((metrics(sql), took["a"] + took["b"]), (metrics(sql, scope="queue", name="b"), took["b"])):
        for name, fraction in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99)):
            assert row[f"duration_{name}_ms"] == pytest.approx(1000 * the(fraction, seconds), rel=ERROR + 1e-6)
        assert row["duration_mean_ms"] == pytest.approx(1000 * sum(seconds) / len(seconds), rel=1e-5)
    waits = [
        float(row["wait"]) for row in sql.rows("select extract(epoch from claimed_at - created_at) as wait from job_history")
    ]
    assert metrics(sql)["wait_p95_ms"] == pytest.approx(1000 * the(0.95, waits), rel=ERROR + 1e-6)
    assert metrics(sql, scope="task", name="noop")["wait_mean_ms"] == pytest.approx(1000 * sum(waits) / 800, rel=1e-5)


def test_percentiles_are_within_their_bucket(rolled_back_sql: Sql) -> None:
    random.seed(1)
    percentiles_are_within_their_bucket(rolled_back_sql)


def test_a_bucket_stands_for_all_that_fall_into_it(rolled_back_sql: Sql) -> None:
    furthest = """select max(abs(bucket_value(bucket_of(s)) / s - 1))
                    from (select exp(random() * 30 - 12) as s from generate_series(1, 9999)) x"""
    assert 0.024 < rolled_back_sql.value(furthest) <= ERROR


def test_rates_and_counts_are_of_what_has_ended(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    ended(sql, 30)
    ended(sql, 10, queue="b", state="failed", retries=0)
    ended(sql, 5, queue="b", state="cancelled")
    sql.enqueue(queue="a", priority=5)
    sql.enqueue(queue="c")
    roll_up(sql)
    made_now(sql.connection)

    every = metrics(sql, "2 hours")
    assert {name: every[name] for name in ("succeeded", "failed", "cancelled", "failed_attempts", "enqueued", "ready")} == {
        "succeeded": 30, "failed": 10, "cancelled": 5, "failed_attempts": 10, "enqueued": 47,
        "ready": {"5": 1, "0": 1}}  # fmt: skip
    assert (every["success_rate"], every["failure_rate"]) == (0.75, 0.25)
    assert every["until"] - every["since"] == 2 * AN_HOUR
    assert every["completed_per_second"] == pytest.approx(45 / 7200)
    assert every["enqueued_per_second"] == pytest.approx(47 / 7200)
    rows = sql.rows("select scope, name, enqueued, succeeded, ready from metrics('2 hours') where scope <> 'all'")
    assert [tuple(row.values()) for row in rows] == [
        ("queue", "a", 31, 30, {"5": 1}), ("queue", "b", 15, 0, {}), ("queue", "c", 1, 0, {"0": 1}),
        ("task", "noop", None, 30, None)]  # fmt: skip


def enqueued_is_exact_in_each_minute(sql: Sql) -> None:
    """What has ended in it and the change of depth: jobs that end in the minute in which they were added, later, or not yet."""
    day = midnight(sql)
    added = [day + random.random() * 5 * A_MINUTE for _ in range(150)]
    for number, created in enumerate(added):
        finished = created + random.random() * 3 * A_MINUTE
        if number % 3 == 0:
            sql.rows("update job set created_at = %s where id = %s", created, sql.enqueue(queue="a"))
        else:
            history(sql, finished)
            sql.rows("update job_history set created_at = %s where id = lastval()", created)
    for minute in range(6):
        roll_up(sql, day + minute * A_MINUTE)

    rows = sql.rows("select at, enqueued from metric_series('1 minute', %s)", day)
    assert [row["enqueued"] for row in rows] == [
        sum(row["at"] <= created < row["at"] + A_MINUTE for created in added) for row in rows
    ]
    assert metrics(sql, "5 minutes")["enqueued"] == 150


def test_enqueued_is_exact_in_each_minute(rolled_back_sql: Sql) -> None:
    enqueued_is_exact_in_each_minute(rolled_back_sql)


def test_a_worker_counts_by_what_it_does(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    sql.rows("delete from worker")
    busy, _, dead = sql.worker(), sql.worker(), sql.worker()
    sql.rows("update worker set running = 5 where id = any (%s)", [busy, dead])
    sql.rows("update worker set heartbeat_at = heartbeat_at - interval '1 hour' where id = %s", dead)

    assert metrics(sql)["workers"] == {"active": 1, "idle": 1, "dead": 1, "slots": 20, "running": 5, "per_cent": 25.0}


def test_of_nothing_there_is_one_row(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    (row,) = sql.rows("select * from metrics()")
    assert (row["scope"], row["succeeded"], row["completed_per_second"], row["duration_p50_ms"], row["success_rate"]) == (
        "all", 0, 0, None, None)  # fmt: skip
    assert row["until"] - row["since"] == timedelta(minutes=5)
    assert sql.value("select percentile_ms('{}', '{}', 0.5)") is None


@pytest.mark.parametrize("span", ["0 s", "59 s", "-1 hour", "101 years", None])
def test_an_invalid_span_is_refused(rolled_back_sql: Sql, span: str | None) -> None:
    refusal = rolled_back_sql.refusal("select metrics(%s::interval)", span)
    assert refusal.sqlstate == "PQ001"
    assert "span" in str(refusal)
    assert "from 1 minute" in str(refusal)


def what_is_read_from_hours_and_days_is_the_same(sql: Sql) -> None:
    """Whatever the span begins and ends with, each job is in one of the rows."""
    day = midnight(sql) - 3 * A_DAY
    moments = [day + random.random() * 4 * A_DAY for _ in range(300)]
    for moment in moments:
        history(sql, moment)
    roll_up(sql, day + 4 * A_DAY + 150 * A_MINUTE)

    for _ in range(100):
        since, until = sorted(day + random.randrange(4 * 24 * 60) * A_MINUTE for _ in range(2))
        for widest in ("minute", "hour", "day"):
            found = sql.value("select coalesce(sum(succeeded), 0) from metric_rows(%s, %s, %s)", since, until, widest)
            assert found == sum(since <= moment < until for moment in moments), (since, until, widest)


def test_what_is_read_from_hours_and_days_is_the_same(rolled_back_sql: Sql) -> None:
    random.seed(2)
    what_is_read_from_hours_and_days_is_the_same(rolled_back_sql)


@pytest.mark.parametrize(("span", "unit"), [("6 hours", "minute"), ("7 hours", "hour"), ("7 days", "hour"), ("8 days", "day")])
def test_a_long_span_begins_with_a_full_hour_or_day(rolled_back_sql: Sql, span: str, unit: str) -> None:
    sql = rolled_back_sql
    history(sql, midnight(sql) - 9 * A_DAY)
    roll_up(sql)
    row = metrics(sql, span)

    full = """select date_trunc(%s, %s::timestamptz, 'UTC') = %s
                     and %s::timestamptz - %s between %s::interval and %s::interval + interval '1 day'"""
    assert sql.value(full, unit, row["since"], row["since"], row["until"], row["since"], span, span)


def test_without_a_sample_nobody_knows_what_was_enqueued(rolled_back_sql: Sql) -> None:
    """The workers were away at the beginning of the span; before the install was made nothing was live."""
    sql = rolled_back_sql
    ended(sql, 3)
    roll_up(sql)
    made_now(sql.connection)
    assert metrics(sql)["enqueued"] == 3
    sql.rows("update setting set created_at = created_at - interval '1 year'")
    assert metrics(sql)["enqueued"] is None


@pytest.mark.parametrize(("view", "unit"), [("metrics_hourly", "hour"), ("metrics_daily", "day")])
def test_hours_and_days_have_a_view(rolled_back_sql: Sql, view: str, unit: str) -> None:
    sql = rolled_back_sql
    history(sql, midnight(sql), 10, elapsed="0.2")
    roll_up(sql)

    (row,) = sql.rows(f"select * from {view}")
    assert row[unit] == midnight(sql)
    assert row["succeeded"] == 10
    assert row["duration_mean_ms"] == pytest.approx(200, rel=1e-5)
    assert row["wait_mean_ms"] == pytest.approx(10)
    for name in ("p50", "p95", "p99"):
        assert row[f"duration_{name}_ms"] == pytest.approx(200, rel=ERROR)
        assert row[f"wait_{name}_ms"] == pytest.approx(10, rel=ERROR)
