"""Slots whose timeouts a test drives by hand: without a database, and with a clock that the test sets forward."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from pgqueue import JobContext, PgQueue
from pgqueue.worker.outcome import Outcome
from pgqueue.worker.signals import Alarm
from pgqueue.worker.slots import Slots
from pgqueue.worker.timeouts import Timeouts
from tests.waiting import auntil
from tests.worker.jobs import said

GRACE = 5.0


class Timed:
    """Slots for one handler.

    Attributes:
        outcomes: what was handed in.
        soft: the jobs that have passed their soft timeout.
        worn_out: grows when too many slots are abandoned.
    """

    def __init__(self, handler: Callable[..., Any], concurrency: int, **options: Any) -> None:
        self.outcomes: list[Outcome] = []
        self.soft: list[int] = []
        self.worn_out: list[int] = []
        self._ahead = 0.0
        app = PgQueue("postgresql://nobody@localhost:1/nothing")
        app.task(name="handler", **options)(handler)
        self.slots = Slots(
            app.tasks,
            concurrency,
            self.outcomes.append,
            lambda: False,
            Alarm(),
            timeout_grace=GRACE,
            on_worn_out=lambda: self.worn_out.append(1),
            on_soft_timeout=lambda job, elapsed: self.soft.append(job.id),
        )
        self.slots.timeouts._clock = lambda: time.perf_counter() + self._ahead

    def start(self, *jobs: JobContext) -> None:
        """Let these jobs start with the next turn of the loop."""
        self.slots.add(list(jobs))

    def pass_by(self, seconds: float) -> None:
        """Let time pass, and the watcher look."""
        self._ahead += seconds
        self.slots.timeouts.look()

    async def outcome(self) -> dict[str, Any]:
        """The only outcome, as soon as it is there."""
        await auntil(lambda: self.outcomes, "the outcome")
        (outcome,) = self.outcomes
        return said(outcome)

    async def free(self) -> None:
        """Wait until no slot is taken, and no job has a second outcome."""
        await auntil(lambda: not (self.slots.running or self.slots.abandoned._slots), "free slots")
        assert len({outcome.job for outcome in self.outcomes}) == len(self.outcomes)
        assert not watched(self.slots.timeouts)


def watched(timeouts: Timeouts) -> list[Any]:
    """The runs that a watcher watches."""
    timeouts.look()
    return list(timeouts._runs.values())


def time_out(timeouts: Timeouts) -> None:
    """The timeouts of all runs pass now."""
    for run in watched(timeouts):
        if run.job.deadline is not None:
            run.job.deadline = 0.0
        run.job.clock_at = -1e9
        run.timeout_at = run.next_at = 0.0
    timeouts.look()


@asynccontextmanager
async def timed(handler: "Callable[..., Any] | Stubborn", concurrency: int = 8, **options: Any) -> AsyncIterator[Timed]:
    """Slots for this handler; `options` are of its task."""
    stubborn = handler if isinstance(handler, Stubborn) else None
    slots = Timed(handler.run if isinstance(handler, Stubborn) else handler, concurrency, **options)
    try:
        yield slots
    finally:
        if stubborn:
            stubborn.may_end.set()
        await slots.slots.close()


class Stubborn:
    """A handler that swallows its cancellation so many times; None = until it `may_end`."""

    def __init__(self, times: int | None) -> None:
        self._times = times
        self.may_end = asyncio.Event()
        self.is_running = False
        self.swallowed = 0

    async def run(self) -> str:
        """The handler."""
        self.is_running = True
        while not self.may_end.is_set():
            try:
                await self.may_end.wait()
            except asyncio.CancelledError:
                if self.swallowed == self._times:
                    raise
                self.swallowed += 1
        return "ended"
