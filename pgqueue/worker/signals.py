"""Who wakes whom: the listener, the finisher and the slots ring, the claimer and the maintenance wait."""

import asyncio
import math
import random
from contextlib import suppress

from .backstop import MOST_UPKEEP, stretched


class Alarm:
    """Wakes the claimer, and the maintenance that promotes. On the event loop's thread only.

    Attributes:
        workers: active workers, as of the last heartbeat: they all wake at once.
        peers: active workers that look at the queues of this one, this one among them: at the queue that the fewest look at.
        is_hearing: whether notifications arrive, as far as the heartbeat knows.
        unanswered_at: when a claim was last not answered, by time.monotonic(): it may have taken jobs that nobody holds.
        scheduled: set by each ring: the job that rang may be scheduled, and due a moment later.
    """

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._rang = False
        self.workers = self.peers = 1
        self.is_hearing = False
        self.scheduled = asyncio.Event()
        self.unanswered_at = -math.inf

    def upkeep_stretch(self) -> float:
        """How many times as long as alone this worker may sleep between two looks for the whole install; see `backstop`."""
        return stretched(self.workers, self.is_hearing, MOST_UPKEEP)

    def ring(self) -> None:
        """Wake the claimer: there may be jobs to claim, or to promote."""
        self._rang = True
        self._event.set()
        self.scheduled.set()

    def nudge(self) -> None:
        """Wake the claimer: this worker has room again, or a place of a limit is free."""
        self._event.set()

    def rang(self) -> bool:
        """Whether there was a ring since the last look, without waiting for one."""
        rang, self._rang = self._rang, False
        self._event.clear()
        return rang

    async def wait(self, timeout: float) -> bool:
        """Wait for a ring or a nudge; whether there was a ring."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._event.wait()
        return self.rang()

    async def spread(self) -> None:
        """Wait a random moment, so that workers do not all claim at once."""
        if moment := self.moment():
            await asyncio.sleep(moment)

    def moment(self, each: float = 0.0002, most: float = 0.02) -> float:
        """A random moment in seconds, longer the more workers there are."""
        return random.uniform(0, min(most, each * self.workers)) if self.workers > 1 else 0.0
