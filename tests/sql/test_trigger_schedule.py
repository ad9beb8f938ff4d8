"""trigger_schedule: the job of a schedule now, beside its ticks."""

import pytest

from .conftest import Sql
from .schedule_steps import MINUTE, NAME, jobs, make_due, now, outcomes, row, set_schedule

TRIGGER = "select trigger_schedule(%s)"


@pytest.mark.parametrize("is_paused", [False, True])
def test_it_makes_the_job_and_leaves_the_next_tick_and_a_pause(rolled_back_sql: Sql, is_paused: bool) -> None:
    """T16."""
    sql = rolled_back_sql
    set_schedule(sql, job={"queue": "mail", "args": {"to": 1}})
    make_due(sql, ago=-600)
    if is_paused:
        sql.value("select pause_schedule(%s)", NAME)
    before = row(sql)

    id = sql.value(TRIGGER, NAME)

    (job,) = jobs(sql)
    after = row(sql)
    assert (job["id"], job["state"], job["queue"], job["args"]) == (id, "ready", "mail", {"to": 1})
    assert (after["last_job_id"], after["last_outcome"], after["last_reason"]) == (id, "fired", "triggered")
    assert now(sql) - MINUTE < after["last_tick"] <= now(sql)
    for name in ("next_tick", "after_at", "look_at", "paused_at"):
        assert after[name] == before[name]
    assert outcomes(sql) == [("fired", "triggered", 1)]


def test_it_runs_beside_a_job_that_has_not_ended(rolled_back_sql: Sql) -> None:
    set_schedule(rolled_back_sql, overlap="skip")

    first, second = (rolled_back_sql.value(TRIGGER, NAME) for _ in range(2))

    assert [job["id"] for job in jobs(rolled_back_sql)] == [first, second]


def test_for_a_duplicate_it_returns_the_job_in_its_way(rolled_back_sql: Sql) -> None:
    set_schedule(rolled_back_sql, job={"unique_mode": "until_done"})
    there = rolled_back_sql.value(TRIGGER, NAME)

    assert rolled_back_sql.value(TRIGGER, NAME) == there

    assert outcomes(rolled_back_sql) == [("fired", "triggered", 1), ("skipped", "duplicate", 1)]
    assert row(rolled_back_sql)["last_job_id"] == there


def test_an_enqueue_that_is_refused_is_an_error(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    sql.value("select set_limit('api', max_running => 1)")
    set_schedule(sql, job={"limits": ["api"]})
    sql.value("select delete_limit('api')")

    refused = sql.refusal(TRIGGER, NAME)

    assert (refused.sqlstate, refused.diag.column_name) == ("PQ001", "limits")
    assert outcomes(sql) == []
