"""Limits as pages show them: in words, and how much of them is used."""

from collections.abc import Mapping
from typing import Any

from ..._json import Exact
from ...limits.limit import words

_NUMBERS = ("rate", "per", "burst", "tokens", "used", "remaining", "burst_used", "wait_seconds")


def readable(limit: Mapping[str, Any], counted: int) -> dict[str, Any]:
    """A limit of the API with what a page says about it.

    Args:
        limit: as the API shows it.
        counted: how many of its waiting jobs were counted at most.
    """
    numbers = {name: plain(limit[name]) for name in _NUMBERS}
    one = {**limit, **numbers, "is_own": limit["limit_name"] == limit["key"]}
    return one | {
        "words": said(one),
        "is_counted": limit["waiting"] < counted,
        "jobs": jobs_of(limit["key"]),
        "tokens_share": share(numbers["tokens"], numbers["burst"]),
        "used_share": share(numbers["used"], numbers["rate"]),
        "running_share": share(limit["running"], limit["max_running"]),
    }


def said(limit: Mapping[str, Any]) -> str:
    """A limit in a few words: 100/m, burst 10, max 3 running."""
    if limit["limit_name"] is None:
        return "no limit, takes turns"
    counts_cost = limit["counts"] == "cost"
    return words(limit["rate"], limit["per"], limit["burst"], counts_cost, limit["max_running"], limit["retry_blocks"])


def jobs_of(key: str) -> str:
    """The filter of the jobs that wait for a key, as the page of jobs reads it."""
    field, name = ("queue", key.removeprefix("queue:")) if key.startswith("queue:") else ("limit", key)
    is_plain = all(sign.isalnum() or sign in "_.:-/@" for sign in name)
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    return f"{field}:{name} state:ready" if is_plain else f'{field}:"{quoted}" state:ready'


def a_minute(limit: Mapping[str, Any]) -> float | None:
    """The rate of a limit as tokens a minute; None without one, or if it is not enabled."""
    rate, per = plain(limit["rate"]), plain(limit["per"])
    return rate * 60 / per if limit["enabled"] and rate and per else None


def share(part: float | None, whole: float | None) -> float | None:
    """Which part of a whole this is; None without a whole."""
    return part / whole if part is not None and whole else None


def plain(value: Any) -> float | None:
    """A number of the API as a float."""
    return None if value is None else float(value.text if isinstance(value, Exact) else value)
