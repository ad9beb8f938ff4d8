"""Claiming: fill the free slots, then sleep until something wakes the claimer."""

import asyncio
import logging
import random
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from .._coalesce import WINDOW
from .._json import dumps
from ..context import JobContext
from ..database import Link
from ..database.call import Call, Rows
from ..database.calls import run as run_calls
from ..errors import Disconnected, WorkerLost
from ..transaction.services import Services
from .cursor import LIMITS, Cursor
from .foreign import Foreign
from .progress import Progress
from .signals import Alarm
from .slots import Slots
from .traced import note_claim

log = logging.getLogger("pgqueue.worker")
BACKSTOP = 1.0  # seconds between two looks without a wake-up
USUAL = 0.004  # seconds that a claim takes; used until one was measured
MOST_MISSES = 40
FOREIGN_AGAIN = 0.25  # seconds until the next look at lanes that may hold nothing but jobs of tasks that it does not have
ROOM_AGAIN = 0.05  # seconds until the next look at jobs with limits, if there was too little room for them
# Seconds to wait after a wake-up's last claim before looking again: its producer enqueues without notifying for a window.
# The first look finds jobs that were committed at once, the second look jobs whose commit had to wait for the disk.
TRAILING = (WINDOW + 0.001, 0.025)


class Claimer:
    """Claims for one worker.

    Args:
        link: its own connection.
        worker_id: the worker's current id; it changes after a lost lease; the call waits until the new id is registered.
        slots: where claimed jobs go.
        queues: in order of preference.
        weights: of the queues; None = strictly in order.
        alarm: wakes the claimer.
        on_lost: called when the database reports that this worker is lost.
        on_empty: called after each claim that found nothing.
        backstop: seconds between two looks without a wake-up, for a worker alone.
        services: what the contexts of the jobs reach; None = nothing.
        add: takes the claimed jobs; by default the slots do.
        foreign: tasks that the worker does not have; by default it has all.
        progress: is told that the loop goes on.
        stretch: how many times as long as alone it may sleep; see `backstop`.
        is_current: whether an id is still that of the worker.
    """

    def __init__(
        self,
        link: Link,
        worker_id: Callable[[], Awaitable[UUID]],
        slots: Slots,
        queues: list[str],
        weights: list[float] | None,
        alarm: Alarm,
        on_lost: Callable[[UUID], Awaitable[None]],
        on_empty: Callable[[], Awaitable[None]],
        backstop: float = BACKSTOP,
        services: Services | None = None,
        add: Callable[[list[JobContext]], None] | None = None,
        foreign: Foreign | None = None,
        progress: Progress | None = None,
        stretch: Callable[[], float] = lambda: 1.0,
        is_current: Callable[[UUID], bool] = lambda id: True,
    ) -> None:
        self._is_current = is_current
        self._link, self._worker_id, self._slots = link, worker_id, slots
        self._queues, self._weights, self._alarm = queues, weights, alarm
        self._on_lost, self._on_empty = on_lost, on_empty
        self._backstop, self._stretch = backstop, stretch
        self._services = services
        self._add = add or slots.add
        self._foreign = foreign or Foreign()
        self._progress = progress or Progress()
        self._cursor = Cursor()
        self._misses = 0  # claims in a row that got nothing
        self._took = USUAL  # seconds of the last claim that got jobs: a claim of another worker takes about as long

    async def run(self) -> None:
        """Claim until cancelled."""
        try:
            await self._go_on()
        finally:
            self._progress.ended()

    async def _go_on(self) -> None:
        trailing: list[float] = []  # looks still to come after a wake-up that was answered
        look_at = 0.0  # when to look next, if nothing wakes the claimer before
        while True:
            self._progress.waits()
            want, limited = await self._slots.room()
            self._progress.made()
            began = time.monotonic()
            got, full, again_in = await self._claim(want, limited)
            self._misses = 0 if got else min(self._misses + 1, MOST_MISSES)
            if got == want:
                if self._alarm.rang():
                    trailing, look_at = list(reversed(TRAILING)), 0.0
                    self._cursor.full_sooner()
                continue
            if not full:
                self._cursor.full_next()  # never sleep after a claim that did not look everywhere
                continue
            if got == 0:
                await self._on_empty()
            now = time.monotonic()
            if look_at <= began:
                look_at = now + (trailing.pop() if trailing else self._backstop * self._stretch() * random.uniform(0.9, 1.1))
            timeout = max(0.0, look_at - now)
            if again_in is not None:
                timeout = min(timeout, self._until_limits_allow(again_in, got, limited))
            if await self._alarm.wait(timeout):
                trailing, look_at = list(reversed(TRAILING)), 0.0
                self._cursor.full_next()
                await self._alarm.spread()

    def _until_limits_allow(self, again_in: float, got: int, limited: int) -> float:
        """Seconds until another claim of jobs with limits makes sense; less if the slots have room for them."""
        if again_in > 0:
            return again_in + self._alarm.moment(each=0.005, most=0.2)  # else all workers claim for each token
        if not got and self._foreign.names:  # they may be jobs that this worker leaves to others
            return FOREIGN_AGAIN * random.uniform(0.9, 1.1)
        if not got and limited > 0:  # another worker is claiming them
            # Longer with more workers, and longer each time: not a claim but something else may hold the rows.
            times = min(1 << self._misses - 1, self._alarm.workers * max(1, self._misses - 4))
            return random.uniform(0.25, 0.75) * min(self._took, ROOM_AGAIN) * times
        return 0.0 if self._slots.has_limited_room() else ROOM_AGAIN

    async def _claim(self, want: int, limited: int) -> tuple[int, bool, float | None]:
        """Claim once. Returns how many jobs it got, whether it looked everywhere, and when limits allow more; see `Claimed`."""
        self._progress.waits()
        worker_id, token = await self._worker_id(), uuid.uuid4()
        self._progress.made()
        resume_at = self._cursor.resume_at()
        resume = dumps(resume_at) if resume_at else None
        call = run_calls.claim(worker_id, token, self._queues, want, self._weights, resume, limited, self._foreign.names)
        started = time.monotonic()
        try:
            rows, again_in, is_cut = await self._repeat(call, unless_slow=resume is None and self._cursor.has_places())
        except WorkerLost:
            await self._on_lost(worker_id)
            return want, True, None
        except Disconnected:  # a full claim that was too slow, and would be again: meanwhile claim where the last ones were
            self._cursor.claimed([], time.monotonic() - started, full=True)
            return want, True, None
        self._progress.claimed()
        took = time.monotonic() - started
        if rows:
            self._took = took
        self._cursor.claimed(rows, took, full=resume_at is None)
        self._slots.hold_few(is_cut)
        if len(rows) == want and again_in is None and rows[0][LIMITS] is None and self._foreign.has_none_of(rows):
            self._slots.expect(len(rows))
            asyncio.get_running_loop().call_soon(self._take_expected, worker_id, token, rows, took)
        elif foreign := self._take(worker_id, token, rows, took):
            await self._repeat(run_calls.give_back(token, foreign))
        return len(rows), resume_at is None, again_in

    def _take_expected(self, worker_id: UUID, token: UUID, rows: Rows, took: float) -> None:
        """`_take` once the next claim was sent, so that the server has no pause while this process makes jobs of the rows."""
        self._slots.expect(-len(rows))
        self._take(worker_id, token, rows, took)

    def _take(self, worker_id: UUID, token: UUID, rows: Rows, took: float) -> list[int]:
        """Add the claimed jobs. Returns the ids of those to give back."""
        if not self._is_current(worker_id):  # the jobs are rescued from the lost id
            return []
        text, services = str(token), self._services
        jobs = [JobContext(text, *row, services) for row in rows]  # type: ignore[call-arg]
        jobs, foreign = self._foreign.parted(jobs)
        note_claim(jobs, took, str(worker_id))
        self._add(jobs)
        return foreign

    async def _repeat(self, call: Call[Any], *, unless_slow: bool = False) -> Any:
        """Repeat a call with the same token until it is answered; reconcile gives back jobs that a lost answer has claimed.

        Raises:
            Disconnected: it has missed its deadline, and was not to be repeated then.
        """
        while True:
            try:
                return await self._link.run(call)
            except BaseException as error:
                self._alarm.unanswered_at = time.monotonic()
                if not isinstance(error, Disconnected) or (unless_slow and error.too_slow):
                    raise
                self._progress.made()
                log.debug("a claim was not answered; asking again")
