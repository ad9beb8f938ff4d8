"""Spans as times: a page that shows when something began does not change each second, as one that shows how long ago does."""

from datetime import UTC, datetime, timedelta


def began(seconds: float | None, counted_at: str | None = None) -> datetime | None:
    """When something began that is so many seconds old.

    In steps of two seconds, and longer ones where its age is told in minutes or more: between two answers about the same, busy
    machines let some time pass, and the page is not to change by that.

    Args:
        seconds: its age; None = there is nothing.
        counted_at: when that was its age; None = now.
    """
    if seconds is None:
        return None
    base = datetime.now(UTC) if counted_at is None else datetime.fromisoformat(counted_at)
    age = min(float(seconds), 1e9)
    step = 2 if age < 100 else 20 if age < 6000 else 300
    return datetime.fromtimestamp((base - timedelta(seconds=age)).timestamp() // step * step, UTC)
