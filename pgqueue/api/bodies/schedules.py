"""Schedules in requests."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import Path
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Strict

from ..._checks import Priority, interval, read_priority
from ...registry import Registered
from ...schedules.schedule import job_defaults
from ...schedules.values import FIELDS
from ...unique import UniqueMode
from .. import exact
from ..problems import invalid
from .fields import AsNumber, AsWhole, Body, Number, Time, Whole

ScheduleName = Annotated[
    str, Path(pattern=r"^[A-Za-z0-9_.:-]{1,100}$", description="the name of a schedule", examples=["nightly"])
]
MOST_CRONS = 20
_Misfire = Literal["coalesce", "catch_up", "skip"]
_Overlap = Literal["allow", "skip", "buffer_one"]
_Most = Annotated[int, Strict(), Field(ge=1, le=1000), AsWhole]
_Every = Annotated[float, Strict(), Field(ge=1, le=31_622_400, allow_inf_nan=False), AsNumber]
_Day = Annotated[float, Strict(), Field(ge=0, le=86_400, allow_inf_nan=False), AsNumber]
_Year = Annotated[float, Strict(), Field(ge=0, le=31_622_400, allow_inf_nan=False), AsNumber]
_Span = Annotated[Number | str, Field(description="seconds, or an interval as PostgreSQL reads it")]
_Texts = Annotated[list[str], BeforeValidator(lambda given: [given] if isinstance(given, str) else given)]
_SPANS = ("result_ttl", "timeout", "soft_timeout", "expires_after", "total_timeout")
_UNIQUE = ("mode", "key", "period")


class ScheduleUniqueIn(Body):
    """Which jobs are duplicates of each other."""

    model_config = ConfigDict(extra="forbid")

    mode: Annotated[UniqueMode | None, Field(description="how long a job holds its key, see docs/tasks.md")] = None
    key: Annotated[str | None, Field(description="what they have in common; by default task and arguments")] = None
    period: Annotated[_Span | None, Field(description="for the mode period")] = None


class ScheduledJob(Body):
    """The job that a schedule makes: the options of an enqueue, but for those of a single call."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"task": "report", "args": {"region": "eu"}}]})

    task: Annotated[str | None, Field(description="a new schedule needs it", examples=["report"])] = None
    args: Annotated[dict[str, Any] | None, Field(description="the arguments by name")] = None
    queue: str | None = None
    priority: Annotated[Whole | Literal["low", "medium", "high"] | None, Field(description="-100 to 100, or a name")] = None
    retries: Annotated[Whole | None, Field(description="how often a failed job is tried again")] = None
    retry: Annotated[dict[str, Any] | None, Field(description="how long it waits in between, as SQL takes it")] = None
    result_ttl: Annotated[_Span | None, Field(description="how long its result is kept")] = None
    meta: Annotated[Any, Field(description="a JSON value that stays with the job")] = None
    unique: Annotated[ScheduleUniqueIn | UniqueMode | None, Field(description="a mode, or an object")] = None
    limits: Annotated[list[str] | None, Field(description="keys of limits")] = None
    fair: Annotated[str | None, Field(description="jobs of different keys take turns")] = None
    cost: Annotated[Whole | None, Field(description="tokens that a start takes of each limit")] = None
    timeout: Annotated[_Span | None, Field(description="how long one run may take")] = None
    soft_timeout: Annotated[_Span | None, Field(description="when a warning is logged")] = None
    expires_after: Annotated[_Span | None, Field(description="how late it may start")] = None
    total_timeout: Annotated[_Span | None, Field(description="how long all its runs may take")] = None

    def members(self) -> list[str]:
        """The given options as members of the JSON object `job`; null takes one away.

        Raises:
            Problem: a value cannot be stored.
            InvalidArgument: a value is invalid.
        """
        given = {name: getattr(self, name) for name in self.model_fields_set}
        if "unique" in given:
            given |= _unique(given.pop("unique"))
        if given.get("priority") is not None:
            given["priority"] = read_priority(given["priority"])
        for name in given.keys() & {*_SPANS, "unique_period"}:
            given[name] = _interval(name, given[name])
        return [f'"{name}":{json_text(name, value)}' for name, value in given.items()]

    def args_text(self) -> str:
        """The arguments as JSON text."""
        return json_text("args", self.args or {})

    def defaults(self, tasks: Mapping[str, Registered[Any]]) -> list[str]:
        """The options of the task, if it is one of these, which the server knows.

        Raises:
            InvalidArgument: the arguments do not fit the task.
        """
        task = tasks.get(self.task or "")
        return [] if task is None else job_defaults(task, self.args_text())


