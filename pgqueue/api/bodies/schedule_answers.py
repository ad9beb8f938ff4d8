"""Schedules in answers."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from ...database.calls.schedules import ScheduleStatus, ScheduleTick
from ...schedules.values import DEFAULTS
from ...schedules.words import describe_schedule
from .. import answers
from ..problems import Problem

_Misfire = Literal["coalesce", "catch_up", "skip"]
_Overlap = Literal["allow", "skip", "buffer_one"]
_ISO = re.compile(r"PT(?:(-?\d+)H)?(?:(-?\d+)M)?(?:(-?\d+(?:\.\d+)?)S)?", re.ASCII)  # without days, months and years
_SPANS = ("result_ttl", "timeout", "soft_timeout", "expires_after", "total_timeout")
_UNIQUE = ("mode", "key", "period")
_PLAIN = ("task", "queue", "priority", "retries", "limits", "fair", "cost")


class UniqueOut(BaseModel):
    """Which jobs are duplicates of each other."""

    mode: str | None
    key: str | None
    period: float | str | None = Field(description="seconds, or an interval of days or months in ISO 8601")


class ScheduledJobOut(BaseModel):
    """The job that a schedule makes; null: the default of an enqueue."""

    task: str
    args: Any = Field(description="null in lists without view=full, and for keys that may not read arguments")
    queue: str | None
    priority: int | None
    retries: int | None
    retry: Any
    result_ttl: float | str | None
    meta: Any
    unique: UniqueOut | None
    limits: list[str] | None
    fair: str | None
    cost: int | None
    timeout: float | str | None
    soft_timeout: float | str | None
    expires_after: float | str | None
    total_timeout: float | str | None


class TickOut(BaseModel):
    """What became of a tick."""

    schedule: str
    tick: datetime
    outcome: Literal["fired", "buffered", "coalesced", "skipped", "failed"]
    reason: str | None
    job_id: str | None
    stands_for: int = Field(description="how many ticks it stands for")
    fired_at: datetime


class ScheduleOut(BaseModel):
    """A schedule, and what came of its last tick."""

    name: str
    task: str
    description: str = Field(description="when it fires, in words", examples=["at 02:00 every day, UTC"])
    cron: list[str] | None
    every: float | None
    timezone: str
    enabled: bool
    paused_at: datetime | None
    next_tick: datetime | None = Field(description="null: it has ended, or no worker has computed it yet")
    last_tick: datetime | None
    last_outcome: str | None
    last_reason: str | None
    last_job_id: str | None
    misfires: int = Field(description="ticks of the last seven days that were missed")
    declared_by: Literal["code", "people"]
    is_orphaned: bool = Field(description="code has declared it, but no worker that is active now does")
    misfire: _Misfire
    most: int
    spacing: float
    window: float
    overlap: _Overlap
    jitter: float
    starts_at: datetime | None
    ends_at: datetime | None
    error: str | None = Field(description="why its next tick cannot be computed")
    looked_at: datetime | None = Field(description="when a worker looked for due schedules last")
    job: ScheduledJobOut
    ticks: list[TickOut] | None = Field(None, description="the last ones, the newest first; null: not asked for")


class Changed(BaseModel):
    """Whether it changed anything."""

    changed: bool


class Triggered(BaseModel):
    """The job that was made; if it would be a duplicate, the job that is there."""

    job_id: str


class Backfilled(BaseModel):
    """How many jobs were made, or would be."""

    jobs: int
    dry_run: bool


class NextTick(BaseModel):
    """A tick to come."""

    at: datetime
    local: str = Field(description="the same time as clocks in the zone of the schedule show it")


class PreviewOut(BaseModel):
    """When a schedule fires."""

    description: str = Field(examples=["every 15 minutes, UTC"])
    ticks: list[NextTick] = Field(description="fewer than asked for if it ends")
    error: str | None = Field(description="why there are no ticks, if its expression is invalid")


def schedule_shown(status: ScheduleStatus, has_args: bool, ticks: list[ScheduleTick] | None = None) -> dict[str, Any]:
    """A schedule as it is answered.

    Args:
        status: the schedule, with the exact numbers of its job.
        has_args: whether its arguments are shown.
        ticks: the last ones; None = they were not asked for.
    """
    row = status._asdict()
    definition: Mapping[str, Any] = row.pop("definition")
    options = {name: definition.get(name, DEFAULTS[name]) for name in ("most", "spacing", "window")}
    bounds = {name: _time(definition.get(name)) for name in ("starts_at", "ends_at")}
    return (
        row
        | options
        | bounds
        | {
            "jitter": definition.get("jitter", 0),
            "description": describe_schedule(definition, status.name),
            "job": _job_shown(status.task, definition["job"], has_args),
            "ticks": ticks,
        }
    )


def queue_of(status: ScheduleStatus) -> str | None:
    """The queue of the jobs of a schedule; None if it cannot be read."""
    job = status.definition["job"]
    return str(job.get("queue") or "default") if isinstance(job, Mapping) else None


def absent(name: str) -> Problem:
    """The refusal of a name that no schedule has."""
    return Problem("not-found", f"name: there is no schedule {name}; GET /schedules lists them")


def _job_shown(task: str, stored: Any, has_args: bool) -> dict[str, Any]:
    job = stored if isinstance(stored, Mapping) else {"args": answers.DEEP}  # nested too deep to be read
    unique = {name: job.get(f"unique_{name}") for name in _UNIQUE}
    unique["period"] = _seconds(unique["period"])
    return {
        **{name: job.get(name) for name in _PLAIN},
        **{name: _seconds(job.get(name)) for name in _SPANS},
        "task": task,
        "args": job.get("args", {}) if has_args else None,
        "meta": job.get("meta") if has_args else None,
        "retry": job.get("retry"),
        "unique": unique if any(value is not None for value in unique.values()) else None,
    }


def _time(text: str | None) -> datetime | None:
    """A time of a definition, which SQL has stored in UTC."""
    return None if text is None else datetime.fromisoformat(text)


def _seconds(value: Any) -> Any:
    """An interval of a stored job in seconds, if it is one of hours, minutes and seconds, which are always as long."""
    found = _ISO.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return value
    hours, minutes, seconds = (float(part or 0) for part in found.groups())
    return hours * 3600 + minutes * 60 + seconds
