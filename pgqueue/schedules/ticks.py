"""The ticks of a schedule: the times at which it is due, from its cron expressions or its interval."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from heapq import merge
from itertools import groupby, islice, takewhile
from typing import Any
from zoneinfo import ZoneInfo

from .._checks import check_time, invalid
from ..errors import InvalidArgument
from .cron import LAST_YEAR, Cron, read_cron
from .every import check_every, read_every
from .zones import read_zone

MOST_TICKS = 1_000  # that one answer lists
MOST_COUNTED = 3_000  # ticks of cron expressions that one answer counts one by one
MOST_CRONS = 20
FIRST_YEAR = 1900
ANCHOR = datetime(2000, 1, 1, tzinfo=UTC)  # intervals count from here, unless there is a starts_at: so all workers agree
_INSTANT = timedelta(microseconds=1)
_UTC = ZoneInfo("UTC")


@dataclass(frozen=True, slots=True)
class Due:
    """What is due.

    Attributes:
        ticks: the due ticks, oldest first: at most the last 1,000.
        older: how many due ticks come before those. Exact for an interval; of cron expressions with more than 3,000 due ticks a
            lower bound.
        next: the first tick that is not due yet; None if there is none.
    """

    ticks: list[datetime]
    older: int
    next: datetime | None


@dataclass(frozen=True, slots=True)
class Ticks:
    """The ticks of one schedule. All times have a zone; those in answers are in UTC.

    Args:
        crons: cron expressions; a time that several of them name is one tick.
        every: seconds between ticks, instead of crons. Real seconds, so changes of the clocks do not matter.
        zone: whose clock the expressions mean.
        starts_at: no tick is before it, and intervals begin with it.
        ends_at: no tick is after it.
    """

    crons: tuple[Cron, ...] = ()
    every: float | None = None
    zone: ZoneInfo = _UTC
    starts_at: datetime | None = None
    ends_at: datetime | None = None

    @classmethod
    def from_definition(cls, definition: Mapping[str, Any], name: str) -> "Ticks":
        """Read the keys of a stored definition that are about time.

        Args:
            definition: has cron (a text or a list of them) or every (seconds), and may have timezone, starts_at and ends_at (ISO
                texts); other keys are ignored.
            name: of the schedule, which decides what H stands for.

        Raises:
            InvalidArgument: a value is invalid; the message names it.
        """
        zone = read_zone(definition.get("timezone") or "UTC")
        crons, every = _read_times(definition.get("cron"), definition.get("every"), name)
        starts_at, ends_at = (_read_bound(key, definition.get(key)) for key in ("starts_at", "ends_at"))
        if starts_at is not None and ends_at is not None and ends_at < starts_at:
            raise invalid("ends_at", definition["ends_at"], "use a time after starts_at")
        return cls(crons, every, zone, starts_at, ends_at)

    def first_after(self, at: datetime) -> datetime | None:
        """The first tick after a time; None if there is none."""
        return next(self._after(at), None)

    def upcoming(self, after: datetime, count: int) -> list[datetime]:
        """The first ticks after a time, at most `count`."""
        return list(islice(self._after(after), count))

    def due(self, after: datetime, next_tick: datetime | None, until: datetime) -> Due:
        """What is due after one time and up to another.

        Args:
            after: ticks up to this time are done.
            next_tick: the next tick as it is stored: it is the first due one, even if the expression says otherwise now; None:
                it is to be computed.
            until: the time of the database.
        """
        first = next_tick.astimezone(UTC) if next_tick is not None and next_tick > after else self.first_after(after)
        if first is None or first > until:
            return Due([], 0, first)
        return self._due_every(first, until) if self.every is not None else self._due_crons(first, until)

    def _due_every(self, first: datetime, until: datetime) -> Due:
        """By arithmetic: the time for which no worker ran costs nothing."""
        step, anchor = self._step, self._anchor
        begin = (self._not_before_start(first) - anchor) // step + 1
        end = (min(until, self.ends_at or until) - anchor) // step
        count = max(0, end - begin + 1)
        listed = [anchor + number * step for number in range(max(begin, end + 1 - MOST_TICKS), end + 1)]
        ticks = [first, *listed][-MOST_TICKS:]
        return Due(ticks, 1 + count - len(ticks), self.first_after(until))

    def _due_crons(self, first: datetime, until: datetime) -> Due:
        ticks = [first]
        for tick in self._after(first):
            if tick > until:
                return Due(ticks[-MOST_TICKS:], max(0, len(ticks) - MOST_TICKS), tick)
            if len(ticks) == MOST_COUNTED:
                return self._due_many(ticks, until)
            ticks.append(tick)
        return Due(ticks[-MOST_TICKS:], max(0, len(ticks) - MOST_TICKS), None)

    def _due_many(self, counted: list[datetime], until: datetime) -> Due:
        """The last ticks, found backwards, when there are more than is worth counting."""
        last = min(until, self.ends_at or until)
        ticks = list(islice(self._before(last + _INSTANT), MOST_TICKS))[::-1]
        return Due(ticks, bisect_left(counted, ticks[0]), self.first_after(until))

    @property
    def _step(self) -> timedelta:
        return timedelta(seconds=self.every or 0)

    @property
    def _anchor(self) -> datetime:
        return ANCHOR if self.starts_at is None else self.starts_at

    def _not_before_start(self, at: datetime) -> datetime:
        """The time after which to look for ticks after `at`."""
        return at if self.starts_at is None else max(at, self.starts_at - _INSTANT)

    def _after(self, at: datetime) -> Iterator[datetime]:
        at = self._not_before_start(at)
        ticks = self._intervals(at) if self.every is not None else _union(self._later(cron, at) for cron in self.crons)
        return takewhile(lambda tick: self.ends_at is None or tick <= self.ends_at, ticks)

    def _before(self, at: datetime) -> Iterator[datetime]:
        """The ticks of the cron expressions, from the last one before a time backwards."""
        return _union((self._earlier(cron, at) for cron in self.crons), backwards=True)

    def _intervals(self, at: datetime) -> Iterator[datetime]:
        step, anchor = self._step, self._anchor
        tick = anchor + ((at - anchor) // step + 1) * step if at.year <= LAST_YEAR else at
        while tick.year <= LAST_YEAR:
            yield tick
            tick += step

    def _later(self, cron: Cron, at: datetime) -> Iterator[datetime]:
        while (tick := cron.next_after(at, self.zone)) is not None:
            if tick <= at:
                raise _stuck(cron, "after", at, tick)
            yield tick
            at = tick

    def _earlier(self, cron: Cron, at: datetime) -> Iterator[datetime]:
        while (tick := cron.previous(at, self.zone)) is not None:
            if tick >= at:
                raise _stuck(cron, "before", at, tick)
            yield tick
            at = tick


def _union(ticks: Iterable[Iterator[datetime]], backwards: bool = False) -> Iterator[datetime]:
    """The ticks of several expressions in order, each once."""
    return (tick for tick, _ in groupby(merge(*ticks, reverse=backwards)))


def _stuck(cron: Cron, side: str, at: datetime, tick: datetime) -> RuntimeError:
    """The error that ends what would be an endless loop."""
    return RuntimeError(f"{cron!r} does not advance: the tick {side} {at.isoformat()} came out as {tick.isoformat()}")


def _read_times(cron: Any, every: Any, name: str) -> tuple[tuple[Cron, ...], float | None]:
    """The expressions, or the interval, of a definition."""
    if (cron is None) == (every is None):
        raise InvalidArgument("cron: a schedule has either cron or every, such as cron='0 2 * * *' or every=90")
    if every is not None:
        return (), check_every("every", every)
    texts = [cron] if isinstance(cron, str) else cron
    if not isinstance(texts, list | tuple) or not 1 <= len(texts) <= MOST_CRONS:
        raise invalid("cron", cron, f"use a cron expression, or a list of 1 to {MOST_CRONS} of them, such as '0 2 * * *'")
    if len(texts) == 1 and (seconds := read_every(texts[0])) is not None:
        return (), seconds
    return tuple(read_cron(text, hash_id=name) for text in texts), None


def _read_bound(field: str, given: Any) -> datetime | None:
    if given is None:
        return None
    try:
        at = datetime.fromisoformat(given) if isinstance(given, str) else given
    except ValueError:
        raise invalid(field, given, "use a time with a zone, such as '2027-01-01T00:00:00+00:00'") from None
    check_time(field, at)
    if not FIRST_YEAR <= at.year <= LAST_YEAR:
        raise invalid(field, given, f"use a time between the years {FIRST_YEAR} and {LAST_YEAR}")
    utc: datetime = at.astimezone(UTC)
    return utc
