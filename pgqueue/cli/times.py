"""Times and durations on the command line."""

from datetime import datetime, timedelta

from .._checks import invalid
from ..errors import InvalidArgument
from ..limits.limit import UNITS


def read_span(field: str, text: str) -> timedelta:
    """A duration: seconds, or a number with s, m, h or d.

    Raises:
        InvalidArgument: it is neither, or below 0.
    """
    number, unit = (text[:-1], text[-1]) if text and text[-1] in UNITS else (text, "s")
    remedy = "use seconds or a number with s, m, h or d, 0 or more, such as 30s"
    try:
        span = timedelta(seconds=float(number) * UNITS[unit])
    except (ValueError, OverflowError):
        raise invalid(field, text, remedy) from None
    if span < timedelta(0):
        raise invalid(field, text, remedy)
    return span


def read_time(field: str, text: str) -> datetime:
    """A time in ISO format; local time if it has no zone.

    Raises:
        InvalidArgument: it is no time.
    """
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        raise invalid(field, text, "use a time such as 2030-01-31T12:00+01:00") from None


def read_when(field: str, text: str) -> datetime | timedelta:
    """A time, or a span before now as a timedelta below 0, for the clock of the database.

    Raises:
        InvalidArgument: it is neither.
    """
    try:
        return -read_span(field, text)
    except InvalidArgument:
        pass
    try:
        return read_time(field, text)
    except InvalidArgument:
        raise invalid(field, text, "use a span before now such as 2h, or a time such as 2030-01-31T12:00+01:00") from None
