"""Work that any worker does for the whole install: promote due jobs, fire schedules, rescue lost jobs, prune old rows.

There is no leader. And work for the worker itself: find jobs to give back.
"""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import partial
from typing import Any
from uuid import UUID

import psycopg

from ..context import JobContext
from ..database import Link
from ..database.backoff import Backoff, Complaints
from ..database.call import Call
from ..database.calls import install as install_calls
from ..database.calls import limits as limit_calls
from ..database.calls import run as run_calls
from ..database.calls import workers as worker_calls
from ..database.connection import DEADLINE
from ..errors import Disconnected, PgQueueError
from .claim import BACKSTOP
from .scheduler import Scheduler
from .signals import Alarm
from .slow import ALONE
from .sparse import Sparse

log = logging.getLogger("pgqueue.worker")
SWEEP_LANES_EVERY = 1.0  # seconds, times the number of workers
SWEEP_LANES_SHARE = 20  # uses at most 1/20 of the time
LATE = 2.0  # seconds that a call of reconcile may be later than it is counted from
STUCK_EVERY = 1.0  # seconds between two looks for jobs that wait in this worker while every slot is taken
SOONER_EVERY = 0.02  # seconds in which many rings lead to one look
Loop = Callable[[], Coroutine[Any, Any, None]]


