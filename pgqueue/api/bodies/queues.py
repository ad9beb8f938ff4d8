"""Queues and pauses in requests and answers."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field, Strict

from ...database.calls.queues import SETTING_COLUMNS
from .fields import AsNumber, AsWhole, Body, End, Flag, Span, Storable

QueueName = Annotated[str, Path(pattern=r"^[A-Za-z0-9_.:-]{1,100}$", description="the name of a queue", examples=["mail"])]
PauseKind = Literal["queue", "task", "everything"]
_Reason = Annotated[
    Annotated[str, Field(max_length=1000), Storable] | None, Field(description="for people", examples=["the provider is down"])
]
_Count = Annotated[int, Strict(), Field(ge=0, le=2**31 - 2), AsWhole]
_Share = Annotated[float, Strict(), Field(ge=0, le=1, allow_inf_nan=False), AsNumber]
_Wait = Annotated[float, Strict(), Field(ge=0, le=30, allow_inf_nan=False), AsNumber]


class PauseIn(End):
    """Until when, and why; without a time until it is resumed."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"for_seconds": 600, "reason": "deploy"}]})

    reason: _Reason = None


class PauseOfIn(PauseIn):
    """What to pause, until when, and why."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"kind": "task", "name": "send", "reason": "a bug"}]}
    )

    kind: PauseKind
    name: Annotated[str | None, Field(description="of the queue or the task; left out for everything", max_length=200)] = None


class DrainIn(Body):
    """How long to wait until nothing of a queue runs."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"timeout": 10}]})

    timeout: Annotated[_Wait, Field(description="seconds to wait; 0 looks once")] = 10
    reason: _Reason = "drain"


class SettingsIn(Body):
    """Settings of a queue to change; null, and 0 of a number, is the default again."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"max_ready": 10000, "on_full": "refuse"}]})

    max_ready: Annotated[_Count | None, Field(description="about how many jobs may be ready; by default any number")] = None
    on_full: Annotated[
        Literal["refuse", "drop_oldest"] | None, Field(description="refuse enqueues (default), or cancel the oldest jobs")
    ] = None
    starvation_after: Annotated[
        Span | None, Field(description="seconds; jobs that wait longer start next, whatever their priority; by default none")
    ] = None
    starvation_share: Annotated[_Share | None, Field(description="which part of a claim they may be, 0.001 to 1")] = None
    keep_succeeded: Annotated[Flag | None, Field(description="whether jobs that succeed go to the history")] = None
    keep_cancelled: Annotated[Flag | None, Field(description="whether cancelled jobs go to the history")] = None
    dead_days: Annotated[_Count | None, Field(description="for how many days dead letters are kept; by default for ever")] = None


class PauseOut(BaseModel):
    """A pause."""

    kind: PauseKind
    name: str = Field(description="of the queue or the task; empty for everything")
    paused_at: datetime
    until: datetime | None = Field(description="null: until somebody resumes it")
    by: str
    reason: str | None


class Paused(BaseModel):
    """What a pause has changed."""

    changed: bool = Field(description="whether it was not paused before")
    pause: PauseOut | None = Field(description="as it is now; null: it is over already")


class Resumed(BaseModel):
    """What the end of a pause has changed."""

    changed: bool = Field(description="whether it was paused")
    pauses: list[PauseOut] = Field(description="what still holds it: a queue stays paused while everything is")


class Drained(BaseModel):
    """What runs in a queue that is paused."""

    drained: bool = Field(description="whether nothing of it runs; false with 0 running: a claim may be under way")
    running: int


class SettingsOut(BaseModel):
    """Settings of a queue."""

    max_ready: int | None
    on_full: Literal["refuse", "drop_oldest"]
    starvation_after: float | None = Field(description="seconds")
    starvation_share: float
    keep_succeeded: bool
    keep_cancelled: bool
    dead_days: int | None


class Reset(BaseModel):
    """Whether a queue had settings."""

    changed: bool


class QueueOut(BaseModel):
    """A queue: its live jobs, the workers that serve it, what holds it, and its settings."""

    name: str = Field(examples=["mail"])
    ready: int
    running: int
    scheduled: int
    blocked: int
    oldest: float | None = Field(description="seconds that the first in line has been waiting for a worker")
    workers: int = Field(description="active workers that serve it")
    is_paused: bool
    paused_at: datetime | None
    paused_until: datetime | None
    paused_by: str | None
    pause_reason: str | None
    dropped: int | None = Field(description="how many jobs drop_oldest has cancelled")
    settings: SettingsOut | None = Field(description="null: all are the defaults")
    counted_at: datetime | None = Field(description="when its jobs were counted; null: now")


class DepthOut(BaseModel):
    """Live jobs of one state and priority."""

    state: Literal["blocked", "scheduled", "ready", "running"]
    priority: int
    jobs: int
    oldest: float | None = Field(description="seconds that the first ready one has been waiting")
    no_worker_for_task: int = Field(description="how many of them no active worker can run")


class ServingOut(BaseModel):
    """A worker that serves a queue."""

    id: UUID
    name: str
    host: str
    status: Literal["ACTIVE", "IDLE", "PAUSED", "DRAINING", "DEAD"]
    concurrency: int
    running: int = Field(description="jobs of all its queues")


class MinuteOut(BaseModel):
    """What happened in a minute."""

    at: datetime = Field(description="when the minute begins")
    enqueued: int | None = Field(description="null: nobody has counted then")
    succeeded: int
    failed: int
    cancelled: int
    failed_attempts: int
    completed_per_second: float
    duration_p50_ms: float | None
    duration_p95_ms: float | None
    duration_p99_ms: float | None
    wait_p50_ms: float | None
    wait_p95_ms: float | None
    wait_p99_ms: float | None
    ready: int | None
    live: int | None


class QueueDetail(QueueOut):
    """A queue with all that is known of it."""

    jobs: list[DepthOut] = Field(description="by state and priority")
    pauses: list[PauseOut] = Field(description="everything that holds it")
    served_by: list[ServingOut] = Field(description="the newest 100 workers")
    minutes: list[MinuteOut] = Field(description="the last closed minutes, at most six")


def queue_shown(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of the view `queues` as it is answered."""
    settings = {name: row[name] for name in SETTING_COLUMNS}
    rest = {name: value for name, value in row.items() if name not in settings}
    return rest | {"is_paused": row["paused_at"] is not None, "settings": settings if row["on_full"] is not None else None}
