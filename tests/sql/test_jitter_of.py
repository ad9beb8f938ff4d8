"""jitter_of: a hash of schedule and tick, the same for whoever asks."""

from datetime import timedelta
from hashlib import md5

import pytest

from .conftest import Sql
from .schedule_steps import NAME, SECOND, fire, fire_due, jobs, make_due, now, seen, set_schedule

TICK = "2027-03-28 01:00:00.25+00"
OF = "select jitter_of(%s, %s, %s)"


def test_it_is_the_same_for_the_same_tick_and_spread_over_others(rolled_back_sql: Sql) -> None:
    """T14."""
    sql = rolled_back_sql
    answers = [sql.value(OF, NAME, TICK, 60) for _ in range(2)]
    sql.rows("set local timezone = 'Asia/Tokyo'")
    answers.append(sql.value(OF, NAME, TICK, 60))
    spread = sql.rows(
        "select jitter_of('nightly', '2027-01-01Z'::timestamptz + n * interval '1 d', 60) as jitter from generate_series(1, 99) n"
    )

    assert len(set(answers)) == 1
    seconds = [row["jitter"].total_seconds() for row in spread]
    assert 0 <= min(seconds) < 10
    assert 50 < max(seconds) < 60
    assert sql.value(OF, NAME, TICK, None) is None


def test_it_is_the_hash_that_is_documented(rolled_back_sql: Sql) -> None:
    digest = md5(b"nightly 1806195600250000").hexdigest()

    expected = int(digest[:8], 16) / 2**32 * 60

    assert rolled_back_sql.value(OF, NAME, TICK, 60).total_seconds() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("overlap", ["allow", "skip"])
def test_a_job_is_due_as_much_after_its_tick(rolled_back_sql: Sql, overlap: str) -> None:
    sql = rolled_back_sql
    set_schedule(sql, jitter=86400, overlap=overlap)
    tick = make_due(sql)

    fire(sql, seen(sql))

    (job,) = jobs(sql)
    assert job["run_at"] - tick == sql.value(OF, NAME, tick, 86400)
    assert job["state"] == "scheduled"


def test_jitter_that_is_over_does_not_delay_the_job(rolled_back_sql: Sql) -> None:
    set_schedule(rolled_back_sql, jitter=1, overlap="skip")

    fire_due(rolled_back_sql, ago=10)

    (job,) = jobs(rolled_back_sql)
    assert now(rolled_back_sql) - job["run_at"] < timedelta(seconds=1) < 10 * SECOND
    assert job["state"] == "ready"
