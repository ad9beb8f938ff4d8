"""Timeouts of runs: one loop watches all handlers of a worker, so that a run costs no timer of its own."""

import asyncio
import logging
import math
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
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


@dataclass(slots=True, eq=False)
class _Run:
    """A run that is watched. Times are on the watcher's clock.

    Attributes:
        slot: the task that runs the handler.
        can_stop: whether cancelling the slot stops the handler; a thread cannot be stopped.
        soft_at: when it has passed its soft timeout; infinite when it has none, or has passed it.
        end_at: when it has passed its timeout, or the deadline of its job.
        next_at: when to look at it again.
        abandon_at: when its slot is abandoned; None before `end_at`.
    """

    job: JobContext
    slot: Slot
    can_stop: bool
    raises: bool
    started: float
    soft_at: float
    end_at: float
    next_at: float = field(init=False)
    abandon_at: float | None = None

    def __post_init__(self) -> None:
        self.next_at = min(self.soft_at, self.end_at)


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
        self._runs: dict[JobContext, _Run] = {}
        self._look_at = math.inf
        self._sooner = asyncio.Event()

    def start(self, job: JobContext, task: Registered[Any], slot: Slot) -> None:
        """Start the clock of a run, if it has one: its handler starts now. After the deadline it is timed out at once."""
        terms = job.terms
        if terms is None or (terms.timeout is None and terms.soft_timeout is None and job.deadline is None):
            return
        now = self._clock()
        end_at = math.inf if terms.timeout is None else now + terms.timeout
        if job.deadline is not None and job.deadline < end_at:
            end_at = job.deadline
        if end_at < math.inf:
            job.timeout_at = end_at
            job.timed_out = end_at <= now
        soft_at = math.inf if terms.soft_timeout is None else now + terms.soft_timeout
        self._runs[job] = run = _Run(
            job, slot, task.executor != "thread", task.raise_soft_timeout, now, soft_at if soft_at < end_at else math.inf, end_at
        )
        if run.next_at < self._look_at:
            self._look_at = run.next_at
            self._sooner.set()

    def forget(self, job: JobContext) -> None:
        """The handler has ended."""
        self._runs.pop(job, None)

    def running(self) -> str | None:
        """The runs with a timeout or deadline, and for how long they have run, as heartbeat takes them; None for none.

        Safe in any thread.
        """
        now = self._clock()
        runs = [run for run in list(self._runs.values()) if run.end_at < math.inf and not run.job.dropped]
        told = [{"id": run.job.id, "token": run.job.token, "seconds": round(now - run.started, 3)} for run in runs]
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
        for run in list(self._runs.values()):
            if run.next_at <= now:
                self._act(run, now)
        self._look_at = min((run.next_at for run in self._runs.values()), default=math.inf)

    def _act(self, run: _Run, now: float) -> None:
        job = run.job
        if job.dropped or job.has_returned:
            run.next_at = math.inf
        elif now < run.end_at:
            run.soft_at, run.next_at = math.inf, run.end_at
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
        if run.raises and not (job.cancelled or job.is_finished):
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
