"""What Python must check of an option before SQL can: that it is of a type and size that the statement can carry."""

from datetime import datetime, timedelta
from typing import Any

from ._refusal import shortened
from .errors import InvalidArgument

LONGEST = 1e12  # seconds; SQL refuses it, but can read it


def invalid(field: str, value: Any, remedy: str) -> InvalidArgument:
    """The error that names an option, what was given, and what to give."""
    return InvalidArgument(f"{field}: {shortened(value)} is not valid; {remedy}")


def check_duration(field: str, value: Any) -> None:
    """Refuse what is neither a timedelta nor a finite number of seconds.

    Raises:
        InvalidArgument: it is none, or no database could hold it.
    """
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not isinstance(value, timedelta) and not (is_number and abs(value) <= LONGEST):
        raise invalid(field, value, "use a timedelta or a number of seconds")


def check_time(field: str, value: Any) -> None:
    """Refuse what is no datetime with a time zone.

    Raises:
        InvalidArgument: it is none.
    """
    if not isinstance(value, datetime):
        raise invalid(field, value, "use a datetime with a time zone, such as datetime.now(UTC) + timedelta(hours=1)")
    if value.utcoffset() is None:
        raise InvalidArgument(f"{field}: {value.isoformat()} has no time zone; use datetime.now(UTC) or .astimezone()")
