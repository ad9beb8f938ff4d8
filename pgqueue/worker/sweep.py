"""A full claim in slices: one that walks millions of dead entries would keep the worker without jobs for seconds.

Once a second a claim that resumes where the last one was also looks at one slice of what is before: of one queue, at all
priorities, at the jobs that were due in a span of time. From slice to slice it goes back in time, and a span is as long as its
walk is quick.
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
            place = places.get((queue, priority))
            until = self._end if place is None else min(place, self._end)
            if begin is None or begin < until:
                since = "-infinity" if begin is None else begin.isoformat()
                entries.append({"queue": queue, "priority": priority, "run_at": since, "until": until.isoformat()})
            if place is None:
                entries.append({"queue": queue, "priority": priority, "run_at": self._top.isoformat()})
        return entries

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
        self._top = self._end = max(place for (queue, _), place in places.items() if queue == self._left[-1])
        self._span = FIRST_SPAN

    def _begin(self) -> datetime | None:
        """Where the slice begins; None = nowhere: it is the last one of its queue."""
        left = (self._end - FIRST).total_seconds()  # a place may be that of a job that was due in the year 1
        return None if self._span > min(LONGEST_SPAN, left) else self._end - timedelta(seconds=self._span)
