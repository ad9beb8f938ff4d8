"""A time of the clock in a zone as the `run_at` of a job."""

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from .._checks import check_time, invalid, is_whole
from .zones import instant, read_zone

MOST_DAYS = 36_525
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?", re.ASCII)


def at(clock: str, tz: str | ZoneInfo = "UTC", days: int | None = None, *, now: datetime | None = None) -> datetime:
    """When the clock of a zone shows a time: `report.using(run_at=at("09:00", tz="America/New_York", days=1)).enqueue()`.

    A time that is left out because clocks go forward means the end of the gap; one that is shown twice means the first one.

    Args:
        clock: hours and minutes, or hours, minutes and seconds, from 00:00 to 23:59:59: "09:00", "09:00:30".
        tz: the zone: a name such as "Europe/Berlin", or a ZoneInfo.
        days: 0 for today in that zone, even if the time has passed; 1 for tomorrow, and so on. By default the next time that the
            clock shows it: later today, or tomorrow.
        now: the time from which to count, with a zone; by default the time of this machine.

    Returns:
        The time, in that zone.

    Raises:
        InvalidArgument: a value is invalid; the message names it.
    """
    wall = _read_clock(clock)
    zone = tz if isinstance(tz, ZoneInfo) else read_zone(tz, "tz")
    if days is not None and (not is_whole(days) or not 0 <= days <= MOST_DAYS):
        raise invalid("days", days, f"use a whole number from 0 (today) to {MOST_DAYS}, or leave it out for the next time")
    start = datetime.now(UTC) if now is None else now
    check_time("now", start)
    try:
        today = start.astimezone(zone).date()
        found = _on(today, days or 0, wall, zone)
        if days is None and found <= start:
            found = _on(today, 1, wall, zone)
        return found.astimezone(zone)
    except OverflowError:
        raise invalid("days" if days else "now", days or now, "use a day between the years 1 and 9999") from None


def _on(today: date, days: int, wall: time, zone: ZoneInfo) -> datetime:
    return instant(datetime.combine(today + timedelta(days=days), wall), zone)


def _read_clock(clock: Any) -> time:
    found = _CLOCK.fullmatch(clock) if isinstance(clock, str) else None
    if found is not None:
        hour, minute, second = (int(number or 0) for number in found.groups())
        if hour < 24 and minute < 60 and second < 60:
            return time(hour, minute, second)
    raise invalid("clock", clock, "use hours and minutes from '00:00' to '23:59', such as '09:00' or '09:00:30'")
