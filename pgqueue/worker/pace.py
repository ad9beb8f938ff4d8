"""How many jobs to fetch ahead: about 200 ms of local work, none when handlers are slow."""

import time

AHEAD = 0.2  # seconds of work to hold locally
SLOW = 0.1  # seconds; handlers that take longer on average are fetched one by one
BRIEF = 0.0001  # seconds; handlers that take less on average end before a second handler would start beside them
BRIEF_AHEAD = 0.05  # seconds; more brief jobs with limits than free slots are claimed if they start within this time
SOON = 0.02  # seconds; slots that become free within this time count as free for jobs with limits
MOST = 1000  # jobs that a process may hold before they start
WINDOW = 0.05  # seconds between two looks at the clock
SHORTEST = 0.001  # seconds of work from which a rate is told


class Pace:
    """Measures how fast jobs end and how long handlers take, both smoothed over a few windows.

    Attributes:
        low: claim again when this many jobs wait, or fewer.
        free_soon: slots that probably become free within 20 ms; at least 1 if jobs are fetched ahead, 0 if not.
        started_soon: jobs with limits that start within 50 ms because their handlers are brief; 0 if they are not brief.
            By how fast jobs end while there are some: a worker that waits for its claims would claim ever fewer at once.
    """

    def __init__(self) -> None:
        self.low = self.free_soon = self.started_soon = 0
        self._prefetch = 0
        self._rate = 0.0
        self._busy_rate = 0.0
        self._dry_since: float | None = None
        self._dry = 0.0  # seconds of the window without any job
        self._mean = 0.0
        self._limited_mean = BRIEF  # not measured yet: they do not count as brief
        self._ended = self._limited_ended = 0
        self._elapsed = self._limited_elapsed = 0.0
        self._since = time.monotonic()

    def ended(self, elapsed: float, is_limited: bool = False) -> None:
        """Note that a handler ended after `elapsed` seconds, and whether its job has limits."""
        self._ended += 1
        self._elapsed += elapsed
        if is_limited:
            self._limited_ended += 1
            self._limited_elapsed += elapsed

    def dry(self) -> None:
        """Note that the last job has ended, and none waits."""
        if self._dry_since is None:
            self._dry_since = time.monotonic()

    def fed(self) -> None:
        """Note that jobs have come."""
        if self._dry_since is not None:
            self._dry += time.monotonic() - self._dry_since
            self._dry_since = None

    def prefetch(self) -> int:
        """Jobs to hold beyond the free slots."""
        now = time.monotonic()
        window = now - self._since
        if window >= WINDOW and self._ended:
            self._rate = (self._rate + self._ended / window) / 2
            self._busy_rate = (self._busy_rate + self._ended / self._busy(now, window)) / 2
            self._mean = (self._mean + self._elapsed / self._ended) / 2
            if self._limited_ended:
                self._limited_mean = (self._limited_mean + self._limited_elapsed / self._limited_ended) / 2
                self._limited_ended, self._limited_elapsed = 0, 0.0
            self._ended, self._elapsed, self._since = 0, 0.0, now
            self._prefetch = 0 if self._mean > SLOW else min(MOST, int(self._rate * AHEAD))
            self.low = self._prefetch // 2
            self.free_soon = max(1, int(self._rate * SOON)) if self._prefetch else 0
            self.started_soon = min(MOST, int(self._busy_rate * BRIEF_AHEAD)) if self._limited_mean < BRIEF else 0
        return self._prefetch

    def _busy(self, now: float, window: float) -> float:
        """Seconds of the window in which there were jobs."""
        if self._dry_since is not None:
            self._dry += now - max(self._dry_since, self._since)
            self._dry_since = now
        dry, self._dry = self._dry, 0.0
        return max(window - dry, SHORTEST)
