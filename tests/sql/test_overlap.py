"""The policies for a tick while the job before it has not ended: allow, skip, buffer_one."""

from typing import Any

import pytest

from .conftest import Sql
from .schedule_steps import FAR, NAME, SECOND, fire, fire_due, jobs, make_due, missed, now, outcomes, row, seen, set_schedule


def look_again(sql: Sql) -> list[dict[str, Any]]:
    """A worker looks because a tick waits; the next one is not due yet."""
    return fire(sql, seen(sql, ticks=[], next=row(sql)["next_tick"]))


def end(sql: Sql, how: str) -> None:
    """The only job ends."""
    (job,) = jobs(sql)
    if how == "cancelled":
        sql.value("select cancel(%s)", job["id"])
        return
    token, _ = sql.claim(sql.worker())
    if how == "dead":
        sql.value("select fail(%s, %s, %s)", job["id"], token, "{}")
        sql.rows("update job set max_attempts = 1")
        token, _ = sql.claim(sql.worker())
        sql.rows("select promote()")
    sql.finish(token, {"id": job["id"], "state": "succeeded"})


def test_by_default_jobs_overlap(rolled_back_sql: Sql) -> None:
    set_schedule(rolled_back_sql)

    for ago in (3, 2, 1):
        fire_due(rolled_back_sql, ago=ago)

    assert len(jobs(rolled_back_sql)) == 3


@pytest.mark.parametrize("state", ["ready", "scheduled", "running"])
def test_skip_leaves_a_tick_out_while_the_job_before_is_there(rolled_back_sql: Sql, state: str) -> None:
    sql = rolled_back_sql
    set_schedule(sql, overlap="skip", jitter=86400 if state == "scheduled" else 0)
    (first,) = fire_due(sql, ago=10)
    if state == "running":
        sql.claim(sql.worker())

    (second,) = fire_due(sql)

    assert sql.state(first["job_id"]) == state
    assert (second["outcome"], second["reason"], second["job_id"]) == ("skipped", "overlap", first["job_id"])
    assert len(jobs(sql)) == 1


@pytest.mark.parametrize("how", ["succeeded", "cancelled"])
def test_the_guard_ends_with_the_job_however_that_ends(rolled_back_sql: Sql, how: str) -> None:
    """T13."""
    sql = rolled_back_sql
    set_schedule(sql, overlap="skip")
    fire_due(sql, ago=10)
    end(sql, how)

    (second,) = fire_due(sql)

    assert second["outcome"] == "fired"


def test_the_guard_ends_with_a_dead_letter_and_lasts_through_retries_and_rescues(rolled_back_sql: Sql) -> None:
    """T13."""
    sql = rolled_back_sql
    set_schedule(sql, overlap="skip", job={"retries": 1})
    (first,) = fire_due(sql, ago=10)
    seen_outcomes = []
    for _ in range(2):
        worker = sql.worker()
        sql.claim(worker)
        sql.lose(worker)
        sql.value("select rescue()")
        seen_outcomes.append(fire_due(sql)[0]["outcome"])
        sql.make_due()
        sql.value("select promote()")
        sql.rows("update job set rescues = 0")
        token, _ = sql.claim(sql.worker())
        sql.finish(token, {"id": first["job_id"], "state": "failed"})
        seen_outcomes.append(fire_due(sql)[0]["outcome"])
        sql.make_due()
        sql.value("select promote()")

    assert sql.state(first["job_id"]) == "failed"
    assert seen_outcomes[-1] == "fired"
    assert seen_outcomes[0] == "skipped"


