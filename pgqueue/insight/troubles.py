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
        name: the kind of trouble; that of a finding, if it is one.
        subjects: the queues, tasks, workers or whatever it is about, as far as it is about some.
        remedy: what to do.
        is_found: whether a worker has found it, when it examined the install.
    """

    severity: str
    problem: str
    name: str
    subjects: list[str]
    remedy: str
    is_found: bool = False

    @property
    def line(self) -> str:
        """What, and the command that tells more."""
        return f"{self.problem}: pgqueue doctor" if self.is_found else self.problem


def troubles(now: Snapshot, at: Callable[[datetime], str]) -> list[Trouble]:
    """What is wrong, errors first. `at`: writes a time."""
    jobs = [*_unserved(now), *_nobody(now), *_dead_workers(now), *_dead_letters(now), *_late(now)]
    found = [*jobs, *_paused(now, at), *_behind(now, at), *_found(now)]
    return sorted(found, key=lambda trouble: trouble.severity != "error")


def _unserved(now: Snapshot) -> Iterator[Trouble]:
    unserved = [queue for queue in now.queues if queue["ready"] and not queue["workers"] and not queue["paused_at"]]
    if unserved:
        jobs, names = sum(queue["ready"] for queue in unserved), [queue["name"] for queue in unserved]
        problem = f"no worker serves {_some(names)}: {jobs:,} ready"
        yield Trouble("error", problem, "queue-not-served", names, "Start a worker that serves it: pgqueue worker MODULE:APP")


def _nobody(now: Snapshot) -> Iterator[Trouble]:
    scheduled, running = now.total("scheduled"), now.total("running")
    if not now.alive() and not now.total("ready") and scheduled + running:
        problem = f"no worker is alive: {scheduled:,} scheduled, {running:,} running"
        yield Trouble("error" if running else "warning", problem, "no-worker", [], "Start one: pgqueue worker MODULE:APP")


def _dead_workers(now: Snapshot) -> Iterator[Trouble]:
    if dead := now.dead(IS_NEWS):
        last, names = max(worker["heartbeat_at"] for worker in dead), [one["name"] for one in dead]
        problem = f"dead workers: {len(dead)} ({_some(names)}), last heartbeat {_age(now.at - last)} ago"
        yield Trouble("error", problem, "worker-lost", names, "Look at its log, and at its machine; its jobs are rescued.")


def _dead_letters(now: Snapshot) -> Iterator[Trouble]:
    figures = now.metrics
    if figures.all.failed:
        names = [name for name, task in sorted(figures.tasks.items(), key=lambda item: -item[1].failed) if task.failed]
        problem = f"dead letters grew by {figures.all.failed:,} in {_age(figures.until - figures.since)}: {_some(names)}"
        yield Trouble("error", problem, "dead-letters", names, "Look at their errors; retry them once the cause is mended.")


def _late(now: Snapshot) -> Iterator[Trouble]:
    late = [one for one in now.queues if one["workers"] and not one["paused_at"] and (one["oldest"] or timedelta(0)) > WAITS_LONG]
    if late:
        names = [queue["name"] for queue in sorted(late, key=lambda queue: -queue["oldest"])]
        problem = f"the first in line has waited for {_age(max(queue['oldest'] for queue in late))}: {_some(names)}"
        yield Trouble("warning", problem, "jobs-late", names, "See what it waits for; if all slots are taken, add workers.")


def _paused(now: Snapshot, at: Callable[[datetime], str]) -> Iterator[Trouble]:
    for pause in now.pauses:
        name = "paused" if pause.kind == "everything" else f"{pause.kind}-paused"
        subjects = [pause.name] if pause.name else []
        yield Trouble("warning", pause.said(at), name, subjects, "Resume it once its reason is over.")


def _behind(now: Snapshot, at: Callable[[datetime], str]) -> Iterator[Trouble]:
    if now.at - now.metrics.until > BEHIND:
        problem = f"rates are behind: they end at {at(now.metrics.until)}; a worker brings them up to date"
        yield Trouble("warning", problem, "roll-ups-late", [], "Start a worker; if one runs, look at its log.")


def _found(now: Snapshot) -> Iterator[Trouble]:
    for name in dict.fromkeys(finding.name for finding in now.findings if finding.name not in TOLD_HERE):
        found = [finding for finding in now.findings if finding.name == name]
        problem = f"{found[0].problem}{f' (and {len(found) - 1} more)' if len(found) > 1 else ''}"
        yield Trouble(found[0].severity, problem, name, [one.subject for one in found], found[0].remedy, is_found=True)


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
