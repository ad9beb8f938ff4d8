"""Models of figures."""

from datetime import datetime

from pydantic import BaseModel, Field

NULL = "null: nothing to measure"


class Spans(BaseModel):
    """How long jobs took and waited, in milliseconds; percentiles are within 2.5 % of the true value."""

    duration_p50_ms: float | None = Field(description=f"of the last attempts; {NULL}")
    duration_p95_ms: float | None
    duration_p99_ms: float | None
    wait_p50_ms: float | None = Field(description=f"from when a job was due until a worker claimed it; {NULL}")
    wait_p95_ms: float | None
    wait_p99_ms: float | None


class Means(Spans):
    """The same with means."""

    duration_mean_ms: float | None
    wait_mean_ms: float | None


class Ended(BaseModel):
    """How many jobs ended, and how."""

    succeeded: int
    failed: int = Field(description="for good: as dead letters")
    cancelled: int
    failed_attempts: int = Field(description="those that were retried and the last ones")


class ReadyOut(BaseModel):
    """Ready jobs of one priority."""

    priority: int
    jobs: int


class FiguresOut(Means, Ended):
    """What happened to all jobs, to those of a queue, or to those of a task."""

    name: str | None = Field(description="of the queue or the task; null of all")
    enqueued: int | None = Field(description="null of a task, and where live jobs were not counted at both ends of the time")
    enqueued_per_second: float | None
    completed_per_second: float
    success_rate: float | None = Field(description="which part of those that succeeded or failed, 0 to 1")
    failure_rate: float | None
    ready: list[ReadyOut] | None = Field(description="at the end of the time; null of a task")


class BusyOut(BaseModel):
    """How busy the workers are now."""

    active: int = Field(description="workers that run jobs")
    idle: int
    dead: int = Field(description="workers that have missed their lease")
    slots: int = Field(description="jobs that active and idle workers can run at once")
    running: int
    per_cent: float | None = Field(description="which part of the slots is in use; null: there are none")


class MetricsOut(BaseModel):
    """What happened in a time that ends with the last closed minute."""

    since: datetime
    until: datetime
    asked_at: datetime
    all: FiguresOut
    queues: list[FiguresOut]
    tasks: list[FiguresOut]
    workers: BusyOut = Field(description="of the moment, not of that time")


class SeriesStepOut(Spans, Ended):
    """What happened in one step of a series."""

    at: datetime = Field(description="when the step begins")
    enqueued: int | None
    completed_per_second: float
    ready: int | None = Field(description="ready jobs at the end of the step; null: not counted, or of a task")
    live: int | None = Field(description="jobs that were not over at the end of the step; null as for ready")


class Series(BaseModel):
    """A chart."""

    step_seconds: int
    steps: list[SeriesStepOut] = Field(description="in their order; a step in which nothing happened is there too")


class ActivityOut(BaseModel):
    """What a queue holds now, and what it did in the last hour."""

    name: str = Field(examples=["mail"])
    ready: int
    scheduled: int
    running: int
    blocked: int
    oldest: float | None = Field(description="seconds that the first in line has been waiting for a worker")
    workers: int = Field(description="active workers that serve it")
    paused_at: datetime | None
    paused_until: datetime | None
    paused_by: str | None
    pause_reason: str | None
    counted_at: datetime | None = Field(description="when its jobs were counted; null: now")
    succeeded: int = Field(description="in the hour")
    failed: int
    cancelled: int
    enqueued_per_second: float | None = Field(description="in the last five minutes of it; null: live jobs were not counted then")
    completed_per_second: float
    ended: list[int] = Field(description="jobs that ended, for each step of it")


class Activity(BaseModel):
    """Queues, the busiest first."""

    since: datetime | None = Field(description="when the hour begins; null: there are no queues")
    until: datetime | None = Field(description="the end of the last closed minute")
    step_seconds: int
    queues: list[ActivityOut]
    is_cut: bool = Field(description="whether there are more")


class SumOut(Means, Ended):
    """What has ended in an hour or a day, of one task in one queue."""

    at: datetime = Field(description="when the hour or the day begins, in UTC")
    queue: str
    task: str


class QueueStat(BaseModel):
    """Live jobs of one queue, state and priority."""

    queue: str
    state: str = Field(examples=["ready"])
    priority: int
    jobs: int
    oldest: float | None = Field(
        description="seconds for which the first in line has waited for a worker; null if they are not ready"
    )
    no_worker_for_task: int | None = Field(description="how many of them have a task that no worker has")
    counted_at: datetime | None = Field(description="null: now; in a large install the time of the last count")


class TaskStat(BaseModel):
    """A task in the last hour, and its dead letters."""

    task: str
    succeeded: int
    cancelled: int
    dead_letters: int
    mean_seconds: float | None
    p50_seconds: float | None
    p95_seconds: float | None
    p99_seconds: float | None


class Stats(BaseModel):
    """Live jobs by queue, and tasks in the last hour."""

    queues: list[QueueStat]
    tasks: list[TaskStat] | None = Field(description="null: they were not asked for")
