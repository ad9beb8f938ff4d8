"""Cron expressions: checked when they are read, and their ticks. The only file that imports croniter.

croniter finds the times of the clock, without a zone; what happens when clocks change is decided here. Given a zone, croniter 7.0
fires a fixed time twice when clocks go back, and walks through a gap tick by tick: 2 s of CPU for an expression with seconds.
"""

import copy
from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from .._checks import invalid
from ..errors import InvalidArgument
from .every import read_every
from .fields import LAST_OF_MONTH, Expression, Field, Part
from .parse import EXAMPLE, LONGEST, parse, split
from .words import tell
from .zones import SECOND, Change, change_at, instant

MOST_YEARS = 10  # without a tick
LAST_YEAR = 9900  # of the calendar of Python, less some years in which to search


class Cron:
    """A cron expression that was checked; made by `read_cron`. It does not change, so threads may share it.

    Changes of the clocks are handled as in Debian's cron. An expression whose minute and hour do not begin with `*` is fixed:
    when clocks go back, it fires at the first of two equal times only; when they go forward, times that are left out fire at the
    end of the gap, several of them once. Other expressions fire by real time: whenever the clock shows a time that matches.

    Attributes:
        expression: as it was given.
    """

    def __init__(self, parsed: Expression) -> None:
        from croniter import croniter  # here, because it takes 7 ms and most processes of an application read no expression

        self.expression = parsed.text
        self._is_fixed = parsed.is_fixed
        self._walls = croniter(_for_croniter(parsed), datetime(2000, 1, 1), datetime, max_years_between_matches=MOST_YEARS)

    def __repr__(self) -> str:
        return f"Cron({self.expression!r})"

    def next_after(self, at: datetime, zone: ZoneInfo) -> datetime | None:
        """The first tick after a time.

        Args:
            at: a time with a zone.
            zone: whose clock the expression means.

        Returns:
            The tick in UTC; None if there is none within 10 years, or `at` is after the year 9900.
        """
        local = at.astimezone(zone)
        wall = local.replace(tzinfo=None, fold=0, microsecond=0)
        find = self._fixed_after if self._is_fixed else self._after
        return find(wall, local.fold, change_at(wall, zone), zone) if wall.year <= LAST_YEAR else None

    def previous(self, at: datetime, zone: ZoneInfo) -> datetime | None:
        """The last tick before a time; arguments and result as in `next_after`."""
        local = at.astimezone(zone)
        if local.microsecond:
            local = (at.astimezone(UTC).replace(microsecond=0) + SECOND).astimezone(zone)
        wall = local.replace(tzinfo=None, fold=0)
        find = self._fixed_before if self._is_fixed else self._before
        return find(wall, local.fold, change_at(wall, zone), zone)

    def _fixed_after(self, wall: datetime, fold: int, twice: Change | None, zone: ZoneInfo) -> datetime | None:
        if twice is not None and fold:  # the times that come a second time have fired
            wall = twice.end - SECOND
        found = self._next(wall)
        return None if found is None else instant(found, zone)

    def _fixed_before(self, wall: datetime, fold: int, twice: Change | None, zone: ZoneInfo) -> datetime | None:
        at = instant(wall, zone, fold)
        found = self._previous(twice.end if twice is not None and fold else wall)
        if found is not None and instant(found, zone) >= at:  # `at` is the end of the gap in which it lies
            gap = change_at(found, zone)
            found = None if gap is None else self._previous(gap.start)
        return None if found is None else instant(found, zone)

    def _after(self, wall: datetime, fold: int, twice: Change | None, zone: ZoneInfo) -> datetime | None:
        found = self._next(wall)
        if twice is not None and fold and found is not None and found < twice.end:
            return instant(found, zone, fold=1)
        if twice is not None and not fold and (found is None or found >= twice.end):
            again = self._next(twice.start - SECOND)
            if again is not None and again < twice.end:
                return instant(again, zone, fold=1)
        while found is not None and (change := change_at(found, zone)) is not None and change.is_gap:
            found = self._next(change.end - SECOND)
        return None if found is None else instant(found, zone)

    def _before(self, wall: datetime, fold: int, twice: Change | None, zone: ZoneInfo) -> datetime | None:
        found = self._previous(wall)
        if twice is not None and not fold and found is not None and found >= twice.start:
            return instant(found, zone)
        if twice is not None and fold and (found is None or found < twice.start):
            found = self._previous(twice.end)
            if found is not None and found >= twice.start:
                return instant(found, zone)
        while found is not None and (change := change_at(found, zone)) is not None and change.is_gap:
            found = self._previous(change.start)
        return None if found is None else instant(found, zone, fold=1)

    def _next(self, wall: datetime) -> datetime | None:
        return self._wall(wall, "get_next")

    def _previous(self, wall: datetime) -> datetime | None:
        return self._wall(wall, "get_prev")

    def _wall(self, wall: datetime, verb: str) -> datetime | None:
        """A neighbouring time of the clock, from a copy: a croniter remembers where it is."""
        from croniter import CroniterBadDateError

        try:
            found: datetime = getattr(copy.copy(self._walls), verb)(start_time=wall)
        except CroniterBadDateError:
            return None
        return found


