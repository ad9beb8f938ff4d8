"""What a handler may return instead of a result: small values, visible in its type and trivial to test. One is raised."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ._checks import check_duration, check_time, invalid


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


class RateLimited(Exception):
    """Raised from a handler, however deep: somebody else's rate limit was met, and nothing of that kind should start for a while.

    It parks a limit of the job, so that the others that have it wait, too. The job stays in its place in line, and this attempt
    does not count: it is no failure. A job without such a limit runs again after that time, as with `Snooze`.

    Args:
        retry_after: seconds, a timedelta, or a datetime with a time zone; what `Retry-After` says.
        key: of the limit, as in `limits`, or of its queue. By default all of the job's limits that have a rate; if none has, all.

    Raises:
        InvalidArgument: retry_after or key are of no use.

    Attributes:
        delay: retry_after in seconds from when it was raised.
        key: as given.
    """

    def __init__(self, retry_after: datetime | timedelta | float, key: str | None = None) -> None:
        if isinstance(retry_after, datetime):
            check_time("retry_after", retry_after)
            retry_after -= datetime.now(UTC)
        check_duration("retry_after", retry_after)
        if key is not None and not isinstance(key, str):
            raise invalid("key", key, "use the key of a limit of the job, such as 'openai'")
        self.delay, self.key = max(0.0, seconds(retry_after)), key
        super().__init__(f"{key or 'its limits'}: again in {self.delay:g} s")

    def __reduce__(self) -> tuple[type["RateLimited"], tuple[float, str | None]]:
        """Handlers may have processes of their own that raise it."""
        return RateLimited, (self.delay, self.key)
