"""How long the event loop of a worker is blocked, as another thread sees it."""

import asyncio
import time
from collections.abc import Callable

from .blocker import Blocking

LONG = 0.5  # seconds without an answer after which it is worth a look who blocks the loop


class LoopLag:
    """Asks the loop for a sign of life again and again, and measures how long the answer takes.

    Args:
        loop: the loop; its answers are given on it, everything else is called by one other thread.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._asked: float | None = None
        self._worst = 0.0
        self._by: tuple[float, Blocking | None] = (0.0, None)

    def look(self, who: Callable[[], Blocking | None]) -> None:
        """Note who blocks the loop, if it has not answered for long; the longest counts.

        Args:
            who: finds it.
        """
        asked, seconds = self._asked, self.open_for()
        if seconds > max(LONG, self._by[0]) and (found := who()) is not None and self._asked == asked:
            self._by = (seconds, found)

    def take_blocker(self) -> Blocking | None:
        """Who has blocked the loop for the longest since the last call of this; None if nobody, or it is not known."""
        by, self._by = self._by[1], (0.0, None)
        return by

    def ping(self) -> None:
        """Ask, unless the last question is still open."""
        if self._asked is None:
            self._asked = time.monotonic()
            self._loop.call_soon_threadsafe(self._answer)

    def open_for(self) -> float:
        """For how many seconds the loop has not answered; 0 if it has."""
        asked = self._asked
        return 0.0 if asked is None else time.monotonic() - asked

    def take(self) -> float:
        """The longest time since the last call of this, in seconds; that of an open question counts so far."""
        worst, self._worst = max(self._worst, self.open_for()), 0.0
        return worst

    def _answer(self) -> None:
        self._worst = max(self._worst, self.open_for())
        self._asked = None