def read_cron(expression: str, field: str = "cron", hash_id: str = "") -> Cron:
    """Check a cron expression.

    Args:
        expression: five fields (minute, hour, day of the month, month, weekday), or six with the seconds last, or @hourly,
            @daily, @midnight, @weekly, @monthly, @yearly, @annually.
        field: the name for the error.
        hash_id: the name of the schedule, which decides what H stands for.

    Raises:
        InvalidArgument: the message has the part that is wrong, the reason and an example.
    """
    if not isinstance(expression, str):
        raise invalid(field, expression, f"use a cron expression, {EXAMPLE}")
    if read_every(expression, field) is not None:
        raise invalid(field, expression, "an interval cannot stand beside cron expressions; use it alone, or every=")
    return _read(expression, field, hash_id)


@lru_cache(maxsize=2048)  # all schedules of an install, read again for each tick
def _read(expression: str, field: str, hash_id: str) -> Cron:
    try:
        parsed = parse(expression, field).resolved(hash_id)
    except InvalidArgument as error:
        hint = _seconds_first(expression)
        raise InvalidArgument(f"{error}; the seconds are the last of six fields: {hint}" if hint else str(error)) from None
    _check_seconds(parsed, field)
    cron = Cron(parsed)
    if cron.next_after(datetime.now(UTC), ZoneInfo("UTC")) is None:
        remedy = f"no day matches within {MOST_YEARS} years: day of the month {parsed.day.text!r}, month {parsed.month.text!r}, "
        raise invalid(field, expression, f"{remedy}weekday {parsed.weekday.text!r}; use days that exist, {EXAMPLE}")
    return cron


def _check_seconds(parsed: Expression, field: str) -> None:
    """Refuse what fires several times within some minutes only: nearly always it was meant with the seconds first."""
    if _has_clear_seconds(parsed):
        return
    reading = f"as the seconds are the last of six fields, it fires {tell(parsed)}"
    rule = "six fields must fire once in a minute, or in every minute"
    raise invalid(field, parsed.text, f"{reading}; {rule}; {_seconds_first(parsed.text) or 'use one second, such as 0'}")


def _has_clear_seconds(parsed: Expression) -> bool:
    return parsed.second is None or len(parsed.second.values) <= 1 or parsed.is_any_minute


def _seconds_first(expression: str) -> str | None:
    """What an expression of six fields means if the seconds come first, and how to write that; None if it means nothing."""
    words = split(expression[:LONGEST])
    if len(words) != 6:
        return None
    meant = " ".join(words[1:] if words[0] == "0" else [*words[1:], words[0]])
    try:
        parsed = parse(meant)
    except InvalidArgument:
        return None
    return f"did you mean {meant!r} ({tell(parsed)})?" if _has_clear_seconds(parsed) else None


def _for_croniter(parsed: Expression) -> str:
    """The expression in the simplest form, so that no rule of croniter's parser matters."""
    fields = [_numbers(field) for field in parsed.fields]
    if parsed.is_any_day:
        fields[2] = fields[4] = "*"
    return " ".join(fields)


def _numbers(field: Field) -> str:
    if field.is_full:
        return "*"
    last = ["l"] if field.has_last else []
    return ",".join([*map(str, field.values), *(_nth(part) for part in field.parts if part.kind == "nth"), *last])


def _nth(part: Part) -> str:
    return f"l{part.first}" if part.nth == LAST_OF_MONTH else f"{part.first}#{part.nth}"
