"""Waiting until nothing of a paused queue runs; free of I/O."""

import time

from ..database import Call
from ..database.calls import queues as calls
from ..database.calls.queues import Draining
from ..errors import DrainTimeout

SHORTEST, LONGEST = 0.02, 0.5  # seconds between two looks
CLAIMS_WITHIN = 10.0  # seconds; a claim has 8 s, and what stays longer is none


class Drain:
    """One wait.

    Args:
        queue: the queue; it is paused.
        timeout: seconds from now; None = without limit.
    """

    def __init__(self, queue: str, timeout: float | None) -> None:
        self._queue, self._timeout = queue, timeout
        self._began = time.monotonic()
        self._claims: list[str] | None = None
        self._pause = SHORTEST

    def call(self) -> Call[Draining]:
        """The next look."""
        return calls.draining(self._queue, self._claims)

    def look(self, found: Draining) -> float | None:
        """Take the answer of a look.

        Returns:
            Seconds until the next one; None when the queue is drained.

        Raises:
            DrainTimeout: the time is over.
        """
        passed = time.monotonic() - self._began
        self._claims = found.claims if passed < CLAIMS_WITHIN else []
        if not found.running and not self._claims:
            return None
        left = LONGEST if self._timeout is None else self._timeout - passed
        if left <= 0:
            raise DrainTimeout(self._queue, found.running, self._timeout)
        self._pause = min(2 * self._pause, LONGEST)
        return min(self._pause, left)
