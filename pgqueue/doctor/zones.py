"""What Python says about time zones, for the database to compare: the two ship apart."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from .._json import dumps

DAYS = 366
SECOND = timedelta(seconds=1)


def points_of(zones: list[str]) -> str:
    """The offsets of each zone in the coming year, as JSON: one a day, and those of both sides of each change.

    A zone that Python does not know is left out: its schedules have an error, which another check finds.
    """
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    points = [
        {"zone": name, "at": at.isoformat(), "offset": offset}
        for name in zones
        if (zone := _zone(name)) is not None
        for at, offset in _offsets(zone, today)
    ]
    return dumps(points)


def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        return None


def _offsets(zone: ZoneInfo, start: datetime) -> Iterator[tuple[datetime, int]]:
    before, offset = start, _offset(zone, start)
    yield before, offset
    for day in range(1, DAYS + 1):
        after = start + timedelta(days=day)
        if (changed := _offset(zone, after)) != offset:
            at = _change(zone, before, after)
            yield at - SECOND, offset
            yield at, changed
        yield after, changed
        before, offset = after, changed


def _change(zone: ZoneInfo, low: datetime, high: datetime) -> datetime:
    """The first second after low with the offset of high."""
    offset = _offset(zone, high)
    below, above = 0, (high - low) // SECOND
    while above - below > 1:
        middle = (below + above) // 2
        if _offset(zone, low + middle * SECOND) == offset:
            above = middle
        else:
            below = middle
    return low + above * SECOND


def _offset(zone: ZoneInfo, at: datetime) -> int:
    offset = at.astimezone(zone).utcoffset()
    assert offset is not None
    return int(offset.total_seconds())
