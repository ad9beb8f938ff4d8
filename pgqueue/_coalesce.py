"""Fewer wake-ups: PostgreSQL commits transactions that NOTIFY one by one, so a busy producer must not notify each time."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

WINDOW = 0.002  # seconds. A worker polls once more just after the window of the wake-up it saw: see worker/claim.py


class Coalescer:
    """Lets one enqueue per queue and window notify; the worker's trailing poll finds what came within the window."""

    def __init__(self) -> None:
        self._last: dict[str, float] = {}
        self._lock = threading.Lock()

    @contextmanager
    def waking(self, queue: str) -> Iterator[bool]:
        """Whether this enqueue is to notify. One that fails wakes nobody, so the next one notifies again."""
        now = time.monotonic()
        with self._lock:
            notify = now - self._last.get(queue, 0.0) >= WINDOW
            if notify:
                self._last[queue] = now
        try:
            yield notify
        except BaseException:
            self._last.pop(queue, None)
            raise
