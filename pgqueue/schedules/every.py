"""Intervals of schedules: seconds, and the text "@every 90s"."""

import re
from datetime import timedelta
from typing import Any

from .._checks import check_duration, invalid

LEAST = 1.0  # seconds
MOST = 366 * 86_400.0
EXAMPLE = "such as '@every 90s', '@every 15m' or '@every 6h'"
_UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
_EVERY = re.compile(r"@every\s+(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9})s)?", re.ASCII | re.IGNORECASE)


def read_every(text: str, field: str = "cron") -> float | None:
    """The interval of a text such as "@every 90s" or "@every 1h30m".

    Args:
        text: a cron expression, or @every with days, hours, minutes and seconds, in this order: d, h, m, s.
        field: the name for the error.

    Returns:
        The seconds; None if the text does not begin with @every.

    Raises:
        InvalidArgument: it begins with @every, and what follows is no interval of 1 second to 366 days.
    """
    if not isinstance(text, str) or not text.strip().lower().startswith("@every"):
        return None
    found = _EVERY.fullmatch(text.strip())
    if found is None or not any(found.groups()):
        raise invalid(field, text, f"after @every comes an interval in d, h, m and s, {EXAMPLE}")
    seconds = sum(int(number or 0) * size for number, size in zip(found.groups(), _UNITS.values(), strict=True))
    return _within(field, text, seconds)


def check_every(field: str, value: Any) -> float:
    """An interval as seconds.

    Args:
        field: the name for the error.
        value: a number of seconds, or a timedelta.

    Raises:
        InvalidArgument: it is neither, or not within 1 second and 366 days.
    """
    check_duration(field, value)
    return _within(field, value, value.total_seconds() if isinstance(value, timedelta) else value)


def _within(field: str, given: Any, seconds: float) -> float:
    if not LEAST <= seconds <= MOST:
        raise invalid(field, given, f"use an interval of 1 second to 366 days, {EXAMPLE}")
    return round(float(seconds), 6)
