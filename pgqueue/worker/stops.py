"""Ending runs on request: runs that are asked to stop, and runs whose jobs were ended without them."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from ..context import JobContext
from ..logs.current import of_job
from ..registry import Registered

log = logging.getLogger("pgqueue.worker")
CANCEL_EVERY = 0.5  # seconds until a handler of a fenced run that has swallowed its cancellation is cancelled again
Slot = asyncio.Task[None]


class _Stop(NamedTuple):
    """A run that must end by a time on time.monotonic()."""

    slot: Slot
    end_by: float


class Stops:
    """Stops the runs of a worker.

    A run that is asked to stop has its outcome: an async handler is cancelled, once; a handler in a process is told, and its
    process is killed after the grace; a handler in a thread is told. A run that is fenced has no outcome: its handler is
    cancelled again and again, and after the grace its slot is abandoned.

    Args:
        running: the slot of each job whose handler runs, by job id.
        jobs: the last job of each slot.
        tasks: the registered tasks by name.
        grace: seconds.
        abandon: takes the slot of a fenced run whose handler does not end.
        ask_process: tells the process of a run that it is to stop; False if the run has no process yet.
    """

    def __init__(
        self,
        running: dict[int, Slot],
        jobs: Mapping[Slot, JobContext],
        tasks: Mapping[str, Registered[Any]],
        grace: float,
        abandon: Callable[[Slot, JobContext], None],
        ask_process: Callable[[JobContext], bool] = lambda job: False,
    ) -> None:
        self._running, self._jobs, self._tasks = running, jobs, tasks
        self._grace, self._abandon, self.ask_process = grace, abandon, ask_process
        self._stops: dict[JobContext, _Stop] = {}
        self._some = asyncio.Event()

    def ask(self, job_ids: Iterable[int]) -> None:
        """Ask the runs of these jobs to stop, unless they end already."""
        for slot in [self._running[id] for id in job_ids if id in self._running]:
            job = self._jobs[slot]
            if job.cancelled or job.timed_out or job.dropped:
                continue
            job.cancelled = True
            executor = task.executor if (task := self._tasks.get(job.task)) else "thread"
            if executor == "process" and self.ask_process(job):
                self._end_by(job, slot)
            elif executor != "thread":
                slot.cancel()

    def fence(self, jobs: Iterable[JobContext]) -> None:
        """Drop these runs: their jobs have ended without them, or belong to others. One that ends just now is left alone."""
        for job in jobs:
            slot = self._running.get(job.id)
            if slot is None or self._jobs[slot] is not job or job.dropped or job.has_returned or _is_done(job):
                continue
            log.warning("job %s was ended by force; its run is dropped", job.id, extra=of_job(job))
            job.fenced = job.dropped = True
            self._cancel(job, slot)
            self._end_by(job, slot)

    def _end_by(self, job: JobContext, slot: Slot) -> None:
        self._stops[job] = _Stop(slot, time.monotonic() + self._grace)
        self._some.set()

    def _cancel(self, job: JobContext, slot: Slot) -> None:
        if (task := self._tasks.get(job.task)) and task.executor != "thread":
            slot.cancel()

    async def run(self) -> None:
        """Watch until cancelled over runs that must end."""
        while True:
            await self._some.wait()
            await asyncio.sleep(min(CANCEL_EVERY, self._grace))
            self.look()
            if not self._stops:
                self._some.clear()

    def look(self) -> None:
        """Act on each run that has not ended."""
        for job, stop in list(self._stops.items()):
            if self._running.get(job.id) is not stop.slot or self._jobs.get(stop.slot) is not job:
                del self._stops[job]
            elif time.monotonic() < stop.end_by:
                if job.fenced:
                    self._cancel(job, stop.slot)
            else:
                self._end(job, stop.slot)

    def _end(self, job: JobContext, slot: Slot) -> None:
        if not job.fenced:  # it was asked, and had its time: its process is killed
            slot.cancel()
        elif _is_done(job):
            return
        else:
            self._abandon(slot, job)
        del self._stops[job]


def _is_done(job: JobContext) -> bool:
    """Whether a `ctx.transaction()` of the run has finished the job, or is doing so: then the job is gone for a good reason."""
    return job.is_finished or job.is_finishing
