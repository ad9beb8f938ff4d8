"""Schedules as text: their times in words, and ticks in their zone and here."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from ..database.calls import schedules as calls
from ..database.calls.schedules import ScheduleStatus, ScheduleTick
from ..errors import InvalidArgument
from ..schedules.ranges import next_ticks
from ..schedules.schedules import ticks_of
from ..schedules.words import describe_schedule
from ..schedules.zones import read_zone
from .session import Session

NEXT = 5  # ticks that every answer shows
_SHOWN = {"cron", "every", "timezone", "misfire", "overlap", "job"}  # by other facts than `more`


@dataclass(frozen=True)
class Answer:
    """What every answer about a schedule says.

    Attributes:
        words: when it fires.
        ticks: the next ticks in its zone.
        delays: how long after these ticks the jobs start; empty without jitter.
    """

    words: str
    ticks: list[datetime]
    delays: tuple[timedelta, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The answer for machines."""
        starts = [tick.astimezone(UTC) + delay for tick, delay in zip(self.ticks, self.delays, strict=False)]
        return {"description": self.words, "next_ticks": self.ticks} | ({"next_starts": starts} if starts else {})

    def lines(self) -> list[str]:
        """A line for each tick: with jitter when the job starts; and the time here, if clocks here show another."""
        form = max((_form(tick) for tick in self.ticks), default="", key=len)
        delays = [f"   starts {_seconds(delay)} later" for delay in self.delays] or [""] * len(self.ticks)
        here = ["" if _is_here(tick) else f"   here: {tick.astimezone().strftime(form)}" for tick in self.ticks]
        ticks = [f"  {tick.strftime(form)} {tick.tzname()}" for tick in self.ticks]
        return ["".join(parts) for parts in zip(ticks, delays, here, strict=True)]


def answer_about(database: Session, row: ScheduleStatus, count: int = NEXT) -> Answer:
    """The answer about a schedule; without ticks if its expression is invalid, which SQL cannot tell."""
    try:
        ticks = next_ticks(ticks_of(row, None), count, None)
    except InvalidArgument:
        ticks = []
    jitter = row.definition.get("jitter")
    delays = database.run(calls.jitters(row.name, ticks, jitter)) if jitter else ()
    return Answer(describe_schedule(row.definition, row.name), ticks, tuple(delays))


def readable(row: ScheduleStatus) -> dict[str, Any]:
    """A schedule for people, as a row of the list."""
    tick = row.next_tick.astimezone(_zone(row)) if row.next_tick and row.enabled else None
    more = {field: value for field, value in row.definition.items() if field not in _SHOWN}
    return row._asdict() | {
        "when": describe_schedule(row.definition, row.name),
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
    at = tick.tick.astimezone(_zone(row))
    ticks = f"{tick.stands_for} ticks" if tick.stands_for > 1 else None
    return tick._asdict() | {"tick": in_zone(at), "for": ticks}


def in_zone(at: datetime) -> str:
    """A time with its zone."""
    return f"{at.strftime(_form(at))} {at.tzname()}"


def local(at: datetime) -> str:
    """A time as clocks here show it."""
    return at.astimezone().strftime(_form(at))


def _seconds(delay: timedelta) -> str:
    return f"{delay.total_seconds():.1f} s"


def _form(at: datetime) -> str:
    """The form of a time: without seconds if there are none, as in most schedules."""
    return "%Y-%m-%d %H:%M:%S" if at.second or at.microsecond else "%Y-%m-%d %H:%M"


def _zone(row: ScheduleStatus) -> ZoneInfo:
    try:
        return read_zone(row.timezone)
    except InvalidArgument:  # PostgreSQL may know other zones than Python
        return ZoneInfo("UTC")


def _is_here(at: datetime) -> bool:
    return at.utcoffset() == at.astimezone().utcoffset()


def _no_tick(row: ScheduleStatus) -> str:
    """What stands in place of the next tick; it is not computed before a worker looks at a new or changed schedule."""
    if not row.enabled:
        return "paused"
    if row.error:
        return "error"
    with suppress(InvalidArgument):
        if next_ticks(ticks_of(row, None), 1, None):
            return "not computed yet"
    return "none"
