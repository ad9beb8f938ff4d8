"""Rolling up what has ended: any worker does it, and the database says which one and when, see sql/functions/metrics."""

import asyncio
import random
from collections.abc import Awaitable, Callable

from ..database import Link
from ..database.calls import metrics as calls

FIRST_AFTER = 2.0  # seconds from the start: a worker that ends at once rolls nothing up


class Figures:
    """Brings the roll-ups up to date.

    Args:
        link: its own, because a minute of a million jobs takes a second or two.
    """

    def __init__(self, link: Link) -> None:
        self._link = link
        self._has_begun = False

    def steps(self) -> dict[str, Callable[[], Awaitable[None]]]:
        """The step of its loop, by the name of the loop, for `Maintenance.loops`."""
        return {"figures": self.step}

    async def step(self) -> None:
        """Roll up what is closed, and wait until the next minute is."""
        if not self._has_begun:
            await asyncio.sleep(FIRST_AFTER * random.uniform(1.0, 2.0))
            self._has_begun = True
        again = await self._link.run(calls.roll_up())
        await asyncio.sleep(again * random.uniform(1.0, 1.1))
