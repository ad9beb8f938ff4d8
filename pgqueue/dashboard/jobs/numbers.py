"""Numbers and times of answers of the API."""

from datetime import datetime
from typing import Any

from ..._json import Exact


def number(value: Any) -> float | None:
    """A number as Python has it; None if it is none."""
    if isinstance(value, Exact):
        return float(value.text)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def time(value: Any) -> datetime | None:
    """A time of an answer; None if it is none."""
    try:
        return datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
