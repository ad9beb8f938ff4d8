"""Finding the runs of a worker that are to end: jobs that were cancelled, and jobs that do not run under it any more."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from uuid import UUID

from ..database import Link
from ..database.call import Call
from ..database.calls import manage as manage_calls
from ..errors import Disconnected
from .slots import Slots
from .sparse import Sparse

ARRIVES_WITHIN = 1.0  # seconds until the next look for a job to stop that has not arrived in this worker yet
UNHEARD_EVERY = 1.0  # seconds between two looks where LISTEN does not work
SOONER_EVERY = 0.02  # seconds in which many cancels lead to one look
ON_ITS_WAY = 2.0  # seconds; while looks at all that runs are slow, younger claims only: others have arrived, and are held
SHARE = 5  # looks for cancels take at most a fifth of the time


class Cancels:
    """A step of maintenance.

    Args:
        link: the connection of maintenance.
        lease: seconds; it looks at least every third of it, because notifications can be lost.
        worker_id: the worker's current id.
        slots: what runs, and what ends it.
        is_heard: whether the worker hears of cancels; if not, it looks every second.
    """

    def __init__(
        self, link: Link, lease: float, worker_id: Callable[[], UUID], slots: Slots, is_heard: Callable[[], bool]
    ) -> None:
        self._link, self._lease, self._worker_id, self._slots, self._is_heard = link, lease, worker_id, slots, is_heard
        self._wanted = asyncio.Event()
        self._sparse = Sparse()
        self._whole_at = time.monotonic() + lease / 3  # for the next look at all that runs under this worker in the database

    def steps(self) -> dict[str, Callable[[], Awaitable[None]]]:
        """Each step, by its name."""
        return {"cancel": self._look}

    def wanted(self) -> None:
        """Something was cancelled: look at once whether it runs here."""
        self._wanted.set()

    async def _look(self) -> None:
        """Wait for the next look, and make it: after a notification, and at regular times.

        It looks again soon if a job that is to stop is not in this worker yet: the answer to its claim is still on the way.
        """
        await self._wait()
        is_wanted = self._wanted.is_set()
        is_whole = is_wanted or time.monotonic() >= self._whole_at
        self._wanted.clear()
        runs = {job.id: job for job in self._slots.held()}
        if not (is_wanted or runs) and self._is_heard():  # nothing to stop: an idle worker asks nothing
            self._whole_at = time.monotonic() + self._lease / 3
        elif is_whole or runs:
            try:
                found, took = await self._ask(list(runs), not is_whole)
            except Disconnected:
                self._wanted.set()
                raise
            asked = [id for id, fenced in found if not fenced]
            if is_whole:
                pause = self._lease / 3 if runs.keys() >= set(asked) else min(self._lease / 3, ARRIVES_WITHIN)
                self._whole_at = time.monotonic() + pause * random.uniform(0.9, 1.1)
            self._slots.cancel(asked)
            self._slots.fence([runs[id] for id, fenced in found if fenced])
            await asyncio.sleep(SHARE * took)
        await asyncio.sleep(SOONER_EVERY)

    async def _ask(self, runs: list[int], only_held: bool) -> tuple[list[tuple[int, bool]], float]:
        """The requests, and how many seconds they took; the wait for the connection does not count."""
        began, whole = 0.0, False

        def requests() -> Call[list[tuple[int, bool]]]:
            nonlocal began, whole
            began = time.monotonic()
            whole = self._sparse.begin() and not only_held
            return manage_calls.cancel_requests(self._worker_id(), runs, only_held, None if whole else ON_ITS_WAY)

        try:
            return await self._link.run(requests), time.monotonic() - began
        finally:
            self._sparse.end(whole=whole)

    async def _wait(self) -> None:
        again = max(0.0, self._whole_at - time.monotonic())
        if not self._is_heard():
            again = min(again, UNHEARD_EVERY)
        with suppress(TimeoutError):
            async with asyncio.timeout(again):
                await self._wanted.wait()
