"""Why a due job does not start: the keys that it waits for, from the view `limit_status`."""

from datetime import datetime
from typing import NamedTuple

from ..database.calls.limits import LimitStatus


class Wait(NamedTuple):
    """A key under which a job cannot start now, and why.

    Attributes:
        key: a key of the job, or the key of its queue.
        parked_until: until when the key is parked; or None.
        running, max_running: the number of running jobs under the key, if it has reached the limit; or None.
        tokens_in: seconds until the key has the tokens that the job needs; or None.
    """

    key: str
    parked_until: datetime | None = None
    running: int | None = None
    max_running: int | None = None
    tokens_in: float | None = None


def waits(limits: list[str], queue: str, cost: int, rows: list[LimitStatus]) -> list[Wait]:
    """The keys that a ready job waits for, in their order; empty if it can start.

    Args:
        limits: the keys of the job.
        queue: the queue of the job, which may have its own limit.
        cost: the cost of the job in tokens.
        rows: the current values of the keys.
    """
    by_key = {row.key: row for row in rows}
    keys = [key for key in (*limits, f"queue:{queue}") if key in by_key]
    return [wait for key in keys if (wait := _wait(by_key[key], cost))]


def _wait(row: LimitStatus, cost: int) -> Wait | None:
    if row.parked_until is not None:
        return Wait(row.key, parked_until=row.parked_until)
    if not row.enabled:
        return None
    if row.max_running is not None and row.running >= row.max_running:
        return Wait(row.key, running=row.running, max_running=row.max_running)
    if row.rate is None or row.per is None or row.burst is None or row.tokens is None:
        return None
    missing = min(cost if row.count_cost else 1, row.burst) - row.tokens
    return Wait(row.key, tokens_in=missing * row.per.total_seconds() / row.rate) if missing > 0 else None
