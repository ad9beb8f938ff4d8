"""Limits as text: plain numbers, short waits."""

from typing import Any

from ..database.calls.limits import LimitStatus
from ..limits.limit import UNITS, words


def readable(row: LimitStatus) -> dict[str, Any]:
    """A key and its current values, for people."""
    numbers = {name: number(getattr(row, name)) for name in ("tokens", "used", "remaining")}
    burst_used = None if row.burst_used is None else f"{number(row.burst_used)} of {number(row.burst)}"
    wait_seconds = wait(row.wait_seconds) if row.wait_seconds else None
    return row._asdict() | numbers | {"limit": said(row), "burst_used": burst_used, "wait_seconds": wait_seconds}


def said(row: LimitStatus) -> str:
    """A limit in a few words."""
    if row.limit_name is None:
        return "no limit"
    per = None if row.per is None else row.per.total_seconds()
    text = words(row.rate, per, row.burst, row.count_cost, row.max_running, row.retry_blocks)
    return text if row.enabled else f"{text} (disabled)"


def number(value: float | None) -> str | None:
    """A number with at most two decimals, and without an exponent."""
    if value is None:
        return None
    return f"{round(value, 2) + 0.0:.2f}".rstrip("0").rstrip(".")  # + 0.0: no "-0"


def wait(seconds: float) -> str:
    """A duration with its two largest units: 24h, 3m 20s."""
    if round(seconds, 2) < 60:
        return f"{number(max(seconds, 0.01))}s"
    whole = round(seconds)
    large, small = ("d", "h") if whole >= 2 * UNITS["d"] else ("h", "m") if whole >= UNITS["h"] else ("m", "s")
    first, rest = divmod(whole, UNITS[large])
    second = rest // UNITS[small]
    return f"{first}{large} {second}{small}" if second else f"{first}{large}"