class TimesIn(Body):
    """When a schedule fires."""

    cron: Annotated[
        Annotated[_Texts, Field(min_length=1, max_length=MOST_CRONS)] | None,
        Field(description="an expression of five fields, or six with the seconds last, or a name such as @daily; or several"),
    ] = None
    every: Annotated[_Every | None, Field(description="instead of cron: seconds between two ticks")] = None
    timezone: Annotated[str | None, Field(description="for cron; UTC by default", examples=["Europe/Berlin"])] = None
    starts_at: Annotated[Time | None, Field(description="no tick before it")] = None
    ends_at: Annotated[Time | None, Field(description="no tick after it")] = None


class ScheduleIn(TimesIn):
    """A schedule. What is left out of PUT has its default; what is left out of PATCH stays, and null is the default again."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"cron": "0 2 * * *", "timezone": "Europe/Berlin", "job": {"task": "report"}}]},
    )

    misfire: Annotated[_Misfire | None, Field(description="missed ticks make one job, one each, or none")] = None
    most: Annotated[_Most | None, Field(description="with catch_up: at most so many jobs; 10 by default")] = None
    spacing: Annotated[_Day | None, Field(description="with catch_up: seconds between their starts; 1 by default")] = None
    window: Annotated[_Year | None, Field(description="seconds; older missed ticks make no job; a day by default")] = None
    overlap: Annotated[_Overlap | None, Field(description="what a tick does while the job before goes on")] = None
    jitter: Annotated[_Day | None, Field(description="seconds; jobs start up to so much later")] = None
    job: Annotated[ScheduledJob | None, Field(description="a new schedule needs it")] = None

    def fields(self) -> dict[str, Any]:
        """The given fields of the schedule, but for its job."""
        return {name: getattr(self, name) for name in FIELDS if name in self.model_fields_set}


class NewScheduleIn(ScheduleIn):
    """A schedule that does not exist yet."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"name": "nightly", "cron": "0 2 * * *", "job": {"task": "report"}}]}
    )

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:-]{1,100}$", examples=["nightly"])]


class PreviewIn(TimesIn):
    """Times whose ticks are wanted."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"cron": "0 2 * * *", "n": 5}]})

    name: Annotated[str | None, Field(pattern=r"^[A-Za-z0-9_.:-]{1,100}$", description="decides what H stands for")] = None
    n: Annotated[_Most, Field(description="how many ticks")] = 5
    after: Annotated[Time | None, Field(description="ticks after this time; by default after now")] = None


class BackfillIn(BaseModel):
    """Ticks of the past that are to make their jobs."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"from": "2026-11-01T00:00:00Z", "to": "2026-11-08T00:00:00Z", "dry_run": True}]},
    )

    since: Annotated[Time, Field(alias="from", description="ticks from this time on")]
    to: Annotated[Time, Field(description="ticks before this time")]
    dry_run: Annotated[bool, Field(strict=True, description="only count")] = False
    priority: Annotated[
        Whole | Literal["low", "medium", "high"] | None, Field(description="of these jobs; by default that of the schedule")
    ] = None

    def number(self) -> int | None:
        """The priority as a number. Raises InvalidArgument."""
        priority: Priority | None = self.priority
        return None if priority is None else read_priority(priority)


def json_text(field: str, value: Any) -> str:
    """A value of a request as JSON text, with its numbers as they were sent.

    Raises:
        Problem: it is nested too deep, or holds half of a surrogate pair.
    """
    try:
        return exact.write(value).decode()
    except (TypeError, RecursionError, UnicodeEncodeError):
        remedy = "use JSON of at most 250 levels, without half of a surrogate pair"
        raise invalid(field, type(value).__name__, remedy) from None


def _unique(given: ScheduleUniqueIn | UniqueMode | None) -> dict[str, Any]:
    if isinstance(given, ScheduleUniqueIn):
        return {f"unique_{name}": getattr(given, name) for name in _UNIQUE}
    return {"unique_mode": given, "unique_key": None, "unique_period": None}


def _interval(field: str, value: float | str | None) -> str | None:
    if isinstance(value, float | int) and abs(value) > 1e12:
        raise invalid(field, value, "use fewer seconds")
    return value if isinstance(value, str) else interval(value)
