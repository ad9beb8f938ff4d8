"""Carrying on with operations: bulk work that somebody has started over a filter, see sql/functions/operations."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress

from ..database import Link
from ..database.calls import operations as calls
from ..errors import Disconnected
from .slow import ALONE


class Operations:
    """Takes one step of an operation after the other while there are any.

    Args:
        link: the connection for its calls. A step takes some 40 ms, so that others who use it need not wait.
        lease: seconds; every third of it the worker looks by itself, because notifications can be lost.
        stretch: how many times as long it may wait; see `Alarm.upkeep_stretch`.
    """

    def __init__(self, link: Link, lease: float, stretch: Callable[[], float] = lambda: 1.0) -> None:
        self._link, self._lease, self._stretch = link, lease, stretch
        self._wanted = asyncio.Event()

    def wanted(self) -> None:
        """An operation was started: look at once."""
        self._wanted.set()

    def steps(self) -> dict[str, Callable[[], Awaitable[None]]]:
        """The step of its loop, by the name of the loop, for `Maintenance.loops`."""
        return {"operations": self.step}

    async def step(self) -> None:
        """Take a step and wait until the next one."""
        self._wanted.clear()
        again = await self._carry_on()
        if again == 0:
            return
        longest = self._lease / 3 * self._stretch() * random.uniform(0.9, 1.1)
        with suppress(TimeoutError):
            async with asyncio.timeout(longest if again is None else min(again, longest)):
                await self._wanted.wait()

    async def _carry_on(self) -> float | None:
        """Take a step. A job on which it takes long to act, such as a node above a million others, is a step of its own."""
        try:
            return await self._link.run(calls.carry_on_operations())
        except Disconnected as error:
            if not error.too_slow:
                raise
        return await self._link.run(calls.carry_on_operations(most=1, within=ALONE))
