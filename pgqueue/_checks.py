"""Checks of options that Python must make before SQL can: the statement must be able to carry the type and the size."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from ._text import shortened, storable
from .errors import InvalidArgument

Priority = int | Literal["low", "medium", "high"]
Duration = timedelta | float

PRIORITIES: Mapping[str, int] = {"low": -50, "medium": 0, "high": 50}
_INT4 = 2**31
_INT8 = 2**63
_WIDEST = timedelta(hours=16)  # the smallest offset from UTC that PostgreSQL cannot read
LONGEST = 1e12  # seconds; SQL refuses this value, but can read it
LAST = datetime(9999, 12, 30, tzinfo=UTC)  # the last time that SQL accepts; it is valid in every time zone


def invalid(field: str, value: Any, remedy: str) -> InvalidArgument:
    """The error that names an option, its value and the remedy."""
    return InvalidArgument(f"{field}: {shortened(value)} is not valid; {remedy}")


def check_duration(field: str, value: Any) -> None:
    """Raise InvalidArgument unless value is a timedelta or a finite number of seconds.

    Raises:
        InvalidArgument: value is not a duration, or too long for a database.
    """
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not isinstance(value, timedelta) and not (is_number and abs(value) <= LONGEST):
        raise invalid(field, value, "use a timedelta or a number of seconds")


def check_delay(field: str, value: Any) -> None:
    """Refuse a duration that ends, counted from now, at a time that SQL does not accept; a negative duration means at once.

    Raises:
        InvalidArgument: it ends too late.
    """
    is_finite = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < math.inf
    if not is_finite:
        check_duration(field, value)
    delay = value.total_seconds() if isinstance(value, timedelta) else value
    if abs(delay) > (LAST - datetime.now(UTC)).total_seconds():
        raise invalid(field, value, "give an interval that ends between the years 1 and 9999")


def check_text(field: str, value: Any) -> None:
    """Raise InvalidArgument unless value is a text.

    Raises:
        InvalidArgument: value is not a text.
    """
    if not isinstance(value, str):
        raise invalid(field, value, "use a text")


def read_text(field: str, value: Any) -> str | None:
    """A text as it is sent, or None.

    Raises:
        InvalidArgument: value is neither, or PostgreSQL cannot store it.
    """
    if value is None:
        return None
    check_text(field, value)
    return storable(field, value)


def check_quantity(field: str, value: Any) -> float:
    """A number as a float, which must be the same number.

    Raises:
        InvalidArgument: value is not a number, not finite, or a float cannot hold it exactly.
    """
    try:
        number = float(value)
        if number == value and math.isfinite(number):
            return number
    except (TypeError, ValueError, OverflowError):
        pass
    raise invalid(field, value, "use a finite number that a float holds exactly")


def check_time(field: str, value: Any) -> None:
    """Raise InvalidArgument unless value is a datetime with a time zone.

    Raises:
        InvalidArgument: value is not such a datetime.
    """
    if not isinstance(value, datetime):
        raise invalid(field, value, "use a datetime with a time zone, such as datetime.now(UTC) + timedelta(hours=1)")
    offset = value.utcoffset()
    if offset is None:
        raise InvalidArgument(f"{field}: {value.isoformat()} has no time zone; use datetime.now(UTC) or .astimezone()")
    if abs(offset) >= _WIDEST:
        raise invalid(field, value, "PostgreSQL knows no time zone so far from UTC; use .astimezone(UTC)")


def is_whole(value: Any) -> bool:
    """Whether a value is an int, and not a bool."""
    return isinstance(value, int) and not isinstance(value, bool)


def read_id(field: str, value: Any) -> int:
    """An id as a number; SQL checks whether there is such a row.

    Raises:
        InvalidArgument: value is not a whole number, or is outside the range of ids.
    """
    if not is_whole(value) or not -_INT8 <= value < _INT8:
        raise invalid(field, value, "use an id, which is a whole number")
    return int(value)


def check_timeout(value: Any) -> None:
    """Raise InvalidArgument unless value is a number of seconds.

    Raises:
        InvalidArgument: value is not a number.
    """
    if not isinstance(value, int | float) or value != value:  # NaN; math.isnan does not accept every integer
        raise invalid("timeout", value, "use a number of seconds, or None to wait for ever")


def read_priority(value: Any) -> int:
    """A priority as a number; SQL checks its range.

    Raises:
        InvalidArgument: it is neither a number nor a name.
    """
    number: Any = PRIORITIES.get(value) if isinstance(value, str) else value
    if not is_whole(number) or not -_INT4 <= number < _INT4:
        raise invalid("priority", value, f"use {', '.join(PRIORITIES)} or a whole number from -100 to 100")
    return int(number)


def read_time(field: str, value: Any) -> datetime:
    """A time, checked by `check_time`."""
    check_time(field, value)
    time: datetime = value
    return time


def read_duration(field: str, value: Any) -> timedelta:
    """A duration, checked by `check_duration`."""
    check_duration(field, value)
    return value if isinstance(value, timedelta) else timedelta(seconds=value)


def read_since(field: str, value: Any) -> tuple[str | None, str | None]:
    """A time as text, or else a span from now as text, for the clock of the database.

    Raises:
        InvalidArgument: value is neither a datetime with a time zone nor a duration, or it is before the year 1.
    """
    if isinstance(value, datetime):
        return read_time(field, value).isoformat(), None
    span = read_duration(field, value)
    try:
        datetime.now(UTC) + span
    except OverflowError:
        raise invalid(field, value, "give a span from now that begins between the years 1 and 9999") from None
    return None, interval(span)


def interval(value: Duration | None) -> str | None:
    """A duration as text for PostgreSQL, in seconds: a day of PostgreSQL has 23 or 25 hours when clocks change."""
    if value is None:
        return None
    seconds = value.total_seconds() if isinstance(value, timedelta) else float(value)
    return f"{max(-LONGEST, min(LONGEST, seconds)):.6f} seconds"  # PostgreSQL cannot read 1e-06
