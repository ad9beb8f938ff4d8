"""The policies for ticks that were missed: coalesce, catch_up, skip, and the window."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from .conftest import Sql
from .schedule_steps import FAR, NAME, fire, fire_due, jobs, missed, now, outcomes, row, seen, set_schedule


def fire_missed(sql: Sql, *ago: float, **more: Any) -> list[dict[str, Any]]:
    """Let ticks fire that were so many seconds ago, oldest first."""
    return fire(sql, seen(sql, ticks=missed(sql, *ago), **more))


def test_they_are_coalesced_into_one_job_for_the_last(rolled_back_sql: Sql) -> None:
    """T11, T12."""
    sql = rolled_back_sql
    set_schedule(sql)

    fired = fire_missed(sql, 40, 30, 20, 10)

    (job,) = jobs(sql)
    assert outcomes(sql) == [("coalesced", None, 1)] * 3 + [("fired", None, 4)]
    assert {one["job_id"] for one in fired} == {job["id"]}
    assert job["terms"]["stands_for"] == 4
    assert datetime.fromisoformat(job["terms"]["scheduled_for"]) == row(sql)["last_tick"] == row(sql)["after_at"]
    assert row(sql)["last_outcome"] == "fired"
    assert sql.value("select misfires from schedules") == 3


def test_a_single_late_tick_fires(rolled_back_sql: Sql) -> None:
    set_schedule(rolled_back_sql)

    fire_missed(rolled_back_sql, 3600)

    assert outcomes(rolled_back_sql) == [("fired", None, 1)]
    assert "stands_for" not in jobs(rolled_back_sql)[0]["terms"]


def test_those_outside_of_the_window_are_skipped(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    set_schedule(sql, window=100)

    fire_missed(sql, 300, 200, 50, 10)

    assert outcomes(sql) == [("skipped", "missed", 1)] * 2 + [("coalesced", None, 1), ("fired", None, 2)]


@pytest.mark.parametrize("misfire", ["coalesce", "catch_up", "skip"])
def test_a_tick_that_is_on_time_fires_however_short_the_window_is(rolled_back_sql: Sql, misfire: str) -> None:
    """A worker looks some moments after the tick, so without that a schedule whose window is 0 would never fire."""
    set_schedule(rolled_back_sql, misfire=misfire, window=0)

    fire_missed(rolled_back_sql, 20, 1)

    assert outcomes(rolled_back_sql) == [("skipped", "missed", 1), ("fired", None, 1)]


def test_when_all_are_outside_of_the_window_there_is_no_job(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    set_schedule(sql, window=5)

    fire_missed(sql, 100, 70)

    assert (jobs(sql), outcomes(sql)) == ([], [("skipped", "missed", 1)] * 2)
    assert (row(sql)["next_tick"], row(sql)["last_outcome"]) == (FAR, None)


def test_those_that_are_only_counted_are_one_row(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    set_schedule(sql)
    ticks = missed(sql, 5000, 20, 10)

    fire(sql, seen(sql, ticks=ticks[1:], older=4000))

    assert outcomes(sql) == [("coalesced", None, 4000), ("coalesced", None, 1), ("fired", None, 4002)]
    assert sql.value("select tick from schedule_ticks order by tick limit 1") == ticks[0]


def test_those_that_are_only_counted_and_began_before_the_window_are_skipped(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    set_schedule(sql, window=100)
    ticks = missed(sql, 5000, 20, 10)

    fire(sql, seen(sql, ticks=ticks[1:], older=4000))

    assert outcomes(sql) == [("skipped", "missed", 4000), ("coalesced", None, 1), ("fired", None, 2)]
    assert sql.value("select misfires from schedules") == 4001


def test_catch_up_makes_the_last_ones_oldest_first_and_spaced(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    set_schedule(sql, misfire="catch_up", most=3, spacing=100)

    fired = fire_missed(sql, 50, 40, 30, 20, 10)

    made = jobs(sql)
    assert outcomes(sql) == [("skipped", "missed", 1)] * 2 + [("fired", None, 1)] * 3
    assert [job["id"] for job in made] == [one["job_id"] for one in fired if one["outcome"] == "fired"]
    assert [job["state"] for job in made] == ["ready", "scheduled", "scheduled"]
    assert [round((job["run_at"] - now(sql)).total_seconds(), -1) for job in made] == [0, 100, 200]
    assert [job["terms"]["scheduled_for"] for job in made] == sorted(job["terms"]["scheduled_for"] for job in made)
    assert not any("stands_for" in job["terms"] for job in made)


def test_catch_up_leaves_out_what_is_outside_of_the_window(rolled_back_sql: Sql) -> None:
    set_schedule(rolled_back_sql, misfire="catch_up", window=25)

    fire_missed(rolled_back_sql, 30, 20, 10)

    assert outcomes(rolled_back_sql) == [("skipped", "missed", 1), ("fired", None, 1), ("fired", None, 1)]


def test_skip_makes_a_job_for_the_last_one_unless_that_is_late(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    set_schedule(sql, misfire="skip")
    set_schedule(sql, "late", misfire="skip")

    fire_missed(sql, 120, 90, 30)
    fire(sql, seen(sql, "late", ticks=missed(sql, 120, 90, 61, name="late")))

    assert outcomes(sql) == [("skipped", "missed", 1)] * 2 + [("fired", None, 1)]
    assert outcomes(sql, "late") == [("skipped", "missed", 1)] * 3


def test_missed_ticks_share_the_fate_of_the_one_that_stands_for_them(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    set_schedule(sql, overlap="skip")
    fire_due(sql, ago=100)

    fire_missed(sql, 30, 20, 10)

    assert outcomes(sql)[1:] == [("skipped", "overlap", 1)] * 2 + [("skipped", "overlap", 3)]


def test_what_is_on_record_already_stays(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    set_schedule(sql)
    ticks = missed(sql, 30, 20, 10)
    sql.value("select backfill_schedule(%s, %s)", NAME, ticks[1:])

    fired = fire(sql, seen(sql, ticks=ticks))

    assert [(one["tick"], one["outcome"]) for one in fired] == [(ticks[0], "coalesced")]
    assert outcomes(sql) == [("coalesced", None, 1), ("fired", "backfill", 1), ("fired", "backfill", 1)]
    assert len(jobs(sql)) == 2


def test_a_flood_of_ticks_makes_one_job_in_one_call(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    set_schedule(sql, every=1)
    first = missed(sql, 2000)[0]
    ticks = [first + timedelta(seconds=1000 + n) for n in range(1000)]

    fire(sql, seen(sql, ticks=ticks, older=1000))

    assert len(jobs(sql)) == 1
    assert sql.value("select sum(stands_for) filter (where outcome = 'coalesced') from schedule_ticks") == 1999
