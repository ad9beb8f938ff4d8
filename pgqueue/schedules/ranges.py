"""The ticks of a schedule in a range of time."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from .._checks import check_time, invalid
from ..errors import InvalidArgument
from ..limits.limit import check_whole
from .cron import LAST_YEAR
from .ticks import FIRST_YEAR, Ticks

MOST_TICKS = 100_000  # of one backfill
IN_ONE_CALL = 10_000
MOST_PREVIEWED = 1_000


def ticks_between(ticks: Ticks, since: datetime, until: datetime, most: int = MOST_TICKS) -> list[datetime]:
    """All ticks from `since` on and before `until`.

    Raises:
        InvalidArgument: there are more than `most`.
    """
    found: list[datetime] = []
    at = since.astimezone(UTC) - timedelta(microseconds=1)
    while (tick := ticks.first_after(at)) is not None and tick < until:
        if len(found) == most:
            raise InvalidArgument(
                f"until: {until.isoformat()} is not valid; the range has more than {most:,} ticks; backfill it in parts, "
                f"the first one until {tick.isoformat()}"
            )
        found.append(tick)
        at = tick
    return found


def check_range(since: Any, until: Any) -> None:
    """Refuse what is no range of time that has passed. To the minute: SQL decides, by the clock of the database.

    Raises:
        InvalidArgument: one of them is no datetime with a time zone, or `until` is not after `since`, or not in the past.
    """
    _check_time("since", since)
    _check_time("until", until)
    if until <= since:
        raise invalid("until", until.isoformat(), "use a time after since")
    if until > datetime.now(UTC) + timedelta(minutes=1):
        raise invalid("until", until.isoformat(), "use a time that has passed; later ticks make their jobs by themselves")


def next_ticks(ticks: Ticks, count: Any, after: Any) -> list[datetime]:
    """The next ticks after a time, by default after now, in the zone of the schedule.

    Raises:
        InvalidArgument: the count or the time is invalid.
    """
    check_whole("count", count, 1, MOST_PREVIEWED)
    if after is None:
        after = datetime.now(UTC)
    _check_time("after", after)
    return [tick.astimezone(ticks.zone) for tick in ticks.upcoming(after, count)]


def in_chunks(ticks: list[datetime]) -> Iterator[list[datetime]]:
    """Ticks in lists that one call takes."""
    for first in range(0, len(ticks), IN_ONE_CALL):
        yield ticks[first : first + IN_ONE_CALL]


def _check_time(field: str, value: Any) -> None:
    """Refuse what is no time with a zone, or so early or late that another zone has no such time."""
    check_time(field, value)
    if not FIRST_YEAR <= value.year <= LAST_YEAR:
        raise invalid(field, value.isoformat(), f"use a time between the years {FIRST_YEAR} and {LAST_YEAR}")
