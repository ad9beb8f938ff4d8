"""Skipping dead entries: where to resume claiming while the index still holds finished jobs.

A claim walks the index from its start. It passes the entries of all jobs that were claimed since the last vacuum, or since the
oldest open snapshot of the database, whichever is longer ago. While this walk is slow, claims start at the run_at of the last
claim instead, for each queue and priority, and a full claim is made about once a second; if that takes long, a slice of one,
which is looked at again at once while it is full of jobs.
"""

import time
from datetime import datetime
from typing import Any

from ..database.instants import microseconds, moment
from .sweep import Sweep

SLOW = 0.005  # seconds a full claim may take beyond what its rows explain
PER_ROW = 0.00001
FULL_EVERY = 1.0  # seconds
FULL_SHARE = 20  # full claims take at most a twentieth of the time
SLICED = 0.2  # seconds: a full claim that takes longer is made in slices while there is something to do
WHOLE_SHARE = 100  # and as a whole for a hundredth of the time

_NEVER = -(2**63)  # no time is before it
_QUEUE, _PRIORITY, _RUN_AT, LIMITS = 1, 6, 7, 11  # positions of columns in a claimed row; see sql/functions/run/claim.sql


class Cursor:
    """The lowest run_at of the last claim per (queue, priority), while full claims are slow."""

    def __init__(self) -> None:
        self._lowest: dict[tuple[str, int], bytes] = {}
        self._slow = False
        self._full_after = 0.0
        self._last_full = (0.0, 0.0)  # when the last full claim or slice ended, how long it took
        self._resumed = 0.0  # seconds that the last claim took that only resumed, beyond what its rows explain
        self._whole_at = 0.0  # when a full claim is no longer made in slices
        self._sweep = Sweep()
        self._slicing = False  # the claim that is being made has a slice

    def resume_at(self) -> list[dict[str, Any]] | None:
        """What to pass to claim: None for a full claim."""
        self._slicing = False
        if not self._slow or not self._lowest:
            return None
        if time.monotonic() >= self._full_after:
            if time.monotonic() >= self._whole_at:
                return None
            self._slicing = True
        places = self._places()
        resume = [{"queue": q, "priority": p, "run_at": place.isoformat()} for (q, p), place in places.items()]
        return resume + self._sweep.slice(places) if self._slicing else resume

    def has_places(self) -> bool:
        """Whether a claim can resume anywhere: full claims are slow, and some have got jobs."""
        return bool(self._lowest)

    def claimed(self, rows: list[tuple[Any, ...]], elapsed: float, *, full: bool) -> None:
        """Note the rows of a claim and how long it took."""
        now, explained = time.monotonic(), PER_ROW * len(rows)
        if full or self._slicing:
            self._last_full = (now, elapsed)
            self._full_after = now + max(FULL_EVERY, FULL_SHARE * elapsed)
        if full:
            self._slow = elapsed > SLOW + explained
            self._whole_at = now + WHOLE_SHARE * elapsed if elapsed > SLICED + explained else 0.0
            self._sweep = Sweep()
        if not self._slow:
            self._lowest.clear()
            return
        found = self._found(rows)
        if self._slicing:
            late = {key for key, run_at in found.items() if microseconds(run_at) < microseconds(self._lowest.get(key, run_at))}
            if late and 2 * self._count_late(rows) >= len(rows):
                self._full_after = now  # so many were committed late together: the next claim gets more of them
            for key in late:  # it would resume there, and walk all that the slice has skipped
                del found[key]
            walk = max(0.0, elapsed - explained - self._resumed)  # on a busy machine any claim takes long
            if not late and self._sweep.walked(self._places(), walk) and self._sweep.took < SLICED:
                self._whole_at = 0.0  # nothing is in the way any more
        elif not full:
            self._resumed = elapsed - explained
        self._lowest.update(found)

    def full_next(self) -> None:
        """Make the next claim a full one."""
        self._full_after = self._whole_at = 0.0

    def full_sooner(self) -> None:
        """Make a full claim as soon as their share of time allows: an enqueued job may have a priority that is not resumed."""
        ended, elapsed = self._last_full
        self._full_after = min(self._full_after, ended + FULL_SHARE * elapsed)

    def _places(self) -> dict[tuple[str, int], datetime]:
        return {key: moment(run_at) for key, run_at in self._lowest.items()}

    def _count_late(self, rows: list[tuple[Any, ...]]) -> int:
        """How many of these rows were due before the place where claims of their kind resume."""
        places = {key: microseconds(run_at) for key, run_at in self._lowest.items()}
        return sum(microseconds(row[_RUN_AT]) < places.get((row[_QUEUE], row[_PRIORITY]), _NEVER) for row in rows)

    def _found(self, rows: list[tuple[Any, ...]]) -> dict[tuple[str, int], bytes]:
        """The lowest run_at of these rows per (queue, priority)."""
        lowest: dict[tuple[str, int], bytes] = {}
        for row in rows:
            if row[LIMITS] is not None:  # the job was in a lane, which has its own cursor
                continue
            key = (row[_QUEUE], row[_PRIORITY])
            if key not in lowest or microseconds(row[_RUN_AT]) < microseconds(lowest[key]):
                lowest[key] = row[_RUN_AT]
        return lowest
