"""The arithmetic of free places: how many jobs to claim, and how many of them with limits."""

import time

from .pace import AHEAD, SOON, Pace

MOST_BRIEF = 10  # jobs with limits for each slot, where their handlers are brief


class Room:
    """How many jobs the slots have room for.

    Args:
        concurrency: handlers that run at once, see the attribute.
        pace: how fast jobs end.

    Attributes:
        concurrency: handlers that may run at once; abandoned slots do not count.
        limited_waiting, limited_running: number of jobs with limits that wait, and that run.
        last_start: when a slot last took a job, on time.perf_counter().
        is_large: whether the jobs are so large that none are fetched ahead.
    """

    def __init__(self, concurrency: int, pace: Pace) -> None:
        self.concurrency, self._pace = concurrency, pace
        self.limited_waiting = self.limited_running = 0
        self.last_start = 0.0
        self.is_large = False

    def wanted(self, waiting: int, preparing: int, running: int) -> int:
        """How many jobs to claim; 0 if another claim is not worth its round trip."""
        prefetch = 0 if self.is_large or self.is_stuck(running, AHEAD) else self._pace.prefetch()
        if waiting > self._pace.low:
            return 0
        free = self.concurrency + prefetch - waiting - preparing - running
        # Half of what it may hold: while one half runs, the other half is fetched.
        return max(0, min(free, max(self.concurrency, prefetch // 2)))

    def limited(self, preparing: int, running: int) -> int:
        """How many jobs with limits could start at once. They are not fetched ahead: a job that counts against a limit must run.

        Slots that jobs without limits will free soon are reserved too; otherwise prefetched jobs would always take them.
        """
        free = self._limited_most(running) - preparing - running
        coming = min(running - self.limited_running, self._pace.free_soon)
        return (free if free >= coming or self.is_stuck(running, AHEAD) else coming) - self.limited_waiting

    def is_worth_limited(self, preparing: int, running: int) -> bool:
        """Whether there is room for half of the jobs with limits that may run at once."""
        return 2 * self.limited(preparing, running) >= self._limited_most(running)

    def _limited_most(self, running: int) -> int:
        """One per slot. Jobs with very brief handlers may be more, up to a cap, because the next handlers may be slow."""
        brief = 0 if self.is_stuck(running, SOON) else min(self._pace.started_soon, MOST_BRIEF * self.concurrency)
        return max(self.concurrency, brief)

    def is_stuck(self, running: int, seconds: float) -> bool:
        """Whether every slot is taken and no slot has taken a job for this long."""
        return running >= self.concurrency and self.is_still(seconds)

    def is_still(self, seconds: float) -> bool:
        """Whether no slot has taken a job for this long."""
        return time.perf_counter() - self.last_start > seconds
