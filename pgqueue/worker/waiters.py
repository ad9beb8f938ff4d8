"""NOTIFY for processes that wait for results or watch jobs: which jobs are over or have changed. Sent only while some do."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable

import psycopg

from ..database import Link
from ..database.calls import results as result_calls
from ..errors import Disconnected, PgQueueError

log = logging.getLogger("pgqueue.worker")
EVERY = 0.025  # seconds from one NOTIFY to the next: PostgreSQL commits transactions that notify one by one
ASKED_FOR = 15.0  # seconds for which a request counts; waiting processes repeat it every 5
MOST_WATCHED = 10_000  # jobs
DIGITS = 20  # of an id, at most
FAILED_AGAIN = 5.0  # seconds without a NOTIFY after the database refused one


class Waiters:
    """Collects the ids of jobs that are over, or are watched and have changed, and sends them to the processes that wait.
    Polling finds what a lost notification has missed.

    Args:
        link: the connection it sends on.
    """

    def __init__(self, link: Link) -> None:
        self._link = link
        self._asked_until = 0.0
        self._watched: dict[int, float] = {}  # until when each job is watched, on time.monotonic()
        self._watched_until = 0.0  # until when any of them is
        self._ids: list[int] = []
        self._some = asyncio.Event()

    def asked(self) -> None:
        """Note that a process waits."""
        self._asked_until = time.monotonic() + ASKED_FOR

    def is_asked(self) -> bool:
        """Whether any process waits."""
        return time.monotonic() < self._asked_until

    def watched(self, payload: str) -> None:
        """Note that a process watches these jobs: their ids with commas between them. Anybody may send a payload."""
        now = time.monotonic()
        self._watched = {id: until for id, until in self._watched.items() if until > now}
        ids = [int(id) for id in payload.split(",") if id.isdecimal() and len(id) < DIGITS]
        self._watched.update(dict.fromkeys(ids[: max(0, MOST_WATCHED - len(self._watched))], now + ASKED_FOR))
        self._watched_until = now + ASKED_FOR

    def is_watching(self) -> bool:
        """Whether any process watches a job. Safe in any thread."""
        return bool(self._watched) and time.monotonic() < self._watched_until

    def changed(self, job_ids: Iterable[int]) -> None:
        """Note that these jobs have changed: those that are watched are told."""
        if self.is_watching():
            now = time.monotonic()
            if ids := [id for id in job_ids if self._watched.get(id, 0.0) > now]:
                self.over(ids)

    def teller(self, loop: asyncio.AbstractEventLoop) -> Callable[[int], None]:
        """`changed` for one job, for any thread."""

        def told(job_id: int) -> None:
            if self.is_watching():
                loop.call_soon_threadsafe(self.changed, [job_id])

        return told

    def over(self, job_ids: Iterable[int]) -> None:
        """Note that these jobs are over and that this is committed."""
        self._ids.extend(job_ids)
        self._some.set()

    async def run(self) -> None:
        """Send until cancelled: the first id at once, the ids of the next 25 ms together."""
        while True:
            await self._some.wait()
            self._some.clear()
            ids, self._ids = self._ids, []
            await self._send(ids)
            await asyncio.sleep(EVERY)

    async def _send(self, ids: list[int]) -> None:
        try:
            await self._link.run(result_calls.wake_waiters(ids))
        except Disconnected:
            log.debug("%s jobs are over and no waiting process was notified", len(ids))
        except (PgQueueError, psycopg.Error):
            log.exception("waiting processes cannot be notified; they poll instead")
            await asyncio.sleep(FAILED_AGAIN)
