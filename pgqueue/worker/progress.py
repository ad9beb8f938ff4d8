"""Whether the claim loop of a worker goes on, for whoever watches the worker from outside."""

import time
from collections.abc import Callable


class Progress:
    """When the claim loop made progress last. Written on the event loop, read in any thread.

    Args:
        on_ready: called once the first claim was answered.

    Attributes:
        has_claimed: whether a claim was answered.
    """

    def __init__(self, on_ready: Callable[[], object] = lambda: None) -> None:
        self._on_ready = on_ready
        self._at, self._is_waiting = time.monotonic(), False
        self.has_claimed = False

    def made(self) -> None:
        """Note progress."""
        self._at, self._is_waiting = time.monotonic(), False

    def claimed(self) -> None:
        """Note that a claim was answered."""
        self.made()
        if not self.has_claimed:
            self.has_claimed = True
            self._on_ready()

    def waits(self) -> None:
        """Note that it waits for something that may rightly take long, such as a free slot, until it makes progress."""
        self._is_waiting = True

    def ended(self) -> None:
        """Note that the loop has ended: it no longer waits."""
        self._is_waiting = False

    def age(self) -> float:
        """Seconds since the last progress; 0 while it waits."""
        return 0.0 if self._is_waiting else time.monotonic() - self._at
