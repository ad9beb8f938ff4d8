"""Pools as text, and what people type about them."""

import re
from typing import Any

from .._checks import invalid
from .._json import dumps, loads
from ..control.pool_values import unknown_pool
from ..database.calls import pool_reads as reads
from ..database.calls.pool_reads import PoolEvent, PoolStatus
from .session import Session

COLUMNS = ("name", "state", "wanted", "running", "ready", "oldest", "agents", "places", "autoscale", "app", "queues")
SPARE = ("app", "queues", "places", "oldest", "autoscale", "agents")
EVENTS = ("at", "kind", "wanted", "by", "reason", "figures")
SPARE_EVENTS = ("figures", "by", "reason")
STATES = {
    "no_agent": "no agent runs it",
    "no_room": "its agents have too few places",
    "scaling": "workers start or end",
    "rolling": "workers are replaced",
    "paused": "paused",
    "deleting": "it is being deleted",
}


def found(database: Session, name: str) -> PoolStatus:
    """The pool of this name.

    Raises:
        PoolNotFound: there is none.
    """
    rows = database.run(reads.pool(name))
    if not rows:
        raise unknown_pool(name, [row.name for row in database.run(reads.pools())])
    return rows[0]


def readable(row: PoolStatus) -> dict[str, Any]:
    """A pool for people."""
    bounds = f"{row.minimum} to {row.maximum}"
    return row._asdict() | {
        "state": row.state.replace("_", " "),
        "queues": ", ".join(row.queues) or "all of its app",
        "autoscale": bounds if row.autoscale else "off",
        "bounds": bounds,
        "rules": ", ".join(f"{name} {dumps(value)}" for name, value in row.rules.items()) or None,
        "outdated": row.outdated or None,
    }


def readable_event(event: PoolEvent) -> dict[str, Any]:
    """An event for people; `wanted` only where it says something."""
    before, after = event.before, event.after
    wanted = None if after is None else str(after) if before in (None, after) else f"{before} → {after}"
    return event._asdict() | {"kind": event.kind.replace("_", " "), "wanted": wanted}


def summary(row: PoolStatus) -> str:
    """A pool in one line."""
    parts = [f"{row.running} of {row.wanted} workers run", f"{row.minimum} to {row.maximum} may be wanted"]
    if row.autoscale:
        parts.append("scales itself")
    if row.state in STATES:
        parts.append(STATES[row.state])
    return ", ".join(parts)


def read_change(text: str) -> tuple[int | None, int | None]:
    """ "5" as a number of workers, "+2" and "-1" as a change of it.

    Raises:
        InvalidArgument: it is neither.
    """
    if not re.fullmatch(r"[+-]?[0-9]{1,9}", text):
        raise invalid("to", text, "give a number of workers such as 5, or a change such as +2 or -1")
    return (None, int(text)) if text[0] in "+-" else (int(text), None)


def read_rules(given: list[str] | None) -> str | None:
    """ "depth_up=200" and others as JSON; a value that is no JSON is a text.

    Raises:
        InvalidArgument: one has no name or no value.
    """
    if not given:
        return None
    rules = {}
    for one in given:
        name, equals, value = one.partition("=")
        if not name or not equals:
            raise invalid("rule", one, "give a name and a value, such as depth_up=200")
        rules[name.strip()] = _value(value.strip())
    return dumps(rules)


def _value(text: str) -> Any:
    try:
        value = loads(text)
        dumps(value)  # NaN, which Python reads, is no JSON: SQL refuses the text by the name of its rule
    except (ValueError, RecursionError):
        return text
    return value
