"""Steps that tests of schedules share: set one, make its tick due, let it fire as a worker would."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from .conftest import Sql

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)  # "a moment ago", also on a machine that stands still for some seconds
NAME = "nightly"
FIRE = "select name, tick, outcome::text, reason, job_id, stands_for from fire_schedules(%s)"
FAR = datetime(2999, 1, 1, tzinfo=UTC)


def set_schedule(sql: Sql, name: str = NAME, *, job: dict[str, Any] | None = None, **changes: Any) -> str:
    """Make a schedule of a job each hour, or change one."""
    is_new = not sql.value("select count(*) from schedule where name = %s", name)
    if is_new:
        changes = {**({} if "cron" in changes else {"every": 3600}), **changes}
        job = {"task": "noop", **(job or {})}
    if job is not None:
        changes["job"] = job
    return str(sql.value("select set_schedule(%s, %s)", name, json.dumps(changes)))


def row(sql: Sql, name: str = NAME) -> dict[str, Any]:
    """Its row."""
    (found,) = sql.rows("select * from schedule where name = %s", name)
    return found


def make_due(sql: Sql, name: str = NAME, ago: float = 1.0) -> datetime:
    """Time travel: its next tick was so many seconds ago, and the one before an hour earlier. Returns the next tick."""
    tick = now(sql) - timedelta(seconds=ago)
    sql.rows(
        "update schedule set after_at = %s, next_tick = %s, look_at = %s where name = %s", tick - 3600 * SECOND, tick, tick, name
    )
    return tick


def now(sql: Sql) -> datetime:
    """The time of the database, in UTC."""
    at: datetime = sql.value("select clock_timestamp()")
    return at.astimezone(UTC)


def seen(sql: Sql, name: str = NAME, ticks: list[datetime] | None = None, next: datetime | None = FAR, **more: Any) -> Any:
    """What a worker sends that has seen the schedule as it is now, and computed these ticks."""
    its = row(sql, name)
    return {
        "name": name,
        "after_at": its["after_at"].isoformat(),
        "next_tick": its["next_tick"] and its["next_tick"].isoformat(),
        "ticks": [tick.isoformat() for tick in ticks or ([its["next_tick"]] if its["next_tick"] else [])],
        "older": 0,
        "next": next and next.isoformat(),
        **more,
    }


def fire(sql: Sql, *fires: dict[str, Any]) -> list[dict[str, Any]]:
    """One call for all of these."""
    return sql.rows(FIRE, json.dumps(fires))


def fire_due(sql: Sql, name: str = NAME, ago: float = 1.0) -> list[dict[str, Any]]:
    """Let a tick fire that is due since so many seconds."""
    make_due(sql, name, ago)
    return fire(sql, seen(sql, name))


def missed(sql: Sql, *ago: float, name: str = NAME) -> list[datetime]:
    """Ticks so many seconds ago, oldest first, of which none has fired."""
    first = make_due(sql, name, ago[0])
    return [first + timedelta(seconds=ago[0] - other) for other in ago]


def outcomes(sql: Sql, name: str = NAME) -> list[tuple[str, str | None, int]]:
    """What became of its ticks, in their order: outcome, reason, how many it stands for."""
    found = sql.rows("select outcome::text, reason, stands_for from schedule_ticks where schedule = %s order by tick", name)
    return [(one["outcome"], one["reason"], one["stands_for"]) for one in found]


def jobs(sql: Sql) -> list[dict[str, Any]]:
    """The jobs that schedules have made and that have not ended, the oldest first."""
    return sql.rows("select * from job where terms ? 'schedule' order by id")
