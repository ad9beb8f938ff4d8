"""The timing of one wait: when to poll, how long a poll may take, and what to do if the database does not answer."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

import psycopg

from .._checks import check_timeout
from ..database import Call
from ..database.backoff import first_line
from ..database.translate import is_transient

T = TypeVar("T")
log = logging.getLogger("pgqueue")
FIRST_PAUSE, LONGEST_PAUSE = 0.02, 0.25  # seconds
LONGEST = 1e8  # seconds, about three years
LATE = 0.8  # seconds beyond its timeout that a wait may take when the database does not answer


class Patience:
    """The timeout and the pauses of one wait.

    Args:
        timeout: seconds; None = no limit, 0 = one poll.

    Raises:
        InvalidArgument: timeout is not a valid number of seconds.

    Attributes:
        error: why the database did not answer the last look; None if it did.
    """

    def __init__(self, timeout: float | None) -> None:
        if timeout is not None:
            check_timeout(timeout)
        self._ends = None if timeout is None else time.monotonic() + min(timeout, LONGEST)
        self._is_told, self._is_poll = False, timeout == 0
        self.error: psycopg.Error | None = None

    def left(self) -> float | None:
        """Seconds until the timeout, at least 0; None without a timeout."""
        return None if self._ends is None else max(0.0, self._ends - time.monotonic())

    def pauses(self) -> Iterator[float]:
        """Pauses between two looks: 20 ms growing to 250 ms, the last pause cut at the timeout; 0 after the last look."""
        pause = FIRST_PAUSE
        while (left := self.left()) is None or left > 0:
            yield pause if left is None else min(pause, left)
            pause = min(pause * 1.25, LONGEST_PAUSE)
        yield 0

    def ask(self, run: Callable[..., T], call: Call[T]) -> T | None:
        """Look once. Returns None if the database does not answer for a temporary reason."""
        try:
            answer = run(call, wait=self._look_within())
        except psycopg.Error as error:
            self._failed(error)
            return None
        self.error = None
        return answer

    async def aask(self, run: Callable[..., Awaitable[T]], call: Call[T]) -> T | None:
        """`ask` for async code."""
        try:
            answer = await run(call, wait=self._look_within())
        except psycopg.Error as error:
            self._failed(error)
            return None
        self.error = None
        return answer

    def look_within(self, seconds: float) -> float | None:
        """Seconds for one more look when the wait is over, at most so many; None: it was one poll, or nobody answers."""
        if self._is_poll or self.error is not None or (left := self._look_within()) is None:
            return None
        return min(seconds, left)

    def insist(self, run: Callable[..., T], call: Call[T]) -> T | None:
        """Look until the database answers. Returns None if it did not answer in time."""
        for pause in self.pauses():
            if (answer := self.ask(run, call)) is not None:
                return answer
            time.sleep(pause)
        return None

    async def ainsist(self, run: Callable[..., Awaitable[T]], call: Call[T]) -> T | None:
        """`insist` for async code."""
        for pause in self.pauses():
            if (answer := await self.aask(run, call)) is not None:
                return answer
            await asyncio.sleep(pause)
        return None

    def _look_within(self) -> float | None:
        return None if self._ends is None else max(0.0, self._ends + LATE - time.monotonic())

    def _failed(self, error: psycopg.Error) -> None:
        if not is_transient(error):
            raise error
        self.error = self.error or error  # the first error shows the cause
        if not self._is_told:  # log once for each wait, which looks several times a second
            self._is_told = True
            log.warning("the database does not answer while waiting; trying again: %s", first_line(error))
