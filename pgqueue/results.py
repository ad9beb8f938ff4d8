"""Waiting for many jobs at once."""

import time
from collections.abc import AsyncIterator, Collection, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from ._waiting import AsyncWaiter, Waiter, pauses
from .database import calls
from .errors import ResultTimeout
from .job import Job

if TYPE_CHECKING:
    from .app import PgQueue

R = TypeVar("R")
LOOKED_AT = 100_000  # jobs a second that are looked at at most without having been heard of


def as_completed(app: "PgQueue", jobs: Iterable[Job[R]], timeout: float | None) -> Iterator[Job[R]]:
    """See `PgQueue.as_completed`."""
    left = {job.id: job for job in jobs}
    with app.waiting.waiter(tuple(left)) as waiter:
        for ids, pause in _looks(left, waiter, timeout):
            for id in app.database.run(calls.ended(ids)):
                yield left.pop(id)
            if not left:
                return
            waiter.pause(pause)
    raise _too_late(left, timeout)


async def aas_completed(app: "PgQueue", jobs: Iterable[Job[R]], timeout: float | None) -> AsyncIterator[Job[R]]:
    """See `PgQueue.aas_completed`."""
    left = {job.id: job for job in jobs}
    with app.waiting.async_waiter(tuple(left)) as waiter:
        for ids, pause in _looks(left, waiter, timeout):
            for id in await app.async_database.run(calls.ended(ids)):
                yield left.pop(id)
            if not left:
                return
            await waiter.pause(pause)
    raise _too_late(left, timeout)


def _looks(left: Collection[int], waiter: Waiter | AsyncWaiter, timeout: float | None) -> Iterator[tuple[list[int], float]]:
    """Which jobs to look at, and how long to pause then: those that were heard of, and from time to time all that are left."""
    all_at = 0.0
    for pause in pauses(timeout):
        heard, now = waiter.heard(), time.monotonic()
        if heard is None or now >= all_at or pause == 0:
            all_at = now + max(pause, len(left) / LOOKED_AT)
            yield list(left), pause
        else:
            yield [id for id in dict.fromkeys(heard) if id in left], pause


def _too_late(left: Collection[Any], timeout: float | None) -> ResultTimeout:
    return ResultTimeout(f"{len(left)} of the jobs did not end within {timeout} s; they go on")
