"""metric_series: the figures step by step, also where nothing happened."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from .conftest import Sql
from .figures import A_DAY, A_MINUTE, AN_HOUR, ended, history, midnight, roll_up
from .test_metrics import ERROR, metrics


def series(sql: Sql, step: str, since: datetime, until: datetime | None = None, **given: str) -> list[dict[str, Any]]:
    """metric_series(), as rows."""
    named = "".join(f", {name} => %s" for name in given)
    return sql.rows(f"select * from metric_series(%s, %s, %s{named})", step, since, until, *given.values())


def test_each_step_has_a_row(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    day = midnight(sql)
    history(sql, day + 2 * A_MINUTE, 6, elapsed="0.5")
    history(sql, day + 11 * A_MINUTE)
    roll_up(sql, day + AN_HOUR)

    rows = series(sql, "5 minutes", day, day + 17 * A_MINUTE)
    assert [(row["at"] - day, row["succeeded"]) for row in rows] == [
        (0 * A_MINUTE, 6), (5 * A_MINUTE, 0), (10 * A_MINUTE, 1), (15 * A_MINUTE, 0)]  # fmt: skip
    assert rows[0]["completed_per_second"] == pytest.approx(6 / 300)
    assert rows[0]["duration_p99_ms"] == pytest.approx(500, rel=ERROR)
    assert rows[0]["wait_p50_ms"] == pytest.approx(10, rel=ERROR)
    assert rows[1]["duration_p50_ms"] is None
    assert rows[1]["completed_per_second"] == 0


def test_the_last_step_ends_with_the_last_closed_minute(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    day = midnight(sql)
    history(sql, day + 61 * A_MINUTE, 6)
    roll_up(sql, day + 62 * A_MINUTE)

    rows = series(sql, "1 hour", day)
    assert [(row["at"], row["succeeded"]) for row in rows] == [(day, 0), (day + AN_HOUR, 6)]
    assert rows[1]["completed_per_second"] == pytest.approx(6 / 120)
    assert series(sql, "1 hour", day, day + 9 * A_DAY) == rows
    assert series(sql, "1 hour", day + A_DAY) == []


@pytest.mark.parametrize(
    ("step", "steps"), [("1 minute", 5760), ("1 hour", 96), ("90 minutes", 64), ("1 day", 4), ("2 hours", 48)]
)
def test_all_steps_together_are_all_there_is(rolled_back_sql: Sql, step: str, steps: int) -> None:
    sql = rolled_back_sql
    day = midnight(sql) - 3 * A_DAY
    for minutes in range(0, 4 * 24 * 60, 97):
        history(sql, day + minutes * A_MINUTE)
    roll_up(sql, day + 4 * A_DAY)

    rows = series(sql, step, day)
    total = sum(row["succeeded"] for row in rows)
    assert total == 60
    assert steps <= len(rows) <= steps + 1  # 90 minutes do not begin at midnight each day


def test_jobs_of_a_queue_or_a_task(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    day = midnight(sql)
    history(sql, day, 3)
    history(sql, day, 2, queue="b")
    sql.rows("update job set created_at = %s where id = %s", day, sql.enqueue("other", queue="b"))
    sql.rows("update setting set created_at = %s", day)
    roll_up(sql, day + 5 * A_MINUTE)

    def sums(**given: str) -> list[Any]:
        rows = series(sql, "1 day", day, None, **given)
        return [sum(row[name] or 0 for row in rows) for name in ("succeeded", "enqueued")] + [rows[-1]["ready"], rows[-1]["live"]]

    assert sums() == [5, 6, 1, 1]
    assert sums(queue="b") == [2, 3, 1, 1]
    assert sums(queue="a") == [3, 3, 0, 0]
    assert sums(task="noop") == [5, 0, None, None]
    assert sums(queue="b", task="noop") == [2, 0, None, None]


def test_percentiles_of_a_step_are_those_of_all_its_jobs(rolled_back_sql: Sql) -> None:
    """Whether it is made of one roll-up or of several, of all tasks or of those of a queue."""
    sql = rolled_back_sql
    day = midnight(sql)
    for minute in range(4):
        for number in range(1, 51):
            history(sql, day + minute * A_MINUTE, queue="ab"[number % 2], elapsed=f"{10.0 ** (minute - 2) * number}")
    roll_up(sql, day + AN_HOUR)

    for minutes in (1, 2, 4):
        for queue in (None, "a"):
            given = {} if queue is None else {"queue": queue}
            for row in series(sql, f"{minutes} minutes", day, day + 4 * A_MINUTE, **given):
                (exact,) = sql.rows(
                    """select percentile_disc(array[0.5, 0.95, 0.99]) within group (order by 1000 * elapsed) as p from job_history
                        where finished_at >= %s and finished_at < %s and (%s::text is null or queue = %s)""",
                    row["at"], row["at"] + minutes * A_MINUTE, queue, queue,
                )  # fmt: skip
                shown = [row[f"duration_{name}_ms"] for name in ("p50", "p95", "p99")]
                assert shown == pytest.approx(exact["p"], rel=ERROR + 1e-6)


def test_a_week_begins_on_monday_and_a_day_at_midnight(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    roll_up(sql, timedelta())
    since = sql.value("select clock_timestamp() - interval '20 days'")
    sql.rows("set local timezone = 'Asia/Kolkata'")

    assert {row["at"].astimezone(UTC).strftime("%A %H:%M") for row in series(sql, "7 days", since)} == {"Monday 00:00"}
    assert {row["at"].astimezone(UTC).strftime("%H:%M") for row in series(sql, "1 day", since)} == {"00:00"}


def days_have_24_hours(sql: Sql) -> None:
    """Also in a session whose time zone has summer time."""
    day = datetime(2025, 10, 25, tzinfo=UTC)
    for days in range(3):
        history(sql, day + days * A_DAY + 30 * A_MINUTE)
    roll_up(sql)
    sql.rows("set local timezone = 'Europe/Berlin'")

    rows = series(sql, "1 day", day, day + 3 * A_DAY)
    assert [(row["at"].astimezone(UTC), row["succeeded"]) for row in rows] == [(day + days * A_DAY, 1) for days in range(3)]
    sql.rows("update roll_up_state set minute_at = %s", day + 3 * A_DAY)
    assert metrics(sql, "3 days")["since"] == day


def test_days_have_24_hours(rolled_back_sql: Sql) -> None:
    days_have_24_hours(rolled_back_sql)


@pytest.mark.parametrize("step", ["0 s", "30 s", "90 s", "-1 minute", "1 month", "1 year", "1000 years", None])
def test_an_invalid_step_is_refused(rolled_back_sql: Sql, step: str | None) -> None:
    refusal = rolled_back_sql.refusal("select metric_series(%s::interval, clock_timestamp() - interval '1 hour')", step)
    assert refusal.sqlstate == "PQ001"
    assert "full minutes" in str(refusal)


@pytest.mark.parametrize("since", ["clock_timestamp() - interval '8 days'", "'-infinity'", "null", "'4000-01-01 BC'"])
def test_more_than_10000_steps_are_refused(rolled_back_sql: Sql, since: str) -> None:
    refusal = rolled_back_sql.refusal(f"select metric_series('1 minute', {since})")
    assert refusal.sqlstate == "PQ001"
    assert "10000" in str(refusal) or "since" in str(refusal)


def test_it_agrees_with_metrics(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    ended(sql, 50)
    roll_up(sql)
    row = metrics(sql, "2 hours")
    rows = series(sql, "1 minute", row["since"])

    for name in ("succeeded", "failed", "cancelled", "failed_attempts"):
        assert sum(step[name] for step in rows) == row[name]
