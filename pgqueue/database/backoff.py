"""Repeating calls that the database refuses: with growing pauses, and without a log line for each try."""

import asyncio
import logging
import random
import time

LONGEST = 5.0  # seconds between two tries
SECOND = 1.0  # the shortest time between two lines: the first pauses are shorter, and say nothing new
MOST_SAID = 500  # characters of an error in a log line


def first_line(error: BaseException) -> str:
    """The first line of the message of an error, without the context that PostgreSQL adds."""
    return str(error).strip().partition("\n")[0][:MOST_SAID]


class Backoff:
    """Pauses of 0.1 s, 0.2 s, … `longest` after failures in a row, with jitter.

    Args:
        longest: the longest pause, in seconds.

    Attributes:
        failures: number of failures in a row.
    """

    def __init__(self, longest: float = LONGEST) -> None:
        self._longest = longest
        self._until = 0.0
        self.failures = 0

    def failed(self) -> float:
        """Note a failure. Returns the seconds to wait before the next try."""
        self.failures += 1
        pause: float = min(self._longest, 0.1 * 2 ** min(self.failures - 1, 10)) * random.uniform(0.5, 1.0)
        self._until = time.monotonic() + pause
        return pause

    def worked(self) -> None:
        """Note a success: the next failure starts with the shortest pause."""
        self.failures = 0

    async def wait(self) -> None:
        """Wait until the next try."""
        await asyncio.sleep(max(0.0, self._until - time.monotonic()))


class Complaints:
    """Log lines about one connection: at most one line for each pause and each second, with the number of failures.

    Args:
        log: the logger that gets the lines.
        about: names the connection in the lines.
    """

    def __init__(self, log: logging.Logger, about: str) -> None:
        self._log, self._about = log, about
        self._untold, self._silent_until = 0, 0.0

    def add(self, error: BaseException, pause: float) -> None:
        """Record a failure, followed by a pause of this many seconds."""
        self._untold += 1
        now = time.monotonic()
        if now < self._silent_until:
            return
        times = f" ({self._untold} times)" if self._untold > 1 else ""
        self._log.warning("%s: %s%s", self._about, first_line(error), times, extra={"times": self._untold})
        self._untold, self._silent_until = 0, now + max(pause, SECOND)


class Refusals:
    """The calls on one connection that the database refused, each with its own pauses; other calls continue meanwhile.

    Args:
        complaints: logs the refusals.
    """

    def __init__(self, complaints: Complaints) -> None:
        self._complaints = complaints
        self._backoffs: dict[str, Backoff] = {}

    def __bool__(self) -> bool:
        """Whether there are refused calls; if there are none, no call needs to check."""
        return bool(self._backoffs)

    async def wait(self, statement: str) -> None:
        """Wait until this call may be tried again."""
        if backoff := self._backoffs.get(statement):
            await backoff.wait()

    def refused(self, statement: str, error: BaseException) -> None:
        """Note that the call was refused."""
        self._complaints.add(error, self._backoffs.setdefault(statement, Backoff()).failed())

    def accepted(self, statement: str) -> None:
        """Note that the call was answered."""
        self._backoffs.pop(statement, None)
