"""A full claim in slices: one that walks millions of dead entries would keep the worker without jobs for seconds.

Once a second a claim that resumes where the last one was also looks at the priorities at which none resumes, and at one slice of
what is before: of one queue, at all priorities, at the jobs that were due in a span of time. From slice to slice it goes back in
time, and a span is as long as its walk is quick.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from ..database.adapters import FIRST

TARGET = 0.05  # seconds that the walk over a slice may take
FIRST_SPAN = 1.0  # seconds: most jobs that are late are late by less, such as those whose enqueue has committed late
LONGEST_SPAN = 1e9  # seconds: what was due earlier still is one slice
PRIORITIES = range(-100, 101)

Places = Mapping[tuple[str, int], datetime]


class Sweep:
    """One look at everything that is before the places where claims resume, or at a priority at which they do not."""

    def __init__(self) -> None:
        self._left: list[str] = []  # queues that are still to be looked at, the current one last
        self._top = self._end = datetime.min  # of the queue: where the first slice ends, where this one does
        self._span = FIRST_SPAN
        self.took = 0.0  # seconds of all slices so far

    def slice(self, places: Places) -> list[dict[str, Any]]:
        """What the next slice adds to `resume_at`: nothing that a place covers."""
        if not self._left:
            self._left = sorted({queue for queue, _ in places})
            self.took = 0.0
            self._first(places)
        queue, begin = self._left[-1], self._begin()
        entries: list[dict[str, Any]] = []
        for priority in PRIORITIES:
            until = min(places.get((queue, priority), self._end), self._end)
            if begin is None or begin < until:
                since = "-infinity" if begin is None else begin.isoformat()
                entries.append({"queue": queue, "priority": priority, "run_at": since, "until": until.isoformat()})
        return entries + self._not_resumed(places)

    def _not_resumed(self, places: Places) -> list[dict[str, Any]]:
        """What may be new at the other priorities, in all queues: an urgent job must not wait until its queue has its turn."""
        return [
            {"queue": queue, "priority": priority, "run_at": (self._top if queue == self._left[-1] else top).isoformat()}
            for queue, top in _tops(places).items()
            for priority in PRIORITIES
            if (queue, priority) not in places
        ]

    def walked(self, places: Places, seconds: float) -> bool:
        """A slice took so long, and held no more jobs. Returns whether it was the last one of the sweep."""
        self.took += seconds
        begin = self._begin()
        if begin is None:
            self._left.pop()
            if self._left:
                self._first(places)
            return not self._left
        self._end = begin
        if seconds > TARGET:
            self._span = max(FIRST_SPAN, self._span / 2)  # else it would not come far on a busy machine
        elif seconds < TARGET / 2:
            self._span *= 4
        return False

    def _first(self, places: Places) -> None:
        self._top = self._end = _tops(places)[self._left[-1]]
        self._span = FIRST_SPAN

    def _begin(self) -> datetime | None:
        """Where this slice begins; None: it is the last one, which has no beginning."""
        is_last = self._span > LONGEST_SPAN or self._end - FIRST < timedelta(seconds=self._span)
        return None if is_last else self._end - timedelta(seconds=self._span)


def _tops(places: Places) -> dict[str, datetime]:
    """The last place of each queue."""
    tops: dict[str, datetime] = {}
    for (queue, _), place in places.items():
        tops[queue] = max(place, tops.get(queue, place))
    return tops
