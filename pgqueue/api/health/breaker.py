"""The breaker: while the database cannot be reached, requests are refused at once, and one at a time tries whether it can."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg

from ...database.backoff import first_line
from ...database.connection import DeadlinePassed
from ...errors import NoConnection

log = logging.getLogger("pgqueue.api")

_CUT = ("08", "57P")  # SQLSTATEs of a server that ends, starts, or is gone


class Breaker:
    """Closed: all calls run. Open: none does. Half-open: one tries, and the others are refused.

    Args:
        failures: so many failures to reach the database in a row open it.
        pause: seconds until an open one lets a call try.
        clock: seconds.
    """

    def __init__(self, failures: int = 3, pause: float = 1.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._pause, self._clock = failures, pause, clock
        self._failures = 0
        self._opened_at = 0.0
        self._is_trying = False

    @property
    def state(self) -> str:
        """Closed, open or half-open."""
        if self._failures < self._most:
            return "closed"
        return "open" if self._clock() < self._opened_at + self._pause else "half-open"

    @contextmanager
    def trial(self) -> Iterator[None]:
        """Around a call of the database.

        Raises:
            NoConnection: the call is not to be made now.
        """
        is_try = self._enter()
        try:
            yield
        except Exception as error:
            self._note(error if is_unreachable(error) else None, is_try)
            raise
        else:
            self._note(None, is_try)
        finally:
            if is_try:  # one that was cancelled tells nothing, and the next call tries
                self._is_trying = False

    def _enter(self) -> bool:
        state = self.state
        if state == "closed":
            return False
        if state == "open" or self._is_trying:
            raise NoConnection("the database cannot be reached; it is tried again each second")
        self._is_trying = True
        return True

    def _note(self, failure: Exception | None, is_try: bool) -> None:
        """Note how a call has ended; one that began before the breaker opened changes it no more."""
        was_open = self._failures >= self._most
        if was_open and not is_try:
            return
        self._failures = 0 if failure is None else self._failures + 1
        self._opened_at = self._clock()
        if failure is None and was_open:
            log.info("the database is reached again")
        elif self._failures == self._most and failure is not None:
            log.warning("the database cannot be reached, requests are refused meanwhile: %s", first_line(failure))


def is_unreachable(error: Exception) -> bool:
    """Whether this error says that the database cannot be reached, and not that it refuses a call or is busy."""
    if isinstance(error, NoConnection):
        return not error.is_busy
    if isinstance(error, DeadlinePassed):
        return True
    if not isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return False
    return error.sqlstate is None or error.sqlstate.startswith(_CUT)
