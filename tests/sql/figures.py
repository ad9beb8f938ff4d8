"""Loads of which the figures are known, and their roll-ups."""

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

from .conftest import Sql

TABLES = ("metric_minute", "metric_hour", "metric_day")
A_MINUTE, AN_HOUR, A_DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def midnight(sql: Sql) -> datetime:
    """The day before yesterday began then: all of that day may be rolled up."""
    now: datetime = sql.value("select clock_timestamp()")
    return now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - 2 * A_DAY


def roll_up(sql: Sql, to: datetime | timedelta | None = None) -> None:
    """Roll up what ended before a time; or as it will be so much later, an hour from now unless it is given."""
    if not isinstance(to, datetime):
        to = sql.value("select date_bin('1 minute', clock_timestamp() + %s, '2000-01-01Z')", to or AN_HOUR)
    for _ in range(100):
        if not sql.value("select roll_up_to(%s)", to):
            return
    raise AssertionError("it never ends")


def roll_up_days(sql: Sql) -> None:
    """As it will be in two days: hours and days are closed too."""
    roll_up(sql, 2 * A_DAY)


def ended(sql: Sql, count: int = 1, *, queue: str = "a", state: str = "succeeded", **options: Any) -> list[float]:
    """Run so many jobs to this end; returns how long each took."""
    named = "".join(f", {name} => %s" for name in options)
    sql.rows(
        f"select enqueue_many('noop', (select jsonb_agg('{{}}'::jsonb) from generate_series(1, %s)), queue => %s{named})",
        count,
        queue,
        *options.values(),
    )
    return ran(sql, count, queue=queue, state=state)


def ran(sql: Sql, count: int = 1, *, queue: str = "a", state: str = "succeeded") -> list[float]:
    """Run so many jobs of a queue; returns how long each took."""
    token, jobs = sql.claim(sql.worker(queues=(queue,)), count, (queue,))
    assert len(jobs) == count
    took = {job["id"]: round(random.lognormvariate(-2, 1.5), 6) for job in jobs}
    error = {} if state == "succeeded" else {"error": {"type": "E", "message": "no"}}
    sql.finish(token, *({"id": id, "state": state, "elapsed": seconds, **error} for id, seconds in took.items()))
    return list(took.values())


def history(sql: Sql, at: datetime, count: int = 1, *, queue: str = "a", elapsed: str = "0.1", run_at: str | None = None) -> None:
    """Jobs that succeeded then; each was claimed 10 ms after it was due."""
    sql.rows(
        """insert into job_history (id, run_at, created_at, claimed_at, finished_at, state, elapsed, priority, attempt,
                                    max_attempts, rescues, queue, task, args)
           select nextval('job_id_seq'), coalesce(%s::timestamptz, t), t, t + interval '10 ms', t, 'succeeded', %s::real, 0, 1,
                  4, 0, %s, 'noop', '{}'
             from (select %s::timestamptz as t) x, generate_series(1, %s)""",
        run_at,
        elapsed,
        queue,
        at,
        count,
    )


def counts(sql: Sql, table: str = "metric_minute") -> Counter[str]:
    """The sums of a roll-up."""
    (row,) = sql.rows(
        f"select sum(succeeded) as succeeded, sum(cancelled) as cancelled, sum(failed) as failed, "
        f"sum(failed_attempts) as failed_attempts from {table}"
    )
    return Counter({name: int(value) for name, value in row.items() if value})
