"""Values that a handler may return instead of a result, and an exception: visible in its type and easy to test."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ._checks import check_delay, check_text, check_time, invalid
from ._text import storable
from .limits.limit import LONGEST_KEY


def seconds(delay: float | timedelta) -> float:
    """A delay in seconds, given as a number of seconds or a timedelta."""
    return delay.total_seconds() if isinstance(delay, timedelta) else float(delay)


@dataclass(frozen=True, slots=True)
class Snooze:
    """Run again after `delay` (seconds or timedelta); this attempt does not count.

    Raises:
        InvalidArgument: delay is not a duration, or does not end before the year 10000.
    """

    delay: float | timedelta

    def __post_init__(self) -> None:
        check_delay("delay", self.delay)


@dataclass(frozen=True, slots=True)
class RetryIn:
    """Count this attempt as failed and run again after `delay` (seconds or timedelta), independent of the retry policy.

    If no attempts are left, the job becomes a dead letter. The first 1,000 characters of `reason` are kept.

    Raises:
        InvalidArgument: delay is not a duration, or does not end before the year 10000; or reason is not a text.
    """

    delay: float | timedelta
    reason: str = "the handler asked for a retry"

    def __post_init__(self) -> None:
        check_delay("delay", self.delay)
        check_text("reason", self.reason)


@dataclass(frozen=True, slots=True)
class Cancel:
    """End the job without a result; it goes to the history as cancelled. The first 1,000 characters of `reason` are kept.

    Raises:
        InvalidArgument: reason is not a text.
    """

    reason: str = ""

    def __post_init__(self) -> None:
        check_text("reason", self.reason)


class RateLimited(Exception):
    """A handler raises it, at any depth, when an external rate limit was hit and no job of its keys should start for a while.

    It parks a limit of the job, so that other jobs with this limit wait too. The job keeps its place in the line, and this
    attempt does not count as a failure. A job without such a limit runs again after that time, as with `Snooze`.

    Args:
        retry_after: seconds, a timedelta, or a datetime with a time zone, on the clock of this machine, as in `Retry-After`.
        key: the key of a limit, as in `limits`, or of its queue. By default all its limits with a rate; if none has one, all.

    Raises:
        InvalidArgument: retry_after is not a time before the year 10000; or key is not the key of a limit.

    Attributes:
        delay: retry_after in seconds, counted from the raise.
        key: the given key.
    """

    def __init__(self, retry_after: datetime | timedelta | float, key: str | None = None) -> None:
        if isinstance(retry_after, datetime):
            check_time("retry_after", retry_after)
            retry_after -= datetime.now(UTC)
        check_delay("retry_after", retry_after)
        if key is not None and (not isinstance(key, str) or len(key) > LONGEST_KEY):
            raise invalid("key", key, "use the key of a limit of the job, such as 'openai'")
        if key is not None:
            storable("key", key)
        self.delay, self.key = max(0.0, seconds(retry_after)), key
        super().__init__(f"{key or 'its limits'}: again in {self.delay:g} s")

    def __reduce__(self) -> tuple[type["RateLimited"], tuple[float, str | None]]:
        """Support pickling, because handlers in processes may raise it."""
        return RateLimited, (self.delay, self.key)