class Maintenance:
    """Six loops on one connection, and those of others.

    Args:
        link: its own connection.
        lease: seconds; rescue looks every third of it.
        worker_id: the worker's current id.
        held: ids of every job that this process knows of.
        take_stuck: removes and returns jobs that were fetched ahead and cannot start.
        alarm: rings when something was scheduled; it has the number of workers.
        scheduler: lets schedules fire when promote says that some are due.
        stretch: how many times as long as alone `promote` may sleep; see `backstop`.
    """

    def __init__(
        self,
        link: Link,
        lease: float,
        worker_id: Callable[[], UUID],
        held: Callable[[], list[int]],
        take_stuck: Callable[[], list[JobContext]],
        alarm: Alarm,
        scheduler: Scheduler,
        stretch: Callable[[], float] = lambda: 1.0,
    ) -> None:
        self._link, self._lease, self._worker_id, self._held = link, lease, worker_id, held
        self._take_stuck, self._alarm = take_stuck, alarm
        self._scheduler, self._stretch = scheduler, stretch
        self._swept_to: str | None = None
        self._reconciling, self._rescuing = Sparse(), Sparse()
        self._reconciled_at = time.monotonic()  # when the last look at its own jobs began
        self._giving_back: dict[str, list[int]] = {}  # jobs by the token of their claim: kept until the database has answered
        self._rescue_in = 0.0  # rounds of `_sweep` until this worker looks for lost ones
        self._complaints = Complaints(log, "maintenance failed; jobs continue")

    def loops(self, more: Mapping[str, Callable[[], Awaitable[None]]] | None = None) -> dict[str, Loop]:
        """Each loop, by its name. `more`: steps of others, which are repeated in the same way."""
        steps = {
            "promote": self._promote,
            "schedules": self._scheduler.look,
            "rescue": self._sweep,
            "lanes": self._sweep_lanes,
            "maintain": self._maintain,
            "give back": self._give_back,
            **(more or {}),
        }
        return {name: partial(self._for_ever, step) for name, step in steps.items()}

    async def _for_ever(self, step: Callable[[], Awaitable[None]]) -> None:
        refusals = Backoff()
        while True:
            try:
                await step()
            except Disconnected:
                continue  # the link waits before the next try
            except (PgQueueError, psycopg.Error) as error:
                self._complaints.add(error, refusals.failed())
                await refusals.wait()
            else:
                refusals.worked()

    async def _promote(self) -> None:
        scheduled = self._alarm.scheduled  # if so, look when the job is due, not at the next backstop
        scheduled.clear()
        promoted = await self._link.run(run_calls.promote())
        next_in = promoted.next_in
        self._scheduler.note(promoted.schedules_due)
        # At least 5 ms: a job that is due and still scheduled is being promoted by another worker.
        longest = BACKSTOP * self._stretch() * random.uniform(0.9, 1.1)
        wait = longest if next_in is None else min(max(next_in, 0.005), longest)
        try:
            async with asyncio.timeout(wait):
                await scheduled.wait()
                await asyncio.sleep(SOONER_EVERY)
        except TimeoutError:
            pass

    async def _sweep(self) -> None:
        await asyncio.sleep(self._lease / 3 * random.uniform(0.9, 1.1))
        self._rescue_in -= 1
        if self._rescue_in < 1:
            await self._rescue_lost()
            self._rescue_in = self._alarm.upkeep_stretch()
        if given_back := await self._reconcile():
            log.warning("gave back %s jobs whose claim was not answered", len(given_back))

    async def _reconcile(self) -> list[int]:
        """Give back what this worker does not know.

        While whole looks are slow, only of the claims since the last look, and only if one of them was not answered.
        """
        grace = min(DEADLINE + 2, self._lease)
        began, whole = time.monotonic(), False
        if not self._reconciling.begin() and began - self._alarm.unanswered_at > 2 * (grace + self._lease):
            self._reconciled_at = began
            return []

        def call() -> Call[list[int]]:
            nonlocal began, whole
            began, whole = time.monotonic(), self._reconciling.begin()
            # A look that was left out may have been due while a claim, made DEADLINE before, was still waiting for its answer.
            within = None if whole else began - self._reconciled_at + max(grace, DEADLINE) + LATE
            return worker_calls.reconcile(self._worker_id(), self._held(), grace, within)

        try:
            given_back = await self._link.run(call)
        finally:
            self._reconciling.end(whole=whole)
        self._reconciled_at = began
        return given_back

    async def _rescue_lost(self) -> None:
        if lost := await self._link.run(worker_calls.mark_lost()):
            log.warning("%s workers missed their lease", lost)
        whole = self._rescuing.begin()
        try:
            while rescued := await self._rescue(whole):
                log.warning("rescued %s jobs from lost workers", rescued)
                self._rescuing.begin()  # how long the last look takes, which finds none, is what counts
        finally:
            self._rescuing.end(whole=whole)

    async def _rescue(self, whole: bool = True) -> int:
        """Rescue jobs. A job that is slow to rescue, such as a crashed node above a million others, is rescued alone."""
        try:
            return await self._link.run(worker_calls.rescue(whole=whole))
        except Disconnected as error:
            if not error.too_slow:
                raise
        return await self._link.run(worker_calls.rescue(1, ALONE, whole=whole))

    async def _sweep_lanes(self) -> None:
        """Sweep lanes about once a second across all workers, and less often if many lanes make it slow."""
        began = 0.0

        def sweep() -> Call[str | None]:
            nonlocal began
            began = time.monotonic()  # measured from here: the wait for the connection does not count
            return limit_calls.sweep_lanes(self._swept_to)

        self._swept_to = await self._link.run(sweep)
        pause = max(SWEEP_LANES_EVERY * self._alarm.workers, SWEEP_LANES_SHARE * (time.monotonic() - began))
        await asyncio.sleep(pause * random.uniform(0.9, 1.1))

    async def _maintain(self) -> None:
        """Maintain, if no other worker has done so. Runs again at once while there is more to prune."""
        again = await self._link.run(install_calls.maintain_if_due())
        await asyncio.sleep(again * random.uniform(0.9, 1.1))

    async def _give_back(self) -> None:
        """Give back jobs that wait behind slow handlers, so that other workers can run them."""
        await asyncio.sleep(STUCK_EVERY)
        for job in self._take_stuck():
            self._giving_back.setdefault(job.token, []).append(job.id)
        for token, ids in list(self._giving_back.items()):
            await self._link.run(run_calls.give_back(UUID(token), ids))
            del self._giving_back[token]
