"""Time zones: by name, and what happens to a time of the clock when clocks change."""

import difflib
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from .._checks import invalid

SECOND = timedelta(seconds=1)
_LONGEST_NAME = 64
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}")
# Not names of places: they depend on the machine, count leap seconds, or say that no zone is set.
_NOT_ZONES = re.compile(r"(localtime|posixrules|factory|posix/.*|right/.*)", re.IGNORECASE)


def read_zone(name: Any, field: str = "timezone") -> ZoneInfo:
    """A time zone by its name.

    Args:
        name: a name of the IANA database, such as "Europe/Berlin" or "UTC".
        field: the name for the error.

    Raises:
        InvalidArgument: there is no such zone, or the name depends on the machine; the message has names that are similar.
    """
    if not isinstance(name, str) or len(name) > _LONGEST_NAME or not _NAME.fullmatch(name) or _NOT_ZONES.fullmatch(name):
        raise invalid(field, name, "use the name of a time zone, such as 'Europe/Berlin', 'America/New_York' or 'UTC'")
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):  # OSError: the name of a folder, such as America
        raise invalid(field, name, _similar(name)) from None


def _similar(name: str) -> str:
    by_key = {zone.lower(): zone for zone in available_timezones() if not _NOT_ZONES.fullmatch(zone)}
    by_key |= {zone.lower().rpartition("/")[2]: zone for zone in by_key.values()}
    close = difflib.get_close_matches(name.lower(), by_key, n=5, cutoff=0.7)
    close = close or difflib.get_close_matches(name.lower().rpartition("/")[2], by_key, n=5, cutoff=0.7)
    if not close:
        return "there is no such time zone; use a name such as 'Europe/Berlin', 'America/New_York' or 'UTC'"
    names = list(dict.fromkeys(by_key[key] for key in close))[:3]
    return f"there is no such time zone; did you mean {' or '.join(map(repr, names))}?"


@dataclass(frozen=True, slots=True)
class Change:
    """A change of the clocks of a zone.

    Attributes:
        at: the instant, in UTC.
        start: the first time of the clock that is left out or shown twice, without a zone.
        end: the first one after those.
        is_gap: True if the times from start to end are left out, False if they are shown twice.
    """

    at: datetime
    start: datetime
    end: datetime
    is_gap: bool


def change_at(wall: datetime, zone: ZoneInfo) -> Change | None:
    """The change of clocks that leaves out a time of the clock or shows it twice; None if the zone shows it once."""
    before, after = _offset(wall, zone, 0), _offset(wall, zone, 1)
    if before == after:
        return None
    smaller, larger = sorted((before, after))
    at = _first_without(before, wall - larger, wall - smaller, zone)
    return Change(at.replace(tzinfo=UTC), at + smaller, at + larger, is_gap=before < after)


def instant(wall: datetime, zone: ZoneInfo, fold: int = 0) -> datetime:
    """When a zone shows a time of the clock, in UTC: at the end of a gap for a time within it; `fold` as in datetime."""
    change = change_at(wall, zone)
    if change is not None and change.is_gap:
        return change.at
    return wall.replace(tzinfo=zone, fold=fold).astimezone(UTC)


def _offset(wall: datetime, zone: ZoneInfo, fold: int) -> timedelta:
    offset = wall.replace(tzinfo=zone, fold=fold).utcoffset()
    assert offset is not None
    return offset


def _first_without(offset: timedelta, low: datetime, high: datetime, zone: ZoneInfo) -> datetime:
    """The first second after low, and at most high, at which a zone has another offset; all in UTC without a zone.

    Clocks change at whole seconds, so halving the interval finds it.
    """
    below, above = 0, (high - low) // SECOND
    while above - below > 1:
        middle = (below + above) // 2
        if (low + middle * SECOND).replace(tzinfo=UTC).astimezone(zone).utcoffset() == offset:
            below = middle
        else:
            above = middle
    return low + above * SECOND
