"""Rolling up what has ended: any worker does it, and the database says which one and when, see sql/functions/metrics."""

import asyncio
import random
from collections.abc import Awaitable, Callable

from ..database import Link
from ..database.calls import metrics as calls


class Figures:
    """Brings the roll-ups up to date.

    Args:
        link: its own connection, because a minute of a million jobs takes a second or two; opened at the first call.
    """

    def __init__(self, link: Link) -> None:
        self._link = link

    def steps(self) -> dict[str, Callable[[], Awaitable[None]]]:
        """The step of its loop, by the name of the loop, for `Maintenance.loops`."""
        return {"figures": self.step}

    async def step(self) -> None:
        """Roll up what is closed, and wait until the next minute is."""
        again = await self._link.run(calls.roll_up())
        await asyncio.sleep(again * random.uniform(1.0, 1.1))
