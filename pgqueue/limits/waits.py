"""Why a job that is due does not start: which of its keys hold it, by the view `limit_status`."""

from datetime import datetime
from typing import NamedTuple

from ..database.calls.limits import LimitStatus


class Wait(NamedTuple):
    """A key under which a job cannot start now, and why.

    Attributes:
        key: of the job, or that of its queue.
        parked_until: the key is parked until then; or None.
        running, max_running: jobs that run under it, as many as may; or None.
        tokens_in: seconds until it has the tokens that the job needs; or None.
    """

    key: str
    parked_until: datetime | None = None
    running: int | None = None
    max_running: int | None = None
    tokens_in: float | None = None


def waits(limits: list[str], queue: str, cost: int, rows: list[LimitStatus]) -> list[Wait]:
    """What a ready job waits for, in the order of its keys; nothing when it can start under all of them.

    Args:
        limits: the keys of the job.
        queue: of the job, which may have a limit of its own.
        cost: of the job, in tokens.
        rows: how the keys stand.
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
