"""An answer that all requests of a moment share, however many ask for it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")
FOR = 1.0  # seconds, unless it is told otherwise


class Kept(Generic[T]):
    """Keeps an answer for a moment. Whoever asks while it is being made waits for it; errors are not kept.

    Args:
        make: makes the answer.
        seconds: for how long it is kept, once it is made.
    """

    def __init__(self, make: Callable[[], Awaitable[T]], seconds: float = FOR) -> None:
        self._make, self._seconds = make, seconds
        self._made: tuple[float, T] | None = None
        self._making: asyncio.Future[T] | None = None

    async def get(self) -> T:
        """The answer, made no longer ago than it is kept."""
        if self._made is not None and time.monotonic() - self._made[0] < self._seconds:
            return self._made[1]
        if self._making is None or self._making.done():
            self._making = asyncio.ensure_future(self._make_one())
        return await asyncio.shield(self._making)  # one client that goes away does not end it for the others

    async def _make_one(self) -> T:
        made = await self._make()
        self._made = time.monotonic(), made
        return made
