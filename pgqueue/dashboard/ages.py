"""Spans as times: a page that shows when something began does not change each second, as one that shows how long ago does."""

from datetime import UTC, datetime, timedelta


def began(seconds: float | None, counted_at: str | None = None) -> datetime | None:
    """When something began that has been so many seconds old, in steps of two seconds.

    Args:
        seconds: its age; None = there is nothing.
        counted_at: when that was its age; None = now.
    """
    if seconds is None:
        return None
    base = datetime.now(UTC) if counted_at is None else datetime.fromisoformat(counted_at)
    at = base - timedelta(seconds=min(seconds, 1e9))
    return at.replace(microsecond=0, second=at.second // 2 * 2)
