"""Turns: of many that wait for jobs of one queue, one looks at a time.

A wake says that a queue may have jobs, and not how many. If all 100 polls of a queue looked, 99 would ask the database for
nothing. So one of them has the turn: it looks, and the next one gets the turn only if there may be more, see `Turns`.
"""

import time
from typing import Protocol

EVERY = 1.0  # seconds from one turn to the next without a wake: a notification may be lost
LONGEST = 5.0  # seconds until a turn that was not ended goes to another: its holder may wait for the database
LEAST = 0.01  # seconds until a turn that somebody has asked for


class Taker(Protocol):
    """One that waits for a turn."""

    def take(self, now: float) -> None:
        """Look at all queues of this taker now."""


class Turns:
    """The turns of those that wait for one queue and find the same jobs.

    There is at most one holder. It ends its turn when it waits again, which says that it has found nothing, or passes it on.
    A wake during a turn makes the next turn due, because the holder may have looked before the wake.
    """

    def __init__(self) -> None:
        self.waiting: dict[Taker, None] = {}  # in the order in which they came
        self.members = 0
        self._holder: Taker | None = None
        self._held_since = 0.0
        self._is_due = False
        self._next_at = time.monotonic() + EVERY

    def wake(self) -> None:
        """There may be jobs: somebody is to look."""
        self._is_due = True
        self.offer(time.monotonic())

    def wish(self, seconds: float) -> None:
        """Somebody is to look in this time: a job may be due then."""
        self._next_at = min(self._next_at, time.monotonic() + max(seconds, LEAST))

    def offer(self, now: float) -> None:
        """Give the turn to the one that has waited longest, if a turn is due and nobody has it."""
        if self.waiting and not self._is_held(now) and (self._is_due or now >= self._next_at):
            next(iter(self.waiting)).take(now)

    def give(self, taker: Taker, now: float) -> bool:
        """Note that this taker looks now. Returns whether it has the turn, and not another one."""
        self._next_at = now + EVERY
        if self._is_held(now):
            return False
        self._holder, self._held_since, self._is_due = taker, now, False
        return True

    def end(self, taker: Taker, may_have_more: bool) -> None:
        """End the turn of this taker, unless another one has it by now."""
        if self._holder is taker:
            self._holder = None
            self._is_due = self._is_due or may_have_more
            self.offer(time.monotonic())

    def sleeps_until(self) -> float:
        """When those that wait must look whether a turn is due."""
        return self._next_at if self._holder is None else max(self._next_at, self._held_since + LONGEST)

    def _is_held(self, now: float) -> bool:
        return self._holder is not None and now < self._held_since + LONGEST
