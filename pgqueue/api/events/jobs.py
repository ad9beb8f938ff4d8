"""The jobs of a filter: which were created, have started and have ended."""

import secrets
from collections import deque
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from ...database.calls import jobs as calls
from ...database.calls.jobs import Changed
from ..waiting.hub import JobEar
from .source import Event, Source, Tools, reset

MOST = 2000  # changes of one look, and events that are kept for slow readers
LINGERS = 60.0  # seconds for which a reader may be away and go on where it was
SLACK = timedelta(seconds=5)  # an id and a time are taken a moment before their row is written
MOST_BACK = timedelta(seconds=30)  # the change of a transaction that takes longer may be left out
BEFORE = 10_000  # ids before the first look that transactions may still hold
MOST_KNOWN = 50_000  # changes that are remembered


class Look(NamedTuple):
    """Where a look stood: transactions from next_xid on began after `at`."""

    at: datetime
    next_xid: int
    last_id: int


class Looks:
    """The looks of the last seconds, which tell where the next one must begin; see changed_jobs."""

    def __init__(self) -> None:
        self._looks = deque[Look]()
        self._oldest_xid: int | None = None
        self._known: dict[tuple[Any, ...], datetime] = {}
        self._since: datetime | None = None

    def note(self, seen: Changed) -> list[dict[str, Any]]:
        """The changes that no earlier look has seen."""
        new = []
        for job in seen.jobs:
            key = (job["id"],) if job["event"] == "created" else (job["id"], job["event"], job["at"])
            if key not in self._known:
                self._known[key] = self._known[job["id"],] = seen.at
                new.append(job)
        last_id = max(seen.last_id or 0, self._looks[-1].last_id) if self._looks else max((seen.last_id or 0) - BEFORE, 0)
        self._looks.append(Look(seen.at, seen.next_xid, last_id))
        self._oldest_xid = seen.oldest_xid
        self._forget(seen.at)
        return new

    def next(self) -> tuple[int | None, int, datetime | None]:
        """after_xid, after_id and since of the next look."""
        if not self._looks:
            return None, 0, None
        return self._oldest_xid, self._looks[0].last_id, self._since

    def is_empty(self) -> bool:
        """Whether there was none yet."""
        return not self._looks

    def is_too_long(self) -> bool:
        """Whether there is more than can be remembered."""
        return len(self._known) > MOST_KNOWN

    def _forget(self, now: datetime) -> None:
        """Keep what the next look needs: one look that saw no transaction that is still unseen, and one some seconds before."""
        assert self._oldest_xid is not None
        before = [look for look in self._looks if look.next_xid <= self._oldest_xid]
        floor = max(before[-1].at if before else self._looks[0].at, now - MOST_BACK)
        self._since = floor - SLACK
        while len(self._looks) > 1 and self._looks[1].at <= self._since:
            self._looks.popleft()
        self._known = {key: at for key, at in self._known.items() if at >= self._looks[0].at}


class JobsSource(Source):
    """What happens to the jobs of a filter.

    Args:
        tools: what sources need.
        filter: as JSON text.
    """

    lingers = LINGERS

    def __init__(self, tools: Tools, filter: str) -> None:
        super().__init__(tools)
        self._filter = filter
        self._looks = Looks()
        self._kept = deque[dict[str, Any]](maxlen=MOST)
        self._count = 0  # events so far
        self._cut = 0  # events that may be missing stand before this one
        self._epoch = secrets.token_hex(6)
        self._at: datetime | None = None

    def ear(self) -> JobEar:
        return self.tools.hub.changes([])

    async def look(self) -> bool:
        if self._looks.is_empty():
            await self._begin()
            return False
        seen = await self._changed(self._looks)
        if not seen.is_over or self._looks.is_too_long():
            await self._begin_anew()
            return True
        new = self._looks.note(seen)
        for job in new:
            self._kept.append(self.tools.shown(job))
        self._count += len(new)
        return bool(new)

    async def _begin(self) -> None:
        """Note what is there, without telling it."""
        looks = Looks()
        looks.note(await self._changed(looks))
        begin = await self._changed(looks)
        looks.note(begin)
        self._looks, self._at = looks, begin.at

    async def _changed(self, looks: Looks) -> Changed:
        return await self.tools.run(calls.changed_jobs(self._filter, *looks.next(), MOST))

    async def _begin_anew(self) -> None:
        """There was too much to tell. Readers are told so after the new beginning: what they read anew has the rest."""
        await self._begin()
        self._kept.clear()
        self._count += 1
        self._cut = self._count

    def after(self, mark: str | None) -> Iterator[Event]:
        told, event = self._resumed(mark)
        if event is not None:
            yield event
        for number, job in enumerate(list(self._kept), self._count - len(self._kept) + 1):
            if number > told:
                yield Event(self._mark(number), job["event"], {name: job[name] for name in job if name != "event"})

    def _resumed(self, mark: str | None) -> tuple[int, Event | None]:
        """How many events a reader has been told, and what it is told about that."""
        now = self._mark(self._count)
        if mark is None:
            return self._count, Event(now, "ready", {"at": self._at})
        told = self._told(mark)
        if told is None:
            return self._count, reset(now, "this process has not told the event with this id, or too long ago")
        if told < max(self._count - len(self._kept), self._cut):
            return self._count, reset(now, f"there were more than {MOST:,} changes that were not told yet")
        return told, None

    def _mark(self, number: int) -> str:
        return f"{self._epoch}-{number}"

    def _told(self, mark: str) -> int | None:
        """How many events a reader has been told; None = it is not known."""
        epoch, _, number = mark.partition("-")
        is_ours = epoch == self._epoch and number.isascii() and number.isdecimal() and len(number) < 19
        return int(number) if is_ours and int(number) <= self._count else None
