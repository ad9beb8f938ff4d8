"""Timeouts of runs: one loop watches all handlers of a worker, so that a run costs no timer of its own."""

import asyncio
import logging
import math
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from .._json import dumps
from ..context import JobContext
from ..errors import SoftTimeout
from ..registry import Registered
from .execute import Outcome, cancelled, committed, spent, timed_out

log = logging.getLogger("pgqueue.worker")
CANCEL_EVERY = 0.5  # seconds until a handler that has swallowed its cancellation is cancelled again
COMMIT_AGAIN = 0.05  # seconds until the next look at a run that is just being finished by its transaction
REST = 0.01  # seconds between two looks: runs that end together are ended by one
Slot = asyncio.Task[None]
Abandon = Callable[[Slot, Outcome], None]


class _Run:
    """A run that is watched. Times are on the watcher's clock.

    Attributes:
        slot: the task that runs the handler.
        started: when the handler started.
        next_at: when to look at it again.
        abandon_at: when its slot is abandoned; None before it has passed its timeout.
    """

    __slots__ = ("abandon_at", "job", "next_at", "slot", "started", "task")

    def __init__(self, job: JobContext, task: Registered[Any], slot: Slot, started: float) -> None:
        self.job, self.task, self.slot, self.started = job, task, slot, started
        soft = job.terms.soft_timeout if job.terms else None
        self.next_at = self.timeout_at if soft is None else min(self.timeout_at, started + soft)
        self.abandon_at: float | None = None

    @property
    def can_stop(self) -> bool:
        """Whether cancelling the slot stops the handler; a thread cannot be stopped."""
        return self.task.executor != "thread"

    @property
    def timeout_at(self) -> float:
        """When it has passed its timeout, or the deadline of its job; infinite without either."""
        return math.inf if self.job.timeout_at is None else self.job.timeout_at


class Timeouts:
    """Ends the runs of a worker that take too long, and warns of those that may.

    Args:
        grace: seconds in which a cancelled handler must end.
        abandon: takes the slot and the outcome of a run that is over, when its handler does not end.
        on_soft_timeout: called with the job and the seconds in its handler when a run has passed its soft timeout.
        clock: the time in seconds; that of `Run.timeout_at`.
    """

    def __init__(
        self,
        grace: float,
        abandon: Abandon,
        on_soft_timeout: Callable[[JobContext, float], object] = lambda job, elapsed: None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._grace, self._abandon, self._on_soft_timeout, self._clock = grace, abandon, on_soft_timeout, clock
        self._new: dict[JobContext, tuple[Registered[Any], Slot, float]] = {}  # not looked at yet; most end before that
        self._runs: dict[JobContext, _Run] = {}
        self._look_at = math.inf
        self._sooner = asyncio.Event()

    def start(self, job: JobContext, task: Registered[Any], slot: Slot) -> None:
        """Start the clock of a run, if it has one: its handler starts now. After the deadline it is timed out at once."""
        terms, deadline, now, next_at = job.terms, job.deadline, self._clock(), math.inf
        if terms is None:
            return
        if (timeout := terms.timeout) is not None:
            job.timeout_at = next_at = now + timeout
        if deadline is not None and deadline < next_at:
            job.timeout_at = next_at = deadline
            job.timed_out = deadline <= now
        if (soft := terms.soft_timeout) is not None and now + soft < next_at:
            next_at = now + soft
        if next_at == math.inf:
            return
        self._new[job] = (task, slot, now)
        if next_at < self._look_at:
            self._look_at = next_at
            self._sooner.set()

    def forget(self, job: JobContext) -> None:
        """The handler has ended."""
        if self._new.pop(job, None) is None:
            self._runs.pop(job, None)

    def running(self) -> str | None:
        """The runs with a timeout or deadline, and for how long they have run, as heartbeat takes them; None for none.

        Safe in any thread.
        """
        started = {job: since for job, (_, _, since) in list(self._new.items())}  # first: a run may be looked at meanwhile
        started |= {run.job: run.started for run in list(self._runs.values())}
        now = self._clock()
        told = [
            {"id": job.id, "token": job.token, "seconds": round(now - since, 3)}
            for job, since in started.items()
            if job.timeout_at is not None and not job.dropped
        ]
        return dumps(told) if told else None

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            if self._clock() >= self._look_at:
                self.look()
            self._sooner.clear()
            timeout = None if self._look_at == math.inf else max(REST, self._look_at - self._clock())
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    await self._sooner.wait()

    def look(self) -> None:
        """Act on each run whose time has come."""
        now = self._clock()
        self._runs |= {job: _Run(job, *new) for job, new in self._new.items()}
        self._new.clear()
        for run in list(self._runs.values()):
            if run.next_at <= now:
                self._act(run, now)
        self._look_at = min((run.next_at for run in self._runs.values()), default=math.inf)

    def _act(self, run: _Run, now: float) -> None:
        job = run.job
        if job.dropped or job.has_returned:
            run.next_at = math.inf
        elif now < run.timeout_at:
            run.next_at = run.timeout_at
            self._warn(run, now - run.started)
        elif run.abandon_at is None:
            job.timed_out = not (job.cancelled or job.is_finished)
            run.abandon_at = now + self._grace if run.can_stop else now
            if run.can_stop:
                self._cancel(run, now)
            else:
                self._give_up(run, now)
        elif now < run.abandon_at:
            self._cancel(run, now)
        else:
            self._give_up(run, now)

    def _warn(self, run: _Run, elapsed: float) -> None:
        job, limit = run.job, run.job.terms.soft_timeout if run.job.terms else None
        facts = {"job_id": job.id, "task": job.task, "queue": job.queue, "elapsed": round(elapsed, 3), "soft_timeout": limit}
        text = f"job {job.id} ({job.task}) has run for {spent(elapsed)}; its soft timeout is {spent(limit)}"
        log.warning("%s", text, extra=facts)
        self._on_soft_timeout(job, elapsed)
        if run.task.raise_soft_timeout and not (job.cancelled or job.is_finished):
            job.soft_timeout = SoftTimeout(text)
            run.slot.cancel()

    def _cancel(self, run: _Run, now: float) -> None:
        assert run.abandon_at is not None
        run.slot.cancel()
        run.next_at = min(now + CANCEL_EVERY, run.abandon_at)

    def _give_up(self, run: _Run, now: float) -> None:
        """End a run whose handler does not end."""
        if run.job.is_finishing:  # it is not known yet whether it succeeds; see Block
            run.next_at = now + COMMIT_AGAIN
        else:
            self.forget(run.job)
            self._abandon(run.slot, self._outcome(run, now - run.started))

    def _outcome(self, run: _Run, elapsed: float) -> Outcome:
        job = run.job
        if job.is_finished:
            return committed(job, elapsed)
        if job.cancelled:
            return cancelled(job, elapsed)
        return timed_out(job, elapsed, not_before=None if run.can_stop else self._grace)
