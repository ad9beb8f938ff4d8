"""Schedules as text: their times in words, and ticks in their zone and here."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ..database.calls.schedules import ScheduleStatus, ScheduleTick
from ..schedules.schedules import ticks_of
from ..schedules.words import describe, describe_every

_SHOWN = {"cron", "every", "timezone", "misfire", "overlap", "job"}  # by other facts than `more`


def readable(row: ScheduleStatus) -> dict[str, Any]:
    """A schedule for people, as a row of the list."""
    tick = row.next_tick.astimezone(ticks_of(row, None).zone) if row.next_tick else None
    more = {field: value for field, value in row.definition.items() if field not in _SHOWN}
    return row._asdict() | {
        "when": said(row.definition, row.name),
        "next_tick": _no_tick(row) if tick is None else in_zone(tick),
        "here": None if tick is None or _is_here(tick) else local(tick),
        "last_tick": row.last_tick and local(row.last_tick),
        "outcome": row.last_outcome,
        "misfires": row.misfires or None,
        "job": row.definition["job"],
        "more": ", ".join(f"{field} {value}" for field, value in more.items()) or None,
    }


def readable_tick(tick: ScheduleTick, row: ScheduleStatus) -> dict[str, Any]:
    """What became of a tick, for people."""
    at = tick.tick.astimezone(ticks_of(row, None).zone)
    ticks = f"{tick.stands_for} ticks" if tick.stands_for > 1 else None
    return tick._asdict() | {"tick": in_zone(at), "for": ticks}


def said(definition: Mapping[str, Any], name: str | None = None) -> str:
    """When a schedule fires, in words."""
    if definition.get("every") is not None:
        return describe_every(float(definition["every"]))
    return f"{'; and '.join(describe(one, name) for one in definition['cron'])}, {definition.get('timezone') or 'UTC'}"


def tick_lines(ticks: list[datetime]) -> list[str]:
    """Ticks in the zone of their schedule, and here if clocks here show another time."""
    form = max((_form(tick) for tick in ticks), default="", key=len)
    return [
        f"  {tick.strftime(form)} {tick.tzname()}" + ("" if _is_here(tick) else f"   here: {tick.astimezone().strftime(form)}")
        for tick in ticks
    ]


def in_zone(at: datetime) -> str:
    """A time with its zone."""
    return f"{at.strftime(_form(at))} {at.tzname()}"


def local(at: datetime) -> str:
    """A time as clocks here show it."""
    return at.astimezone().strftime(_form(at))


def _form(at: datetime) -> str:
    """The form of a time: without seconds if there are none, as in most schedules."""
    return "%Y-%m-%d %H:%M:%S" if at.second or at.microsecond else "%Y-%m-%d %H:%M"


def _is_here(at: datetime) -> bool:
    return at.utcoffset() == at.astimezone().utcoffset()


def _no_tick(row: ScheduleStatus) -> str:
    """What stands in place of the next tick."""
    if row.paused_at is not None:
        return "paused"
    return "error" if row.error else "none"
