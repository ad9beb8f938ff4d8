"""Whether the kernel has killed a process of this container because its memory was used up."""

import time
from collections.abc import Callable

from ..worker.machine import Machine, fields, number, read

LOOK_EVERY = 2.0  # seconds between two looks
FILES = ("memory.events", "memory.oom_control")  # of version 2 and 1 of control groups


class OomKills(Machine):
    """Counts the processes that the kernel has killed for memory, by the control group."""

    def count(self) -> int:
        """How many there were since the group was made; 0 if it does not say."""
        for group in self._way_up("memory"):
            for name in FILES:
                if (kills := number(fields(read(group / name)).get("oom_kill"))) is not None:
                    return kills
        return 0


class OomWatch:
    """Tells whether a process that was killed just now was killed for memory.

    Only what was counted within the last seconds counts: a handler's own child may have been killed long before.

    Args:
        count: how many there were.
        now: the time in seconds.
    """

    def __init__(self, count: Callable[[], int] | None = None, now: Callable[[], float] = time.monotonic) -> None:
        self._count, self._now = count or OomKills().count, now
        self._looked = now()
        self._last = self._before = self._count()

    def look(self) -> None:
        """Look, to be repeated about every LOOK_EVERY seconds."""
        if self._now() - self._looked >= LOOK_EVERY:
            self._looked, self._before, self._last = self._now(), self._last, self._count()

    def has_killed(self) -> bool:
        """Whether one was killed within the last seconds; each counts once."""
        if self._count() <= self._before:
            return False
        self._before += 1
        self._last = max(self._last, self._before)
        return True
