"""Waiting for many jobs at once."""

import time
from collections.abc import AsyncIterator, Collection, Iterable, Iterator
from typing import Any, Generic, TypeVar

from ..client import Client
from ..database.calls import results as result_calls
from ..job import Job
from .late import atoo_late, too_late
from .listener import AsyncWaiter, Waiter
from .patience import Patience

R = TypeVar("R")
LOOKED_AT = 100_000  # most jobs a second to look at without a notification


class AsCompleted(Generic[R]):
    """The return value of `app.as_completed`, for `for` and `async for`."""

    def __init__(self, client: Client, jobs: Iterable[Job[R]], timeout: float | None) -> None:
        self._client, self._timeout = client, timeout
        self._jobs = {job.id: job for job in jobs}

    def __iter__(self) -> Iterator[Job[R]]:
        left, timeout, patience = dict(self._jobs), self._timeout, Patience(self._timeout)
        with self._client.waiting.waiter(tuple(left)) as waiter:
            for ids, pause in _looks(left, waiter, patience):
                for id in patience.ask(self._client.database.run, result_calls.ended(ids)) or ():
                    yield left.pop(id)
                if not left:
                    return
                waiter.pause(pause)
        raise too_late(_late_by(left, timeout), tuple(left), patience, self._client.database.run) from patience.error

    async def __aiter__(self) -> AsyncIterator[Job[R]]:
        left, timeout, patience = dict(self._jobs), self._timeout, Patience(self._timeout)
        with self._client.waiting.async_waiter(tuple(left)) as waiter:
            for ids, pause in _looks(left, waiter, patience):
                for id in await patience.aask(self._client.async_database.run, result_calls.ended(ids)) or ():
                    yield left.pop(id)
                if not left:
                    return
                await waiter.pause(pause)
        run = self._client.async_database.run
        raise await atoo_late(_late_by(left, timeout), tuple(left), patience, run) from patience.error


def _looks(left: Collection[int], waiter: Waiter | AsyncWaiter, patience: Patience) -> Iterator[tuple[list[int], float]]:
    """Which jobs to look at, and how long to pause then: jobs with a notification, and at times all jobs that are left."""
    all_at = 0.0
    for pause in patience.pauses():
        heard, now = waiter.heard(), time.monotonic()
        if heard is None or now >= all_at or pause == 0 or patience.error is not None:
            all_at = now + max(pause, len(left) / LOOKED_AT)
            yield list(left), pause
        else:
            yield [id for id in dict.fromkeys(heard) if id in left], pause


def _late_by(left: Collection[Any], timeout: float | None) -> str:
    return f"{len(left)} of the jobs did not end within {timeout} s; they were not cancelled"