def test_buffer_one_keeps_one_tick_until_the_job_before_has_ended(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    set_schedule(sql, overlap="buffer_one")
    (first,) = fire_due(sql, ago=10)
    (second,) = fire_due(sql, ago=5)
    tick = row(sql)["buffered_tick"]
    waits = row(sql)["look_at"] - now(sql)
    assert look_again(sql) == []
    (third,) = fire_due(sql)
    end(sql, "succeeded")

    (fired,) = look_again(sql)

    its, (job,) = row(sql), jobs(sql)
    assert (second["outcome"], third["outcome"], third["reason"]) == ("buffered", "skipped", "overlap")
    assert 0 * SECOND < waits <= 0.5 * SECOND
    assert (fired["outcome"], fired["tick"], fired["job_id"]) == ("fired", tick, job["id"])
    assert (its["buffered_tick"], its["buffered_for"], its["last_job_id"]) == (None, None, job["id"])
    assert (its["next_tick"], its["look_at"]) == (FAR, FAR)
    assert outcomes(sql) == [("fired", None, 1), ("fired", None, 1), ("skipped", "overlap", 1)]
    assert first["job_id"] != job["id"]


def test_a_buffered_tick_fires_before_the_next_one(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    set_schedule(sql, overlap="buffer_one")
    fire_due(sql, ago=10)
    fire_due(sql, ago=5)
    end(sql, "succeeded")

    fired = fire_due(sql)

    assert [one["outcome"] for one in fired] == ["fired", "buffered"]
    assert fired[0]["tick"] < fired[1]["tick"] == row(sql)["buffered_tick"]


def test_missed_ticks_are_buffered_as_one(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    set_schedule(sql, overlap="buffer_one")
    fire_due(sql, ago=100)
    ticks = missed(sql, 30, 20, 10)
    fire(sql, seen(sql, ticks=ticks))
    buffered = outcomes(sql)[1:]
    end(sql, "succeeded")

    look_again(sql)

    assert buffered == [("coalesced", None, 1)] * 2 + [("buffered", None, 3)]
    assert jobs(sql)[0]["terms"]["stands_for"] == 3


def test_catch_up_obeys_the_policy_of_overlap(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    set_schedule(sql, misfire="catch_up", overlap="buffer_one")

    fire(sql, seen(sql, ticks=missed(sql, 40, 30, 20, 10)))

    assert [outcome for outcome, *_ in outcomes(sql)] == ["fired", "buffered", "skipped", "skipped"]


def test_a_schedule_whose_job_takes_three_intervals_never_starves(rolled_back_sql: Sql) -> None:
    """T13: 20 ticks, and the job ends at each third."""
    sql = rolled_back_sql
    set_schedule(sql, overlap="skip")
    for n in range(20):
        fire_due(sql)
        sql.rows("update schedule_tick set tick = tick - interval '1 h'")  # each tick has its own time
        if n % 3 == 2:
            end(sql, "succeeded")

    assert [outcome for outcome, *_ in outcomes(sql)].count("fired") == 7


def test_a_buffered_tick_of_a_schedule_that_has_ended_fires_all_the_same(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    set_schedule(sql, overlap="buffer_one")
    fire_due(sql, ago=10)
    make_due(sql)
    fire(sql, seen(sql, next=None))
    end(sql, "succeeded")

    assert [one["outcome"] for one in fire(sql, seen(sql, ticks=[], next=None))] == ["fired"]

    assert row(sql)["look_at"] is None


@pytest.mark.parametrize(("verb", "reason"), [("set", "changed"), ("delete", "deleted")])
def test_a_buffered_tick_is_skipped_when_the_times_change_or_the_schedule_goes(
    rolled_back_sql: Sql, verb: str, reason: str
) -> None:
    """No tick of before a change fires after it."""
    sql = rolled_back_sql
    set_schedule(sql, overlap="buffer_one")
    fire_due(sql, ago=20)
    fire_due(sql, ago=10)

    if verb == "set":
        set_schedule(sql, every=60)
        sql.rows("delete from job")
        assert fire(sql, seen(sql)) == []
        assert row(sql)["buffered_tick"] is None
    else:
        sql.value("select delete_schedule(%s)", NAME)

    assert outcomes(sql) == [("fired", None, 1), ("skipped", reason, 1)]
