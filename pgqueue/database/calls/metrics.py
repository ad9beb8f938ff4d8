"""Figures of what has happened, and how fast; see sql/functions/metrics."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, LiteralString, NamedTuple

from ..call import ALWAYS, WHOLE, Call, Records, Rows, one_value, records


@dataclass(frozen=True, slots=True)
class Figures:
    """What happened in a time: to all jobs, to those of one queue, or to those of one task.

    Counts are exact. Percentiles come from a histogram; they are within 2.5 % of the true value.

    Attributes:
        name: of the queue or the task; None of all.
        enqueued: jobs that were added, dead letters that were retried among them; None of a task, and where the live jobs were
            not counted at both ends of the time, because no worker ran.
        succeeded, failed, cancelled: jobs that ended so; failed means for good: as dead letters.
        failed_attempts: attempts that failed, those that were retried and the last ones.
        enqueued_per_second: jobs added a second; None as for `enqueued`.
        completed_per_second: jobs that ended a second, in whatever way.
        success_rate, failure_rate: which part of those that succeeded or failed did so, 0 to 1; None = there were none.
        duration_mean_ms, duration_p50_ms, duration_p95_ms, duration_p99_ms: milliseconds that the last attempt of a job took;
            None = no job ended that had run.
        wait_mean_ms, wait_p50_ms, wait_p95_ms, wait_p99_ms: milliseconds from when a job was due until a worker claimed it.
        ready: ready jobs at the end of the time, by priority; None of a task.
    """

    name: str | None
    enqueued: int | None
    succeeded: int
    failed: int
    cancelled: int
    failed_attempts: int
    enqueued_per_second: float | None
    completed_per_second: float
    success_rate: float | None
    failure_rate: float | None
    duration_mean_ms: float | None
    duration_p50_ms: float | None
    duration_p95_ms: float | None
    duration_p99_ms: float | None
    wait_mean_ms: float | None
    wait_p50_ms: float | None
    wait_p95_ms: float | None
    wait_p99_ms: float | None
    ready: dict[int, int] | None


@dataclass(frozen=True, slots=True)
class WorkerFigures:
    """How busy the workers are now.

    Attributes:
        active: workers that run jobs.
        idle: workers that run none.
        dead: workers that have missed their lease.
        slots: jobs that active and idle workers can run at once.
        running: jobs that they run.
        per_cent: which part of the slots is in use, 0 to 100; None = there are no slots.
    """

    active: int
    idle: int
    dead: int
    slots: int
    running: int
    per_cent: float | None


@dataclass(frozen=True, slots=True)
class Metrics:
    """What happened in a time that ends with the last closed minute.

    Attributes:
        since, until: the time. A minute is closed some seconds after its end.
        asked_at: when this was asked, on the clock of the database.
        all: everything together.
        queues: by the name of the queue.
        tasks: by the name of the task.
        workers: of the moment, not of that time.
    """

    since: datetime
    until: datetime
    asked_at: datetime
    all: Figures
    queues: dict[str, Figures]
    tasks: dict[str, Figures]
    workers: WorkerFigures


@dataclass(frozen=True, slots=True)
class MetricStep:
    """What happened in one step of a series.

    Attributes:
        at: when the step begins.
        enqueued: as in `Figures`.
        succeeded, failed, cancelled, failed_attempts, completed_per_second: as in `Figures`.
        duration_p50_ms, duration_p95_ms, duration_p99_ms, wait_p50_ms, wait_p95_ms, wait_p99_ms: as in `Figures`.
        ready: ready jobs at the end of the step; None of a task, or if nobody has counted then.
        live: jobs that were not over at the end of the step; None as for `ready`.
    """

    at: datetime
    enqueued: int | None
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


_FIGURES: tuple[LiteralString, ...] = (
    "name", "enqueued", "succeeded", "failed", "cancelled", "failed_attempts", "enqueued_per_second", "completed_per_second",
    "success_rate", "failure_rate", "duration_mean_ms", "duration_p50_ms", "duration_p95_ms", "duration_p99_ms", "wait_mean_ms",
    "wait_p50_ms", "wait_p95_ms", "wait_p99_ms", "ready",
)  # fmt: skip
_METRICS: LiteralString = "select scope, since, until, clock_timestamp(), workers, " + ", ".join(_FIGURES)


def roll_up() -> Call[float]:
    """Bring the roll-ups up to date, unless another worker is at it. Returns the seconds until the next call."""
    return Call("select {schema}.roll_up()", (), one_value, within=WHOLE)


def metrics(window: str) -> Call[Metrics]:
    """What happened in a window, an interval as text, that ends with the last closed minute."""
    return Call(
        _METRICS + " from {schema}.metrics(%s::text::interval) order by scope, name",
        (window,),
        _metrics,
        within=WHOLE,
        repeat_within=ALWAYS,
    )


def _metrics(rows: Rows) -> Metrics:
    found: dict[str, dict[str, Figures]] = {"all": {}, "queue": {}, "task": {}}
    for row in rows:
        figures = dict(zip(_FIGURES, row[5:], strict=True))
        ready = {int(priority): jobs for priority, jobs in figures["ready"].items()} if figures["ready"] is not None else None
        found[row[0]][figures["name"] or ""] = Figures(**figures | {"ready": ready})
    _, since, until, asked_at, workers, *_ = rows[0]  # of all: "all" is the first scope
    return Metrics(
        since, until, asked_at, found["all"][""], found["queue"], found["task"],
        WorkerFigures(**{field: workers[field] for field in WorkerFigures.__annotations__}),
    )  # fmt: skip


def metric_series(
    step: str, since: str | None, ago: str | None, until: str | None, queue: str | None, task: str | None
) -> Call[list[MetricStep]]:
    """What happened in each step from a time on, or for an interval until now; times and intervals are text."""
    return Call(
        "select at, enqueued, succeeded, failed, cancelled, failed_attempts, completed_per_second, duration_p50_ms, "
        "duration_p95_ms, duration_p99_ms, wait_p50_ms, wait_p95_ms, wait_p99_ms, ready, live "
        "from {schema}.metric_series(%s::text::interval, coalesce(%s::text::timestamptz, "
        "clock_timestamp() + %s::text::interval), %s::text::timestamptz, %s::text, %s::text) order by at",
        (step, since, ago, until, queue, task),
        lambda rows: [MetricStep(*row) for row in rows],
        within=WHOLE,
        repeat_within=ALWAYS,
    )


STEPS, STEP_SECONDS = 30, 120  # of `ended` below
_ACTIVITY: tuple[LiteralString, ...] = (
    "name", "ready", "scheduled", "running", "blocked", "oldest", "workers", "paused_at", "paused_until", "paused_by",
    "pause_reason", "counted_at", "since", "until", "succeeded", "failed", "cancelled", "enqueued_per_second",
    "completed_per_second", "steps", "ended",
)  # fmt: skip


def queue_activity(most: int, only: list[str] | None) -> Call[Records]:
    """What each queue holds now and what it did in the last hour, the busiest first; see the function of SQL.

    `ended` has a number for each two minutes of the hour.

    Args:
        most: how many queues.
        only: only queues of these names; None = all.
    """
    statement: LiteralString = "select " + ", ".join(_ACTIVITY) + " from {schema}.queue_activity(%s::int, %s::text[])"
    return Call(statement, (most, only), _activity, within=WHOLE, repeat_within=ALWAYS)


def _activity(rows: Rows) -> Records:
    found = []
    for row in rows:
        *values, steps, ended = row
        by_step = dict(zip(steps, ended, strict=True))
        whole = [by_step.get(step, 0) for step in range(STEPS)]
        found.append(dict(zip(_ACTIVITY, values, strict=False)) | {"ended": whole})
    return found


_SUMS: tuple[LiteralString, ...] = (
    "queue", "task", "succeeded", "failed", "cancelled", "failed_attempts", "duration_mean_ms", "duration_p50_ms",
    "duration_p95_ms", "duration_p99_ms", "wait_mean_ms", "wait_p50_ms", "wait_p95_ms", "wait_p99_ms",
)  # fmt: skip
_VIEWS: dict[str, LiteralString] = {"hour": "metrics_hourly", "day": "metrics_daily"}


class Wanted(NamedTuple):
    """Which hours or days are wanted: from a time on or an interval from now, before a time, of a queue, of a task."""

    since: str | None = None
    ago: str | None = None
    until: str | None = None
    queue: str | None = None
    task: str | None = None


def metric_sums(by: Literal["hour", "day"], wanted: Wanted, before: tuple[str | None, ...], limit: int) -> Call[Records]:
    """What has ended by hour or day, queue and task, the newest first; `before`: the time, queue and task of a row, as texts."""
    since, ago, until, queue, task = wanted
    at: LiteralString = "hour" if by == "hour" else "day"
    return Call(
        "select " + at + ", " + ", ".join(_SUMS) + " from {schema}." + _VIEWS[by] + " where " + at + " >= "
        "coalesce(%s::text::timestamptz, clock_timestamp() + %s::text::interval, '-infinity') "
        "and " + at + " < coalesce(%s::text::timestamptz, 'infinity') "
        "and (%s::text is null or queue = %s) and (%s::text is null or task = %s) "
        "and (" + at + ", queue, task) < (coalesce(%s::text::timestamptz, 'infinity'), %s::text, %s::text) "
        "order by " + at + " desc, queue desc, task desc limit %s::int",
        (since, ago, until, queue, queue, task, task, before[0], before[1] or "", before[2] or "", limit),
        records("at", *_SUMS),
        within=WHOLE,
        repeat_within=ALWAYS,
    )


class Sample(NamedTuple):
    """A sample for monitoring.

    Attributes:
        metric: its name.
        labels: their values.
        value: a gauge, or a counter from the beginning on.
    """

    metric: str
    labels: list[str]
    value: float


def samples(most: int) -> Call[list[Sample]]:
    """What monitoring shows; `most` queues and tasks have a label of their own."""
    return Call(
        "select metric, labels, value from {schema}.samples(%s)",
        (most,),
        lambda rows: [Sample(*row) for row in rows],
        within=10.0,
        repeat_within=ALWAYS,
    )
