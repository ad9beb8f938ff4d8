"""Slots that are lost for as long as their handlers do not end, although their runs are over."""

import asyncio
import logging
from collections.abc import Callable

from ..context import JobContext
from ..logs.current import of_job
from .outcome import Outcome
from .room import Room

log = logging.getLogger("pgqueue.worker")
SHARE = 4  # a worker is worn out when more than one slot in four is abandoned


class Abandoned:
    """The abandoned slots of a worker. They count as taken, but their jobs do not count as running.

    Args:
        concurrency: the number of all slots.
        running: the slot of each job whose handler runs, by job id.
        room: is told how many slots are left.
        hand_in: takes the outcomes of abandoned runs.
        on_worn_out: called once, when more than a quarter of the slots is abandoned.
    """

    def __init__(
        self,
        concurrency: int,
        running: dict[int, asyncio.Task[None]],
        room: Room,
        hand_in: Callable[[Outcome], None],
        on_worn_out: Callable[[], object],
    ) -> None:
        self._concurrency, self._running, self._room = concurrency, running, room
        self._hand_in, self._on_worn_out = hand_in, on_worn_out
        self._slots: set[asyncio.Task[None]] = set()
        self._is_worn_out = self._is_closed = False

    def __contains__(self, slot: asyncio.Task[None]) -> bool:
        return slot in self._slots

    def add(self, slot: asyncio.Task[None], outcome: Outcome) -> None:
        """End a run with this outcome although its handler does not end. The job may be claimed again, by this worker too."""
        self._take(slot, outcome.job)
        self._hand_in(outcome)
        self._look_if_worn_out()

    def take(self, slot: asyncio.Task[None], job: JobContext) -> None:
        """`add` for a run without an outcome."""
        self._take(slot, job)
        self._look_if_worn_out()

    def _take(self, slot: asyncio.Task[None], job: JobContext) -> None:
        job.dropped = True
        if self._running.get(job.id) is slot:
            del self._running[job.id]
        self._room.limited_running -= job.limits is not None
        self._slots.add(slot)
        self._room.concurrency -= 1
        facts = of_job(job)
        log.warning("the run of job %s is over, but its handler does not end: %s", job.id, self, extra=facts)

    def _look_if_worn_out(self) -> None:
        if SHARE * len(self._slots) > self._concurrency and not self._is_worn_out:
            self._is_worn_out = True
            self._on_worn_out()

    def discard(self, slot: asyncio.Task[None]) -> bool:
        """Count a slot again whose handler has ended. Returns whether it was abandoned."""
        if slot not in self._slots:
            return False
        self._slots.remove(slot)
        self._room.concurrency += 1
        if not self._is_closed:
            log.info("a handler has ended after its run was over: %s", self)
        return True

    def close(self) -> None:
        """The worker ends: slots are cancelled now, whether their handlers end or not."""
        self._is_closed = True

    def __str__(self) -> str:
        return f"{len(self._slots)} of {self._concurrency} slots abandoned"
