"""Starts under one rate limit: what was used of it, and where it was exceeded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

TOLERANCE = 1e-3
"""Tokens: times are stored in microseconds."""


@dataclass(frozen=True)
class Starts:
    """The moments of all starts, in order, in seconds after the first, and the limit that they were under."""

    times: Sequence[float]
    rate: float
    burst: float

    def within(self, seconds: float) -> int:
        """Starts in the first so many seconds."""
        return sum(at <= seconds for at in self.times)

    def used(self, seconds: float) -> float:
        """The share of what the limit allows in the first so many seconds."""
        return self.within(seconds) / (self.burst + self.rate * seconds)

    def violations(self) -> int:
        """Starts that end a window of T seconds with more than burst + rate * T of them, whatever T."""
        count, lowest = 0, float("inf")
        for place, at in enumerate(self.times):
            ahead = place - self.rate * at
            lowest = min(lowest, ahead)
            count += ahead - lowest + 1 > self.burst + TOLERANCE
        return count
