"""Looks that walk the index entries of ended jobs: whole ones become rare while they are slow.

An index keeps the entries of all jobs that have ended since the oldest snapshot of the database. While somebody holds one, a look
at all that runs takes longer with every job; a look at what was claimed lately does not.
"""

import time

CHEAP = 0.05  # seconds that a whole look may take without being made more rarely
SHARE = 100  # slower ones take at most a hundredth of the time


class Sparse:
    """When the next look is to be a whole one."""

    def __init__(self) -> None:
        self._whole_at = 0.0
        self._began = 0.0

    def begin(self) -> bool:
        """A look begins. Returns whether it is to be a whole one."""
        self._began = time.monotonic()
        return self._began >= self._whole_at

    def end(self, *, whole: bool) -> None:
        """It has ended, answered or not: one that misses its deadline is not made again at once."""
        now = time.monotonic()
        took = now - self._began
        if whole:
            self._whole_at = now + SHARE * took if took > CHEAP else 0.0
