"""An answer that all requests of a moment share, however many ask for it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")
FOR = 1.0  # seconds


class Kept(Generic[T]):
    """Keeps an answer for a second. Whoever asks while it is being made waits for it; errors are not kept.

    Args:
        make: makes the answer.
    """

    def __init__(self, make: Callable[[], Awaitable[T]]) -> None:
        self._make = make
        self._made: tuple[float, T] | None = None
        self._making: asyncio.Future[T] | None = None

    async def get(self) -> T:
        """The answer, at most a second old."""
        if self._made is not None and time.monotonic() - self._made[0] < FOR:
            return self._made[1]
        if self._making is None or self._making.done():
            self._making = asyncio.ensure_future(self._make_one())
        return await asyncio.shield(self._making)  # one client that goes away does not end it for the others

    async def _make_one(self) -> T:
        made = await self._make()
        self._made = time.monotonic(), made
        return made
