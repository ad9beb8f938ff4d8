"""Timeouts of runs: one loop watches all handlers of a worker, so that a run costs no timer of its own."""

import asyncio
import logging
import math
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from .._json import dumps
from ..context import JobContext
from ..errors import SoftTimeout
from ..logs.current import of_job
from ..registry import Registered
from ..terms import Terms
from .outcome import Outcome, cancelled, committed, spent, timed_out

log = logging.getLogger("pgqueue.worker")
CANCEL_EVERY = 0.5  # seconds until a handler that has swallowed its cancellation is cancelled again
COMMIT_AGAIN = 0.05  # seconds until the next look at a run that is just being finished by its transaction
# Seconds until the end of a transaction is not waited for any more: on a connection of the application it has no deadline. The
# database decides then: an outcome of a job that has ended is stale.
COMMIT_WITHIN = 120.0
REST = 0.01  # seconds between two looks: runs that end together are ended by one
Slot = asyncio.Task[None]
Abandon = Callable[[Slot, Outcome], None]


class _Run:
    """A run that is looked at. Times are on the watcher's clock.

    Attributes:
        slot: the task that runs the handler.
        started: when the handler started.
        timeout_at: when it has passed its timeout, or the deadline of its job; infinite without either.
        next_at: when to look at it again.
        abandon_at: when its slot is abandoned; None before it has passed its timeout.
    """

    def __init__(self, job: JobContext, task: Registered[Any], slot: Slot, terms: Terms, started: float) -> None:
        self.job, self.task, self.slot, self.terms, self.started = job, task, slot, terms, started
        at = job.timeout_at
        self.timeout_at = math.inf if at is None else at
        self.next_at = min(self.timeout_at, started + (terms.soft_timeout or math.inf))
        self.abandon_at: float | None = None

    @property
    def can_stop(self) -> bool:
        """Whether cancelling the slot stops the handler; a thread cannot be stopped."""
        return self.task.executor != "thread"


class Timeouts:
    """Ends the runs of a worker that take too long, and warns of those that may.

    It looks at all runs when the first of them may have passed a timeout: when the time of one comes that it knows, and after the
    shortest timeout of all, because others have started since. So a run that ends in time costs no more than a comparison.

    Args:
        running: the slot of each job whose handler runs, by job id.
        jobs: the last job of each slot.
        tasks: the registered tasks by name.
        grace: seconds in which a cancelled handler must end.
        abandon: takes the slot and the outcome of a run that is over, when its handler does not end.
        on_soft_timeout: called with the job and the seconds in its handler when a run has passed its soft timeout.
        clock: the time in seconds; that of `Run.clock_at`.

    Attributes:
        shortest: call `start` for a run whose first timeout is shorter than so many seconds, or whose job has a deadline.
    """

    def __init__(
        self,
        running: dict[int, Slot],
        jobs: dict[Slot, JobContext],
        tasks: Mapping[str, Registered[Any]],
        grace: float,
        abandon: Abandon,
        on_soft_timeout: Callable[[JobContext, float], object] = lambda job, elapsed: None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._running, self._jobs, self._tasks = running, jobs, tasks
        self._grace, self._abandon, self._on_soft_timeout, self._clock = grace, abandon, on_soft_timeout, clock
        self._runs: dict[JobContext, _Run] = {}  # those that ran at the last look
        self._look_at = self.shortest = math.inf
        self._sooner = asyncio.Event()

    def start(self, job: JobContext, now: float) -> None:
        """Start the clock of a run: its handler starts now. After the deadline it is timed out at once."""
        job.clock_at = now
        first = math.inf if job.terms is None else job.terms.first
        if job.deadline is not None:
            first = min(first, job.deadline - now)
            job.timed_out = first <= 0
        if first < self.shortest:
            self.shortest = first
        if now + first < self._look_at:
            self._look_at = now + first
            self._sooner.set()

    def running(self) -> str | None:
        """The runs with a timeout or deadline, and for how long they have run, as heartbeat takes them; None for none.

        Safe in any thread.
        """
        now, told = self._clock(), []
        for id, slot in self._running.copy().items():
            job = self._jobs.get(slot)
            if job is None or job.id != id or job.clock_at is None or job.timeout_at is None or job.dropped:
                continue
            told.append({"id": id, "token": job.token, "seconds": round(now - job.clock_at, 3)})
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
        now, before, self._runs = self._clock(), self._runs, {}
        for slot in list(self._running.values()):
            job = self._jobs[slot]
            if job.terms is not None and job.clock_at is not None:
                run = before.get(job) or _Run(job, self._tasks[job.task], slot, job.terms, job.clock_at)
                self._runs[job] = run
                if run.next_at <= now:
                    self._act(run, now)
        self.shortest = min((run.terms.first for run in self._runs.values()), default=math.inf)
        self._look_at = min((run.next_at for run in self._runs.values()), default=math.inf)
        self._look_at = min(self._look_at, now + self.shortest)

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
        job, limit = run.job, run.terms.soft_timeout
        facts = {**of_job(job), "elapsed": round(elapsed, 3), "soft_timeout": limit}
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
        assert run.abandon_at is not None
        if run.job.is_finishing and now < run.abandon_at + COMMIT_WITHIN:  # it is not known yet whether it succeeds; see Ending
            run.next_at = now + COMMIT_AGAIN
        else:
            del self._runs[run.job]
            self._abandon(run.slot, self._outcome(run, now - run.started))

    def _outcome(self, run: _Run, elapsed: float) -> Outcome:
        job = run.job
        if job.is_finished:
            return committed(job, elapsed)
        if job.cancelled:
            return cancelled(job, elapsed)
        return timed_out(job, elapsed, not_before=None if run.can_stop else self._grace)
