"""What a handler may return instead of a result: small values, visible in its type and trivial to test."""

from dataclasses import dataclass
from datetime import timedelta


def seconds(delay: float | timedelta) -> float:
    """A delay in seconds, given as a number of seconds or a timedelta."""
    return delay.total_seconds() if isinstance(delay, timedelta) else float(delay)


@dataclass(frozen=True, slots=True)
class Snooze:
    """Run again after `delay` (seconds or timedelta); this attempt does not count."""

    delay: float | timedelta


@dataclass(frozen=True, slots=True)
class RetryIn:
    """Count this attempt as failed and run again after `delay` (seconds or timedelta), whatever the retry policy says.

    When no attempts are left the job becomes a dead letter.
    """

    delay: float | timedelta
    reason: str = "the handler asked for a retry"


@dataclass(frozen=True, slots=True)
class Cancel:
    """End the job without a result; it goes to the history as cancelled."""

    reason: str = ""
