"""Times of queries: with a zone, or as a span from now."""

import re
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import Query

from ..problems import invalid
from .filters import WHEN

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_SPAN = re.compile(r"-(\d{1,9})([smhd])")
Since = Annotated[str | None, Query(max_length=100, description=f"{WHEN}; with s, m, h or d", examples=["-1h"])]


def read_when(field: str, text: str | None) -> datetime | timedelta | None:
    """A time, or a span from now as a timedelta below 0, for the clock of the database; None if there is none.

    Raises:
        Problem: it is neither.
    """
    if text is None:
        return None
    if span := _SPAN.fullmatch(text):
        return -timedelta(seconds=int(span[1]) * _UNITS[span[2]])
    return read_time(field, text)


def read_time(field: str, text: str) -> datetime:
    """A time. Raises Problem if it is none, or has no zone."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        time = datetime.min
    if time.utcoffset() is None:
        raise invalid(field, text, "use a time with a zone (2026-11-30T12:00:00Z), or a span from now (-2h, -30m, -7d)")
    return time
