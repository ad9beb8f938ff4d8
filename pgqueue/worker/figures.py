"""Rolling up what has ended: any worker does it, and the database says which one and when, see sql/functions/metrics."""

import asyncio
import random
from collections.abc import Awaitable, Callable

from ..database import Link
from ..database.calls import metrics as calls

FIRST_AFTER = 2.0  # seconds from the start: a worker that ends at once opens no connection for it
SOON = 5.0  # seconds until the next call for which the connection stays open


class Figures:
    """Brings the roll-ups up to date.

    Args:
        link: its own connection, because a minute of a million jobs takes a second or two. It is open while there is something
            to do, so that it is none of those that an idle worker holds.
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
        if again > SOON:
            await self._link.close()
        await asyncio.sleep(again * random.uniform(1.0, 1.1))
