"""Fewer wake-ups: PostgreSQL commits transactions that NOTIFY one by one, so a busy producer must not notify each time."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from math import inf

from ._process import this_process

WINDOW = 0.002  # seconds. A worker polls once more just after the window of the wake-up it saw: see worker/claim.py


class Coalescer:
    """Lets one enqueue per queue and window notify; the worker's trailing poll finds what came within the window."""

    def __init__(self) -> None:
        self._last: dict[object, float] = {}

    @contextmanager
    def waking(self, queue: str) -> Iterator[bool]:
        """Whether this enqueue should notify. A failed enqueue wakes no worker, so the next one notifies again."""
        # Per process: a forked child would not learn that the enqueue it relies on failed in the parent. Without a lock, which a
        # child could inherit held: at worst two threads at the very same time notify both.
        key = this_process(), queue
        now = time.monotonic()
        notify = now - self._last.get(key, -inf) >= WINDOW  # the clock may begin at 0
        if notify:
            self._last[key] = now
        try:
            yield notify
        except BaseException:
            self._last.pop(key, None)
            raise
