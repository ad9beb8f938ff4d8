"""Turns: of many that wait for jobs of one queue, one looks at a time.

A wake says that a queue may have jobs, and not how many. If all 100 polls of a queue looked, 99 would ask the database for
nothing. So one of them has the turn: it looks, and the next one gets the turn only if there may be more, see `Turns`.
"""

import asyncio
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
        self._timer: asyncio.TimerHandle | None = None  # of the next offer, whoever is gone by then
        self._timer_at = 0.0

    def wake(self) -> None:
        """There may be jobs: somebody is to look."""
        self._is_due = True
        self.offer(time.monotonic())

    def wish(self, seconds: float) -> None:
        """Somebody is to look in this time: a job may be due then."""
        self._next_at = min(self._next_at, time.monotonic() + max(seconds, LEAST))

    def offer(self, now: float) -> None:
        """Give the turn to the one that has waited longest, if a turn is due and nobody has it; if not, when that is so."""
        if not self.waiting:
            return
        if (at := self._offers_at(now)) <= now:
            next(iter(self.waiting)).take(now)
        elif self._timer is None or at < self._timer_at:
            if self._timer is not None:
                self._timer.cancel()
            self._timer, self._timer_at = asyncio.get_running_loop().call_later(at - now, self._offer_again), at

    def give(self, taker: Taker, now: float) -> bool:
        """Note that this taker looks now. Returns whether it has the turn, and not another one."""
        self._next_at = now + EVERY
        is_free = not self._is_held(now)
        if is_free:
            self._holder, self._held_since, self._is_due = taker, now, False
        self.offer(now)
        return is_free

    def end(self, taker: Taker, may_have_more: bool) -> None:
        """End the turn of this taker, unless another one has it by now."""
        if self._holder is taker:
            self._holder = None
            self._is_due = self._is_due or may_have_more
            self.offer(time.monotonic())

    def _offers_at(self, now: float) -> float:
        due_at = now if self._is_due else self._next_at
        return max(due_at, self._held_since + LONGEST) if self._is_held(now) else due_at

    def _is_held(self, now: float) -> bool:
        return self._holder is not None and now < self._held_since + LONGEST

    def _offer_again(self) -> None:
        self._timer = None
        self.offer(time.monotonic())
