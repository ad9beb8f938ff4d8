"""Fewer wake-ups: PostgreSQL commits transactions that NOTIFY one by one, so a busy producer must not notify each time."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from math import inf

from ._process import this_process

WINDOW = 0.002  # seconds. A worker polls once more just after the window of the wake-up it saw: see worker/claim.py


class Coalescer:
    """Lets one enqueue per queue and window notify; the worker's next look finds other jobs of the window."""

    def __init__(self) -> None:
        self._last: dict[object, float] = {}

    @contextmanager
    def waking(self, queue: str) -> Iterator[bool]:
        """Whether this enqueue should notify. A failed enqueue wakes no worker, so the next one notifies again."""
        # Per process: a forked child would not know if the enqueue that notifies has failed in the parent. No lock, because a
        # child could inherit it locked: at worst two threads notify at the same time.
        key = this_process(), queue
        now = time.monotonic()
        notify = now - self._last.get(key, -inf) >= WINDOW  # -inf, because the clock may start at 0
        if notify:
            self._last[key] = now
        try:
            yield notify
        except BaseException:
            self._last.pop(key, None)
            raise
