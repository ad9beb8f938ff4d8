"""Rolling up what has ended: any worker does it, and the database says which one and when, see sql/functions/metrics."""

import asyncio
import random
from collections.abc import Awaitable, Callable

from ..database import Link
from ..database.calls import metrics as calls

SOON = 5.0  # seconds until the next call for which the connection stays open


class Figures:
    """Brings the roll-ups up to date.

    Args:
        link: its own connection, because a minute of a million jobs takes a second or two. It is open while there is something
            to do, so that it is none of those that an idle worker holds.
    """

    def __init__(self, link: Link) -> None:
        self._link = link

    def steps(self) -> dict[str, Callable[[], Awaitable[None]]]:
        """The step of its loop, by the name of the loop, for `Maintenance.loops`."""
        return {"figures": self.step}

    async def step(self) -> None:
        """Roll up what is closed, and wait until the next minute is."""
        again = await self._link.run(calls.roll_up())
        if again > SOON:
            await self._link.close()
        await asyncio.sleep(again * random.uniform(1.0, 1.1))
