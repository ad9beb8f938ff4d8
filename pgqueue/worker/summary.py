"""The line that a worker logs once a minute, in place of one for each job."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from .outcome import Outcome, spent
from .slots import Slots

log = logging.getLogger("pgqueue.worker")
EVERY = 60.0  # seconds


class Durations:
    """How long the handlers of a span of time ran.

    Attributes:
        jobs: how many outcomes there were.
        total, longest: seconds in their handlers, together and at most.
    """

    __slots__ = ("jobs", "longest", "total")

    def __init__(self) -> None:
        self.jobs, self.total, self.longest = 0, 0.0, 0.0

    def add(self, outcomes: Sequence[Outcome]) -> None:
        """Count the outcomes of one report."""
        if outcomes:
            elapsed = [outcome.elapsed for outcome in outcomes]
            self.jobs += len(elapsed)
            self.total += sum(elapsed)
            self.longest = max(self.longest, max(elapsed))


class Summary(NamedTuple):
    """What a worker did in a span of time.

    Attributes:
        seconds: the length of the span.
        counts: outcomes by state; and retried, dead_letter, stale and unconfirmed ones.
        durations: of the handlers.
        running, waiting: jobs that run now, and that are claimed and wait to start.
    """

    seconds: float
    counts: Counter[str]
    durations: Durations
    running: int
    waiting: int

    def __str__(self) -> str:
        counts = counted(self.counts)
        if not self.durations.jobs:
            return f"{counts} in {self.seconds:.0f} s; {self.running} running, {self.waiting} waiting"
        mean, longest = spent(self.durations.total / self.durations.jobs), spent(self.durations.longest)
        rate = f"{self._per_second():,.3g}/s"
        return f"{counts} in {self.seconds:.0f} s ({rate}), mean {mean}, max {longest}; " + (
            f"{self.running} running, {self.waiting} waiting"
        )

    def facts(self) -> dict[str, Any]:
        """The same for machines."""
        jobs = self.durations.jobs
        return {
            "counts": {state: count for state, count in self.counts.items() if count},
            "per_second": round(self._per_second(), 3),
            "mean_ms": round(1000 * self.durations.total / jobs, 3) if jobs else None,
            "max_ms": round(1000 * self.durations.longest, 3) if jobs else None,
            "running": self.running,
            "waiting": self.waiting,
        }

    def _per_second(self) -> float:
        return self.durations.jobs / self.seconds if self.seconds else 0.0


class Summaries:
    """Makes the summaries.

    Args:
        counts: outcomes by state since the start.
        slots: knows what runs.
        queues: that the worker serves.
    """

    def __init__(self, counts: Counter[str], slots: Slots, queues: list[str]) -> None:
        self._counts, self._slots, self._queues = counts, slots, queues
        self._before, self._since = Counter[str](), time.monotonic()
        self.durations = Durations()

    async def run(self) -> None:
        """Log one line a minute, until cancelled."""
        while True:
            await asyncio.sleep(EVERY)
            now = self.take()
            log.info("%s", now, extra={**now.facts(), "queues": self._queues})

    def take(self) -> Summary:
        """The summary of the time since the last one."""
        at, counts, slots = time.monotonic(), self._counts.copy(), self._slots
        waiting = len(slots.waiting) + len(slots.preparing)
        now = Summary(at - self._since, counts - self._before, self.durations, len(slots.running), waiting)
        self._before, self._since, self.durations = counts, at, Durations()
        return now


def counted(counts: Counter[str]) -> str:
    """Counts by state, in words."""
    named = {state.replace("dead_letter", "dead letter"): count for state, count in sorted(counts.items()) if count}
    return ", ".join(f"{count:,} {state}" for state, count in named.items()) or "no jobs"
