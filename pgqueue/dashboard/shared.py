"""What all who look at the same moment share: twenty open pages ask the database as often as one."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Any

SECONDS = 1.0  # for which an answer is shared
MOST = 500  # answers that are kept


class Shared:
    """Keeps answers for a moment, by what was asked and with which rights. Errors are not kept."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._kept: dict[Hashable, tuple[float, asyncio.Future[Any]]] = {}

    async def get(self, key: Hashable, make: Callable[[], Awaitable[Any]]) -> Any:
        """The answer, made no longer ago than it is shared. Whoever asks while it is being made waits for it."""
        found = self._kept.get(key)
        if found is None or self._is_over(*found):
            self._make_room()
            made = asyncio.ensure_future(make())
            made.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody may be left to hear it
            found = self._kept[key] = time.monotonic(), made
        return await asyncio.shield(found[1])  # one that goes away, or waits no longer, does not end it for the others

    def forget(self) -> None:
        """Ask anew from now on: something has changed."""
        self._kept.clear()

    def _is_over(self, asked_at: float, made: asyncio.Future[Any]) -> bool:
        if made.get_loop() is not asyncio.get_running_loop():
            return True
        if not made.done():
            return False
        return made.cancelled() or made.exception() is not None or time.monotonic() - asked_at >= self._seconds

    def _make_room(self) -> None:
        if len(self._kept) >= MOST:
            self._kept = {key: one for key, one in self._kept.items() if not self._is_over(*one)}
        while len(self._kept) >= MOST:
            del self._kept[next(iter(self._kept))]
