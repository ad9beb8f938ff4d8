"""What is wrong now, as far as a snapshot shows it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from .snapshot import Snapshot

WAITS_LONG = timedelta(minutes=1)  # of the first in line
IS_NEWS = timedelta(minutes=10)  # a worker that has been dead for longer is history
BEHIND = timedelta(minutes=3)  # of the figures; a minute is closed 10 s after its end
MOST_NAMES = 3
TOLD_HERE = {"no-worker", "queue-not-served", "worker-lost", "pause-forgotten"}  # findings that a snapshot shows sooner


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that is wrong.

    Attributes:
        severity: warning or error.
        problem: what, with its figures, in one line.
    """

    severity: str
    problem: str


def troubles(now: Snapshot, at: Callable[[datetime], str]) -> list[Trouble]:
    """What is wrong, errors first. `at`: writes a time."""
    jobs = [*_unserved(now), *_nobody(now), *_dead_workers(now), *_dead_letters(now), *_late(now)]
    found = [*jobs, *_paused(now, at), *_behind(now, at), *_found(now)]
    return sorted(found, key=lambda trouble: trouble.severity != "error")


def _unserved(now: Snapshot) -> Iterator[Trouble]:
    unserved = [queue for queue in now.queues if queue["ready"] and not queue["workers"] and not queue["paused_at"]]
    if unserved:
        jobs = sum(queue["ready"] for queue in unserved)
        yield Trouble("error", f"no worker serves {_some([queue['name'] for queue in unserved])}: {jobs:,} ready")


def _nobody(now: Snapshot) -> Iterator[Trouble]:
    scheduled, running = now.total("scheduled"), now.total("running")
    if not now.alive() and not now.total("ready") and scheduled + running:
        yield Trouble("error" if running else "warning", f"no worker is alive: {scheduled:,} scheduled, {running:,} running")


def _dead_workers(now: Snapshot) -> Iterator[Trouble]:
    if dead := now.dead(IS_NEWS):
        last = max(worker["heartbeat_at"] for worker in dead)
        age = _age(now.at - last)
        yield Trouble("error", f"dead workers: {len(dead)} ({_some([one['name'] for one in dead])}), last heartbeat {age} ago")


def _dead_letters(now: Snapshot) -> Iterator[Trouble]:
    figures = now.metrics
    if figures.all.failed:
        names = [name for name, task in sorted(figures.tasks.items(), key=lambda item: -item[1].failed) if task.failed]
        span = _age(figures.until - figures.since)
        yield Trouble("error", f"dead letters grew by {figures.all.failed:,} in {span}: {_some(names)}")


def _late(now: Snapshot) -> Iterator[Trouble]:
    late = [one for one in now.queues if one["workers"] and not one["paused_at"] and (one["oldest"] or timedelta(0)) > WAITS_LONG]
    if late:
        names = [queue["name"] for queue in sorted(late, key=lambda queue: -queue["oldest"])]
        longest = _age(max(queue["oldest"] for queue in late))
        yield Trouble("warning", f"the first in line has waited for {longest}: {_some(names)}")


def _paused(now: Snapshot, at: Callable[[datetime], str]) -> Iterator[Trouble]:
    for pause in now.pauses:
        yield Trouble("warning", pause.said(at))


def _behind(now: Snapshot, at: Callable[[datetime], str]) -> Iterator[Trouble]:
    if now.at - now.metrics.until > BEHIND:
        yield Trouble("warning", f"rates are behind: they end at {at(now.metrics.until)}; a worker brings them up to date")


def _found(now: Snapshot) -> Iterator[Trouble]:
    for name in dict.fromkeys(finding.name for finding in now.findings if finding.name not in TOLD_HERE):
        first, *more = [finding for finding in now.findings if finding.name == name]
        yield Trouble(first.severity, f"{first.problem}{f' (and {len(more)} more)' if more else ''}: pgqueue doctor")


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:MOST_NAMES])
    return shown if len(names) <= MOST_NAMES else f"{shown} and {len(names) - MOST_NAMES} more"


def _age(span: timedelta) -> str:
    """A span in the largest unit of which there are two."""
    seconds = span.total_seconds()
    for unit, size in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:,.0f} {unit}"
    return f"{seconds:,.0f} s"
