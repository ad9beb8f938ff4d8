"""Counting live jobs for those who look at a large install, so that not each of them counts."""

import asyncio
import random
from collections.abc import Awaitable, Callable

from ..database import Link
from ..database.calls import depths as calls
from .signals import Alarm


class Depths:
    """A step of maintenance.

    Args:
        link: a connection on which nothing urgent runs, because a count may take seconds.
        alarm: it has the number of workers.
    """

    def __init__(self, link: Link, alarm: Alarm) -> None:
        self._link, self._alarm = link, alarm
        self._is_large = asyncio.Event()

    def steps(self) -> dict[str, Callable[[], Awaitable[None]]]:
        """The step, by its name."""
        return {"live jobs": self._sweep}

    def grown(self) -> None:
        """The install is so large that its live jobs are counted beforehand."""
        self._is_large.set()

    async def _sweep(self) -> None:
        """Count when it is due, unless another worker has; not at all while the install is small."""
        await self._is_large.wait()
        next_in = await self._link.run(calls.sweep_depths())
        if next_in is None:
            self._is_large.clear()
            return
        await asyncio.sleep(next_in + random.uniform(0, self._alarm.workers))  # not all of them at once
