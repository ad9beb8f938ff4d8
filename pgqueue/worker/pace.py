"""How many jobs to fetch ahead: about 200 ms of local work, none when handlers are slow."""

import time

AHEAD = 0.2  # seconds of work to hold locally
SLOW = 0.1  # seconds; handlers that take longer on average are fetched one by one
BRIEF = 0.0001  # seconds; handlers that take less on average have ended before others would begin beside them
SOON = 0.02  # seconds in which whatever is claimed of brief jobs with limits must have started
MOST = 1000  # unstarted jobs a process may hold
WINDOW = 0.05  # seconds between two looks at the clock


class Pace:
    """Measures how fast jobs end and how long handlers take, both smoothed over a few windows.

    Attributes:
        low: claim again when no more jobs than this wait.
    """

    def __init__(self) -> None:
        self.low = 0
        self._prefetch = 0
        self._rate = 0.0
        self._mean = 0.0
        self._ended = 0
        self._elapsed = 0.0
        self._since = time.monotonic()

    def ended(self, elapsed: float) -> None:
        """Note that a handler ended after `elapsed` seconds."""
        self._ended += 1
        self._elapsed += elapsed

    def prefetch(self) -> int:
        """Jobs to hold beyond the free slots."""
        now = time.monotonic()
        window = now - self._since
        if window >= WINDOW and self._ended:
            self._rate = (self._rate + self._ended / window) / 2
            self._mean = (self._mean + self._elapsed / self._ended) / 2
            self._ended, self._elapsed, self._since = 0, 0.0, now
            self._prefetch = 0 if self._mean > SLOW else min(MOST, int(self._rate * AHEAD))
            self.low = self._prefetch // 2
        return self._prefetch

    def started_soon(self) -> int:
        """Jobs that start within 20 ms because handlers are that brief; 0 when they are not: then a job needs a free slot."""
        return min(MOST, int(self._rate * SOON)) if self._mean < BRIEF else 0
