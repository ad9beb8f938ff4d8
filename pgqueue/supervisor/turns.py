"""Whose turn it is to be replaced: one process at a time, and the next one a moment later."""

import random
import time

from .place import Place
from .process import Process

LONGEST = 60.0  # seconds for which the next replacement waits at most until a drained process has ended
PAUSE = 1.0  # seconds between two replacements at most, by chance


class Turns:
    """Gives one place at a time the right to replace its process."""

    def __init__(self) -> None:
        self._place: Place | None = None
        self._old: Process | None = None
        self._until = self._next_at = 0.0

    def is_free(self) -> bool:
        """Whether a replacement may begin."""
        return self._place is None and time.monotonic() >= self._next_at

    def begin(self, place: Place) -> None:
        """Give the turn to a place whose new process boots."""
        self._place, self._old = place, None

    def drains(self, place: Place, old: Process | None) -> None:
        """Note that the new process has taken the place, and the old one drains."""
        self._place, self._old, self._until = place, old, time.monotonic() + LONGEST

    def look(self) -> None:
        """End the turn if the replacement is over: it has failed, or the old process has ended or takes too long."""
        if self._place is None:
            return
        is_over = self._place.successor is None if self._old is None else self._has_ended(self._old)
        if is_over:
            self._place = self._old = None
            self._next_at = time.monotonic() + random.uniform(0, PAUSE)

    def _has_ended(self, old: Process) -> bool:
        return old.code is not None or time.monotonic() >= self._until
