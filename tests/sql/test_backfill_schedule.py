"""backfill_schedule: jobs of past ticks, each once, whoever asks again."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from .background import Background
from .conftest import Sql
from .schedule_steps import NAME, SECOND, fire, fire_due, jobs, make_due, missed, now, outcomes, row, seen, set_schedule

BACKFILL = "select backfill_schedule(%s, %s)"


def past(sql: Sql, *ago: float) -> list[datetime]:
    """So many seconds ago."""
    at = now(sql)
    return [at - timedelta(seconds=seconds) for seconds in ago]


def test_it_makes_the_jobs_oldest_first_and_each_once(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    set_schedule(sql)
    ticks = past(sql, 10, 30, 20, 20)

    counts = [sql.value(BACKFILL, NAME, ticks), sql.value(BACKFILL, NAME, ticks)]

    assert counts == [3, 0]
    stood_for = [datetime.fromisoformat(job["terms"]["scheduled_for"]) for job in jobs(sql)]
    assert stood_for == sorted(set(ticks))
    assert outcomes(sql) == [("fired", "backfill", 1)] * 3


def test_what_has_not_fired_is_made_up_for_and_what_has_is_not(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    set_schedule(sql)
    ticks = missed(sql, 30, 20, 10)
    fire(sql, seen(sql, ticks=ticks))
    before = outcomes(sql)

    assert sql.value(BACKFILL, NAME, ticks) == 2

    assert before == [("coalesced", None, 1), ("coalesced", None, 1), ("fired", None, 3)]
    assert outcomes(sql) == [("fired", "backfill", 1), ("fired", "backfill", 1), ("fired", None, 3)]


def test_a_tick_that_waits_for_the_job_before_it_is_left_to_that(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    set_schedule(sql, overlap="buffer_one")
    fire_due(sql, ago=10)
    fire_due(sql)

    assert sql.value(BACKFILL, NAME, [row(sql)["buffered_tick"]]) == 0


def test_a_due_tick_that_was_made_up_for_does_not_fire_again(rolled_back_sql: Sql) -> None:
    """T15: the same uniqueness."""
    sql = rolled_back_sql
    set_schedule(sql)
    tick = make_due(sql)
    sql.value(BACKFILL, NAME, [tick])

    assert fire(sql, seen(sql)) == []

    assert len(jobs(sql)) == 1
    assert row(sql)["next_tick"].year == 2999


def test_a_dry_run_counts_and_makes_nothing(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    set_schedule(sql)
    ticks = past(sql, 10, 20, 30)
    sql.value(BACKFILL, NAME, ticks[:1])

    assert sql.value("select backfill_schedule(%s, %s, dry_run => true)", NAME, ticks) == 2

    assert len(jobs(sql)) == 1


def test_its_jobs_may_have_a_priority_of_their_own(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    set_schedule(sql, job={"priority": 5})

    sql.value("select backfill_schedule(%s, %s, priority => -50)", NAME, past(sql, 10))

    assert [job["priority"] for job in jobs(sql)] == [-50]


def test_it_does_not_touch_the_schedule_and_works_while_it_is_paused(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    set_schedule(sql, overlap="skip")
    sql.value("select pause_schedule(%s)", NAME)
    before = row(sql)

    assert sql.value(BACKFILL, NAME, past(sql, 10, 20)) == 2

    assert row(sql) == before


def test_duplicates_are_not_counted(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    set_schedule(sql, job={"unique_mode": "until_done"})

    assert sql.value(BACKFILL, NAME, past(sql, 30, 20, 10)) == 1

    assert outcomes(sql) == [("fired", "backfill", 1), ("skipped", "duplicate", 1), ("skipped", "duplicate", 1)]


@pytest.mark.parametrize(
    ("ticks", "remedy"),
    [
        (["2999-01-01Z"], "give times that have passed"),
        ([None], "give times that have passed"),
        (["-infinity"], "give times that have passed"),
        (["2020-01-01Z"] * 10_001, "at most 10000 times"),
    ],
    ids=["the future", "null", "no time", "too many"],
)
def test_what_makes_no_sense_is_refused(rolled_back_sql: Sql, ticks: list[Any], remedy: str) -> None:
    set_schedule(rolled_back_sql)

    refused = rolled_back_sql.refusal("select backfill_schedule(%s, %s::timestamptz[])", NAME, ticks)

    assert (refused.sqlstate, refused.diag.column_name) == ("PQ001", "ticks")
    assert remedy in str(refused)


def test_a_worker_neither_waits_for_a_backfill_nor_fires_its_ticks_again(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    set_schedule(sql)
    tick = make_due(sql)
    other = another_sql()

    with other.connection.transaction():
        assert other.value(BACKFILL, NAME, [tick]) == 1
        sql.rows("set statement_timeout = '5s'")
        assert fire(sql, seen(sql)) == []
        assert row(sql)["next_tick"] == tick

    assert fire(sql, seen(sql)) == []
    assert (len(jobs(sql)), row(sql)["next_tick"] > now(sql) + SECOND) == (1, True)


def test_two_backfills_of_the_same_ticks_make_each_job_once(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    set_schedule(sql)
    ticks = past(sql, 10, 20)
    first = another_sql()

    with first.connection.transaction():
        assert first.value(BACKFILL, NAME, ticks) == 2
        second = Background(another_sql(), BACKFILL, NAME, ticks)
        second.wait_until_blocked(sql)

    assert second.rows() == [{"backfill_schedule": 0}]
