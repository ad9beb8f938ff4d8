"""Answers that wait: no connection of the database is held meanwhile, and a client that goes away ends the wait."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from time import monotonic
from typing import Protocol, TypeVar

from starlette.requests import Request

from .gone import until_gone

T = TypeVar("T")
LONGEST = 30.0  # seconds


class Hears(Protocol):
    """Ends a wait when there may be something new to see; see `hub.Ear`."""

    async def wait(self, seconds: float) -> bool:
        """Wait, at most so many seconds. Returns whether the process is about to end."""


class Ticks:
    """Looks again and again, for what nobody notifies of.

    Args:
        stopping: ends the wait: the process is about to end.
        seconds: between two looks.
    """

    def __init__(self, stopping: asyncio.Event, seconds: float = 0.5) -> None:
        self._stopping, self._seconds = stopping, seconds

    async def wait(self, seconds: float) -> bool:
        """See `Hears`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(min(seconds, self._seconds)):
                await self._stopping.wait()
        return self._stopping.is_set()


async def wait_until(
    request: Request, ear: Hears, seconds: float, look: Callable[[], Awaitable[T]], is_enough: Callable[[T], bool]
) -> T:
    """What `look` sees last: what is enough, or what there is after so many seconds, or when nobody waits any more.

    Args:
        request: its client may go away. Its body must have been read.
        ear: says when to look again.
        seconds: 0 = look once.
        look: reads from the database.
        is_enough: whether the wait is over.
    """
    until = monotonic() + seconds
    gone = asyncio.create_task(until_gone(request.receive)) if seconds > 0 else None
    try:
        while True:
            found = await look()
            left = until - monotonic()
            if gone is None or left <= 0 or is_enough(found) or await _is_over(ear, left, gone):
                return found
    finally:
        if gone is not None:
            await _end(gone)


async def _is_over(ear: Hears, seconds: float, gone: "asyncio.Task[None]") -> bool:
    """Wait for the ear. Returns whether nobody waits for the answer any more, or the process ends."""
    waiting = asyncio.create_task(ear.wait(seconds))
    try:
        await asyncio.wait({waiting, gone}, return_when=asyncio.FIRST_COMPLETED)
        return gone.done() or waiting.result()
    finally:
        await _end(waiting)


async def _end(task: "asyncio.Task[T]") -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await asyncio.wait({task})
