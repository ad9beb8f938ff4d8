"""The slots that handlers run in: as many long-lived tasks as the worker runs handlers at once."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import takewhile
from typing import Any

from .._trace import loggable
from ..context import JobContext
from ..logs import current
from ..registry import Registered
from ..tracing.provider import active
from .abandoned import Abandoned
from .begin import begin, is_simple
from .execute import Surrounded, execute
from .isolate import Isolated, is_thrown_away, take_back_cancel
from .outcome import Outcome, cancelled, failure, undescribed
from .pace import Pace
from .room import Room
from .signals import Alarm
from .stops import Stops
from .timeouts import Timeouts
from .traced import execute_traced, is_traced

log = logging.getLogger("pgqueue.worker")
SLICE = 0.001  # seconds for which a slot may run handlers that never await, before it yields to the event loop
STUCK = 1.0  # seconds without a free slot after which waiting jobs are given back
LOOK_EVERY = 0.02  # seconds between two checks whether the handlers have ended


class Slots:
    """Runs claimed jobs and passes their outcomes on.

    Args:
        tasks: the registered tasks by name.
        concurrency: handlers that run at once.
        hand_in: takes each outcome; see Finisher.add.
        is_full: whether so many outcomes wait that no more jobs may start.
        alarm: nudged when another claim of jobs with limits is worth its round trip again.
        surrounded: calls handlers, for an app that needs more than a call; see execute.
        timeout_grace, on_worn_out, on_soft_timeout: see Timeouts and Abandoned.

    Attributes:
        waiting: claimed jobs that have not started; jobs with limits come first, because they must start at once.
        preparing: claimed jobs, by id, that have not started and wait until their parents are loaded.
        threads: for handlers that are not async.
        running: the slot of each job whose handler runs, by job id.
        abandoned, timeouts, stops: slots that are lost to handlers which do not end, what ends runs that take too long, and what
            ends runs on request.
    """

    def __init__(
        self,
        tasks: Mapping[str, Registered[Any]],
        concurrency: int,
        hand_in: Callable[[Outcome], None],
        is_full: Callable[[], bool],
        alarm: Alarm,
        surrounded: Surrounded | None = None,
        timeout_grace: float = 5.0,
        on_worn_out: Callable[[], object] = lambda: None,
        on_soft_timeout: Callable[[JobContext, float], object] = lambda job, elapsed: None,
    ) -> None:
        self._surrounded, self._alarm = surrounded, alarm
        self._tasks, self._concurrency, self._hand_in, self._is_full = tasks, concurrency, hand_in, is_full
        self.threads = ThreadPoolExecutor(concurrency, thread_name_prefix="pgqueue-handler")
        self._slots: set[asyncio.Task[None]] = set()
        self._idle: list[asyncio.Future[None]] = []
        self._waking = False
        self._room_made = asyncio.Event()
        self._pace = Pace()
        self._room = Room(concurrency, self._pace)
        self._stopping = False
        self._is_limited_wanted = False
        self._telemetry = active()
        self._expected = 0  # claimed jobs that are about to be added
        self.waiting: deque[JobContext] = deque()
        self.preparing: dict[int, JobContext] = {}
        self.running: dict[int, asyncio.Task[None]] = {}
        self.abandoned = Abandoned(concurrency, self.running, self._room, hand_in, on_worn_out)
        self._jobs: dict[asyncio.Task[None], JobContext] = {}  # the last job of each slot
        self.timeouts = Timeouts(self.running, self._jobs, tasks, timeout_grace, self.abandoned.add, on_soft_timeout)
        self.stops = Stops(self.running, self._jobs, tasks, timeout_grace, self.abandoned.take)

    async def room(self) -> tuple[int, int]:
        """Wait until another claim is worth its round trip. Returns how many jobs to claim, and how many of them with limits."""
        while not (want := self._wanted()):
            self._room_made.clear()
            await self._room_made.wait()
        return want, min(want, max(0, self._room.limited(len(self.preparing), len(self.running))))

    def expect(self, count: int) -> None:
        """Count jobs that were claimed and are about to be added; a negative number takes it back, also if they are not added."""
        self._expected += count
        if count < 0:
            self._room_made.set()

    def hold_few(self, is_large: bool) -> None:
        """Say whether the jobs of the last claim were too large together: then none are fetched ahead of the free slots."""
        self._room.is_large = is_large

    def has_limited_room(self) -> bool:
        """Whether another claim of jobs with limits is worth its round trip; if not, the alarm is nudged once it is."""
        self._is_limited_wanted = not self._room.is_worth_limited(len(self.preparing), len(self.running))
        return not self._is_limited_wanted

    def _wanted(self) -> int:
        want = self._room.wanted(len(self.waiting) + self._expected, len(self.preparing), len(self.running))
        return 0 if self._stopping or self._is_full() else want

    def take_stuck(self) -> list[JobContext]:
        """Remove and return the waiting jobs, if no job could start for STUCK seconds."""
        is_blocked = self._is_full() and self._room.is_still(STUCK)
        if not (is_blocked or self._room.is_stuck(len(self.running), STUCK)):
            return []
        stuck = list(self.waiting)
        self.waiting.clear()
        self._room.limited_waiting = 0
        return stuck

    def add(self, jobs: list[JobContext]) -> None:
        """Take claimed jobs; after `stop` they are not taken, and are given back."""
        if not self._stopping:
            self._telemetry = active()
            if jobs and jobs[0].limits is not None:  # jobs with limits come first
                jobs = self._put_limited_first(jobs)
            self.waiting.extend(jobs)
            if self.waiting:
                self._pace.fed()
            self._wake()

    def _put_limited_first(self, jobs: list[JobContext]) -> list[JobContext]:
        """Put jobs with limits in front, behind other jobs with limits; return the rest."""
        limited = list(takewhile(lambda job: job.limits is not None, jobs))
        self.waiting.rotate(-self._room.limited_waiting)
        self.waiting.extendleft(reversed(limited))
        self.waiting.rotate(self._room.limited_waiting)
        self._room.limited_waiting += len(limited)
        return jobs[len(limited) :]

    def prepare(self, jobs: list[JobContext]) -> bool:
        """Hold claimed jobs that need something before they start; False after `stop`."""
        if not self._stopping:
            self.preparing.update({job.id: job for job in jobs})
        return not self._stopping

    def is_preparing(self, job: JobContext) -> bool:
        """Whether `prepare` still holds this run of the job."""
        return self.preparing.get(job.id) is job

    def prepared(self, jobs: list[JobContext]) -> list[JobContext]:
        """Release and return those of these jobs that `prepare` still holds, for `add`."""
        still = [job for job in jobs if self.is_preparing(job)]
        for job in still:
            del self.preparing[job.id]
        if still:
            self._room_made.set()
        return still

    def cancel(self, job_ids: Iterable[int]) -> None:
        """End these jobs as cancelled: jobs that have not started end at once, those that run are asked to stop."""
        wanted = set(job_ids)
        for job in self._remove(job for job in self._unstarted() if job.id in wanted):
            self._hand_in(cancelled(job, 0.0))
        self.stops.ask(wanted)

    def fence(self, jobs: Iterable[JobContext]) -> None:
        """Forget these runs, whose jobs were ended by force or belong to others: they have no outcome."""
        jobs = set(jobs)
        self._remove(job for job in self._unstarted() if job in jobs)
        self.stops.fence(jobs)

    @property
    def runs(self) -> Mapping["asyncio.Task[None]", JobContext]:
        """The last run of each slot."""
        return self._jobs

    def held(self) -> list[JobContext]:
        """The runs that have not ended, started or not."""
        return [*self._unstarted(), *(self._jobs[slot] for slot in self.running.values())]

    def _unstarted(self) -> list[JobContext]:
        return [*self.waiting, *self.preparing.values()]

    def _remove(self, unstarted: Iterable[JobContext]) -> set[JobContext]:
        """Remove and return jobs that have not started."""
        removed = set(unstarted)
        for job in removed:
            self.preparing.pop(job.id, None)
        if removed:
            self.waiting = deque(job for job in self.waiting if job not in removed)
            self._room.limited_waiting = sum(job.limits is not None for job in self.waiting)
            self._room_made.set()
        return removed

    def go_on(self) -> None:
        """Start jobs again after a stop has passed, such as too many waiting outcomes."""
        self._room_made.set()
        self._wake()

    def _wake(self) -> None:
        """Wake a slot if there is a job to start; this slot wakes the next one."""
        if self._waking or not self.waiting or self._is_full():
            return
        while self._idle:
            idle = self._idle.pop()
            if not idle.done():
                self._waking = True
                idle.set_result(None)
                return
        if len(self._slots) < self._concurrency:
            self._waking = True
            slot = asyncio.create_task(self._slot())
            self._slots.add(slot)
            slot.add_done_callback(self._ended)

    def _ended(self, slot: asyncio.Task[None]) -> None:
        """A slot was cancelled between two jobs, or failed because of a bug in pgqueue: start another one."""
        if not slot.cancelled() and (error := slot.exception()) and not isinstance(error, GeneratorExit):
            log.error("a slot failed; its job is given back", exc_info=loggable(error))
        self._slots.discard(slot)
        self.abandoned.discard(slot)
        self._jobs.pop(slot, None)
        self._waking = False
        self.go_on()

    async def _slot(self) -> None:
        this = asyncio.current_task()
        assert this is not None
        while not self._stopping:
            self._waking = False
            await self._run_waiting(this)
            current.job.set(None)
            if self._stopping:
                return
            if not self.running and not self.waiting:
                self._pace.dry()
            idle = asyncio.get_running_loop().create_future()
            self._idle.append(idle)
            await idle

    async def _run_waiting(self, this: asyncio.Task[None]) -> None:
        since = time.perf_counter()
        while self.waiting and not self._is_full():
            job = self.waiting.popleft()
            if job.limits is not None:
                self._room.limited_waiting -= 1
                self._room.limited_running += 1
            self.running[job.id] = this
            self._jobs[this] = job
            current.job.set(job)  # until the next job, because taking it back costs as much as setting it
            self._room.last_start = time.perf_counter()
            task = self._tasks.get(job.task)
            if task is None or self._surrounded is not None or self._telemetry is not None or not is_simple(job, task):
                await self._run(job, task, this)
            elif (rest := self._begin(job, task)) is not None:
                await self._run(job, task, this, rest)
            if this.cancelling():
                await take_back_cancel(this)
            if time.perf_counter() - since > SLICE:
                self._look_for_room()
                await asyncio.sleep(0)
                since = time.perf_counter()
        self._look_for_room()

    def _look_for_room(self) -> None:
        if len(self.waiting) <= self._pace.low:
            self._room_made.set()
        if self._is_limited_wanted and self.has_limited_room():
            self._alarm.nudge()

    def _begin(self, job: JobContext, task: Registered[Any]) -> Isolated[Any] | None:
        """Start a job; None if it has ended without an await, so that nothing else has run meanwhile."""
        try:
            begun = begin(job, task)
        except BaseException:
            begun = undescribed(job)
        if isinstance(begun, Isolated):
            return begun
        del self.running[job.id]
        if job.limits is not None:
            self._room.limited_running -= 1
        self._pace.ended(begun.elapsed, job.limits is not None)
        self._hand_in(begun)
        return None

    async def _run(
        self, job: JobContext, task: Registered[Any] | None, this: asyncio.Task[None], begun: Isolated[Any] | None = None
    ) -> None:
        self._look_for_room()  # the handler may run for long: who waits for room must not wait for its end
        self._wake()
        now = self._room.last_start
        if task and job.terms is not None and task.executor != "process":
            job.clock_at = now  # `Processes` starts the clock of handlers in processes
            if job.terms.first < self.timeouts.shortest or job.deadline is not None:
                self.timeouts.start(job, now)
        try:
            if task is not None and is_traced(job, self._telemetry):
                outcome = await Isolated(execute_traced(job, task, self.threads, self._surrounded, self._telemetry))
            else:
                outcome = await execute(job, task, self.threads, self._surrounded, begun)
        except asyncio.CancelledError:
            if job.cancelled and not job.fenced:
                self._end(job, this, cancelled(job, time.perf_counter() - job.started))
            # Else `drop` cancelled it: the job is forgotten, the slot continues.
        except GeneratorExit as error:  # a future that the handler awaited carried it: it closes all coroutines of this task
            if not is_thrown_away():
                self._end(job, this, failure(job, error, time.perf_counter() - job.started))
            raise
        except BaseException:
            self._end(job, this, undescribed(job))  # otherwise the job would be given back and run again, without end
        else:
            self._pace.ended(outcome.elapsed, job.limits is not None)
            if not (job.dropped and (job.fenced or this in self.abandoned)):
                self._hand_in(outcome)
        finally:
            if not (job.dropped and self.abandoned.discard(this)):
                self._room.limited_running -= job.limits is not None
                if self.running.get(job.id) is this:  # else the job was claimed again while this run ignored `drop`
                    del self.running[job.id]

    def _end(self, job: JobContext, slot: asyncio.Task[None], outcome: Outcome) -> None:
        if not (job.dropped and (job.fenced or slot in self.abandoned)):  # else the run has its outcome, or shall have none
            self._hand_in(outcome)

    def stop(self) -> None:
        """Start nothing more and forget what has not started."""
        self._stopping = True
        self.waiting.clear()
        self._room.limited_waiting = 0
        self.preparing.clear()

    async def wait_idle(self, timeout: float) -> bool:
        """Wait for the running handlers. Returns whether all of them ended in time."""
        deadline = time.monotonic() + timeout
        while self.running and time.monotonic() < deadline:  # noqa: ASYNC110 an event would be set after every job
            await asyncio.sleep(LOOK_EVERY)
        return not self.running

    async def drop(self) -> None:
        """Forget all jobs: waiting jobs, and running handlers without an outcome. The outcomes of threads are ignored."""
        self.waiting.clear()
        self._room.limited_waiting = 0
        self.preparing.clear()
        self._drop_running()
        if not await self.wait_idle(1.0):
            log.warning("%s handlers still run although they were cancelled", len(self.running))

    def _drop_running(self) -> None:
        for slot in set(self.running.values()):
            self._jobs[slot].dropped = True
            slot.cancel()

    async def close(self) -> None:
        """End the slots and release the threads; a thread that still runs does not delay the end of the process."""
        self.stop()
        self.abandoned.close()
        self._drop_running()
        slots = list(self._slots)
        for slot in slots:
            slot.cancel()
        if slots:
            await asyncio.wait(slots, timeout=1.0)
        self.threads.shutdown(wait=False, cancel_futures=True)
