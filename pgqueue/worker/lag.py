"""How long the event loop of a worker is blocked, as another thread sees it."""

import asyncio
import time


class LoopLag:
    """Asks the loop for a sign of life again and again, and measures how long the answer takes.

    Args:
        loop: the loop; its answers are given on it, everything else is called by one other thread.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._asked: float | None = None
        self._worst = 0.0

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
