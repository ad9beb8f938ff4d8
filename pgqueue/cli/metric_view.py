"""Figures for people, on 80 columns."""

from collections.abc import Iterable
from typing import Any

from rich.table import Table
from rich.text import Text

from ..database.calls.metrics import Figures, Metrics, MetricStep
from ..insight import short
from .output import console, print_table, shown
from .secrets import safe
from .shape import shape

QUEUES = ("queue", "in/s", "done/s", "failed", "errors", "p50", "p95", "p99", "wait95", "ready")
TASKS = ("task", "done/s", "succeeded", "failed", "errors", "mean", "p50", "p95", "p99", "wait95")
TO_THE_MINUTE = "2030-01-31 12:00"
SERIES = ("at", "in", "done", "failed", "cancelled", "p50", "p95", "p99", "wait95", "ready", "live")


def print_figures(figures: Metrics, by: str | None) -> None:
    """The figures of all jobs, by queue and by task; with `by` only one of the tables."""
    if by is None and not shape().columns:
        _print_all(figures)
    if by != "task":
        rows = [_row("queue", one) for one in figures.queues.values()]
        print_table("queues", rows, QUEUES, spare=("errors", "p50", "p99", "in/s", "wait95", "p95"))
    if by != "queue":
        rows = [_row("task", one) for one in figures.tasks.values()]
        print_table("tasks", rows, TASKS, spare=("mean", "errors", "p50", "succeeded", "p99", "wait95", "p95"))


def print_series(steps: list[MetricStep]) -> None:
    """A line for each step."""
    rows = [
        {
            "at": str(shown(step.at))[: len(TO_THE_MINUTE)],
            "in": _number(step.enqueued),
            "done": _number(step.succeeded + step.failed + step.cancelled),
            "failed": _number(step.failed),
            "cancelled": _number(step.cancelled),
            "ready": _number(step.ready),
            "live": _number(step.live),
            **_times(step),
        }
        for step in steps
    ]
    print_table("steps", rows, SERIES, spare=("p50", "cancelled", "p99", "live", "wait95", "ready"))


def _print_all(figures: Metrics) -> None:
    out = console()
    out.print(Text(f"{shown(figures.since)} to {shown(figures.until)}", "bold"), soft_wrap=True)
    facts = Table.grid(padding=(0, 2))
    for _ in range(2):
        facts.add_column(no_wrap=True, justify="right")
    for name, count, note in (*_facts(figures.all), *_moments(figures)):
        facts.add_row(Text(name, justify="left"), count, Text(note))
    out.print(facts)


def _facts(every: Figures) -> Iterable[tuple[str, str, str]]:
    if every.enqueued is not None:  # else nobody has counted the live jobs
        yield "enqueued", f"{every.enqueued:,}", _per_second(every.enqueued_per_second)
    done = every.succeeded + every.failed + every.cancelled
    yield "completed", f"{done:,}", _per_second(every.completed_per_second)
    yield "  succeeded", f"{every.succeeded:,}", _per_cent(every.success_rate)
    yield "  failed", f"{every.failed:,}", _per_cent(every.failure_rate)
    yield "  cancelled", f"{every.cancelled:,}", ""
    yield "failed attempts", f"{every.failed_attempts:,}", ""
    durations = every.duration_mean_ms, every.duration_p50_ms, every.duration_p95_ms, every.duration_p99_ms
    waits = every.wait_mean_ms, every.wait_p50_ms, every.wait_p95_ms, every.wait_p99_ms
    for name, values in (("duration", durations), ("wait", waits)):
        if values[0] is not None:
            yield name, "", _percentiles(*values)


def _moments(figures: Metrics) -> Iterable[tuple[str, str, str]]:
    ready, workers = figures.all.ready or {}, figures.workers
    by_priority = ", ".join(f"{jobs:,} of priority {priority}" for priority, jobs in sorted(ready.items(), reverse=True)[:4])
    yield "ready at the end", f"{sum(ready.values()):,}", by_priority
    used = "" if workers.per_cent is None else f", {workers.per_cent:.0f} % of {workers.slots:,} slots"
    says = f"{workers.active} active, {workers.idle} idle, {workers.dead} dead{used}"
    yield "workers now", f"{workers.active + workers.idle:,}", says


def _row(kind: str, one: Figures) -> dict[str, Any]:
    return {
        kind: safe(one.name or ""),
        "in/s": _right(short.rate(one.enqueued_per_second)),
        "done/s": _right(short.rate(one.completed_per_second)),
        "succeeded": one.succeeded,
        "failed": one.failed,
        "errors": one.failed_attempts,
        "mean": _right(short.milliseconds(one.duration_mean_ms)),
        "ready": None if one.ready is None else sum(one.ready.values()),
        **_times(one),
    }


def _times(one: Figures | MetricStep) -> dict[str, Text]:
    times = {"p50": one.duration_p50_ms, "p95": one.duration_p95_ms, "p99": one.duration_p99_ms, "wait95": one.wait_p95_ms}
    return {name: _right(short.milliseconds(value)) for name, value in times.items()}


def _right(text: str) -> Text:
    return Text(text, justify="right", no_wrap=True)


def _number(value: int | None) -> Text:
    return _right("" if value is None else f"{value:,}")


def _per_second(rate: float | None) -> str:
    return f"{short.rate(rate) or '0'}/s"


def _per_cent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.3g} %"


def _percentiles(*values: float | None) -> str:
    names = ("mean", "p50", "p95", "p99")
    return "   ".join(f"{name} {short.milliseconds(value)}" for name, value in zip(names, values, strict=True))
