"""Skipping dead entries: where to resume claiming while the index still holds finished jobs.

A claim walks the index from its start. It passes the entries of all jobs that were claimed since the last vacuum, or since the
oldest open snapshot of the database, whichever is longer ago. While this walk is slow, claims start at the run_at of the last
claim instead, for each queue and priority, and a full claim is made about once a second.
"""

import time
from typing import Any

from ..database.instants import microseconds, moment

SLOW = 0.005  # seconds a full claim may take beyond what its rows explain
PER_ROW = 0.00001
FULL_EVERY = 1.0  # seconds
FULL_SHARE = 20  # full claims take at most a twentieth of the time

_QUEUE, _PRIORITY, _RUN_AT, LIMITS = 1, 6, 7, 11  # positions of columns in a claimed row; see sql/functions/run/claim.sql


class Cursor:
    """The lowest run_at of the last claim per (queue, priority), while full claims are slow."""

    def __init__(self) -> None:
        self._lowest: dict[tuple[str, int], bytes] = {}
        self._slow = False
        self._full_after = 0.0
        self._last_full = (0.0, 0.0)  # when the last full claim ended, how long it took

    def resume_at(self) -> list[dict[str, Any]] | None:
        """What to pass to claim: None for a full claim."""
        if not self._slow or not self._lowest or time.monotonic() >= self._full_after:
            return None
        return [{"queue": q, "priority": p, "run_at": moment(run_at).isoformat()} for (q, p), run_at in self._lowest.items()]

    def claimed(self, rows: list[tuple[Any, ...]], elapsed: float, *, full: bool) -> None:
        """Note the rows of a claim and how long it took."""
        if full:
            self._slow = elapsed > SLOW + PER_ROW * len(rows)
            self._last_full = (time.monotonic(), elapsed)
            self._full_after = time.monotonic() + max(FULL_EVERY, FULL_SHARE * elapsed)
        if not self._slow:
            self._lowest.clear()
            return
        lowest: dict[tuple[str, int], bytes] = {}
        for row in rows:
            if row[LIMITS] is not None:  # the job was in a lane, which has its own cursor
                continue
            key = (row[_QUEUE], row[_PRIORITY])
            if key not in lowest or microseconds(row[_RUN_AT]) < microseconds(lowest[key]):
                lowest[key] = row[_RUN_AT]
        self._lowest.update(lowest)

    def full_next(self) -> None:
        """Make the next claim a full one."""
        self._full_after = 0.0

    def full_sooner(self) -> None:
        """Make a full claim as soon as their share of time allows: an enqueued job may have a priority that is not resumed."""
        ended, elapsed = self._last_full
        self._full_after = min(self._full_after, ended + FULL_SHARE * elapsed)
