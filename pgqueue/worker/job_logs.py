"""Storing what handlers say: collected in any thread, many lines of many jobs in one call, bounded in memory.

Lines of a run are stored before its outcome if the database is quick; if it is not, the outcome does not wait for them.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import NamedTuple
from uuid import UUID

import psycopg

from .._json import dumps
from ..database import Link
from ..database.backoff import first_line
from ..database.calls import logs as log_calls
from ..errors import Disconnected, PgQueueError
from ..run import Run
from ..watching.said import MOST_BYTES, MOST_LINES, Said, Unstored

log = logging.getLogger("pgqueue.worker")
EVERY = 0.5  # seconds that a line waits for others
WATCHED_EVERY = 0.1  # seconds, while somebody watches a job of this worker
MANY = 100  # lines that do not wait
PAUSE = 0.1  # seconds between two calls: a handler that says very much is stored in few of them
MOST_SENT = 1_000_000  # bytes in one call
MOST_HELD = 16_000_000  # bytes that wait at most
OUTCOME_WAITS = 0.25  # seconds that outcomes wait for the lines of their runs
MOST_FLUSHES = 4  # that may be under way for outcomes
NO_MORE_FOR = 5.0  # seconds in which outcomes do not wait, after they have waited in vain
FAILED_AGAIN = 5.0  # seconds without a call after the database refused one
TELL_EVERY = 60.0  # seconds between two warnings about lines that were left out


class _Key(NamedTuple):
    """Which run has said something. Not the run itself: its arguments may be large, and its lines may wait for long."""

    id: int
    token: str
    attempt: int


class _Sent(NamedTuple):
    """Lines on their way: they are sent again, as they are, until the database has answered."""

    run: _Key
    lines: list[tuple[int, Said]]
    size: int


class JobLogs:
    """Collects the lines of runs and stores them.

    Args:
        link: its own connection; opened for the first line.
        worker_id: the id of the worker.
        on_stored: called with the ids of the jobs whose lines were stored.
        is_watching: whether somebody watches a job of this worker.
    """

    def __init__(
        self,
        link: Link,
        worker_id: Callable[[], UUID],
        on_stored: Callable[[list[int]], object] = lambda ids: None,
        is_watching: Callable[[], bool] = lambda: False,
    ) -> None:
        self._link, self._worker_id, self._on_stored, self._is_watching = link, worker_id, on_stored, is_watching
        self._loop = asyncio.get_running_loop()
        self._lock = threading.RLock()  # handlers in threads add lines; reentrant, because a `__del__` may log anywhere
        self._waiting: dict[_Key, Unstored] = {}
        self._count = self._size = self._left_out = 0
        self._most_lines, self._most_bytes = MOST_LINES, MOST_BYTES
        self._is_told = False  # whether the loop knows that there are lines
        self._some, self._many = asyncio.Event(), asyncio.Event()
        self._sending: list[_Sent] = []
        self._storing = asyncio.Lock()
        self._flushes: set[asyncio.Task[None]] = set()
        self._nobody_waits_until = self._again_at = 0.0
        self._told_at = -TELL_EVERY

    def add(self, run: Run, said: Said) -> None:
        """Take a line of a run. Safe in any thread."""
        with self._lock:
            run.said += 1
            key = _key(run)
            unstored = self._waiting.get(key) or self._waiting.setdefault(key, Unstored())
            self._size += unstored.add(run.said, said, self._most_lines, self._most_bytes)
            while self._size > MOST_HELD and unstored.lines:
                self._size -= unstored.drop()
                self._left_out += 1
            if not unstored.lines:  # runs without lines would pile up as long as the database takes none
                del self._waiting[key]
            self._count += 1
            tell = not self._is_told or self._count == MANY
            self._is_told = True
        if tell:
            with suppress(RuntimeError):  # the event loop is closed: a handler in a thread has outlived the worker
                self._loop.call_soon_threadsafe(self._tell, self._count >= MANY)

    def _tell(self, are_many: bool) -> None:
        self._some.set()
        if are_many:
            self._many.set()

    def hurry(self) -> None:
        """Store now what waits: a run has ended whose outcome is committed already."""
        self._many.set()

    async def run(self) -> None:
        """Store lines until cancelled."""
        while True:
            await self._some.wait()
            with suppress(TimeoutError):
                async with asyncio.timeout(WATCHED_EVERY if self._is_watching() else EVERY):
                    await self._many.wait()
            await self.store()
            await asyncio.sleep(max(PAUSE, self._again_at - time.monotonic()))

    async def before(self, runs: Iterable[Run]) -> None:
        """Store the lines of runs whose outcomes are about to be reported; it never takes long, and never fails."""
        if not (self._waiting or self._sending) or time.monotonic() < self._nobody_waits_until:
            return
        if len(self._flushes) >= MOST_FLUSHES:  # each one hangs for as long as the database does not answer
            return
        sending = {sent.run for sent in self._sending}
        if any(key in self._waiting or key in sending for key in map(_key, runs)):
            flush = asyncio.create_task(self.store(), name="pgqueue job log")
            self._flushes.add(flush)
            flush.add_done_callback(self._flushes.discard)
            await asyncio.wait({flush}, timeout=OUTCOME_WAITS)
            if not flush.done():
                self._nobody_waits_until = time.monotonic() + NO_MORE_FOR

    async def drain(self, within: float) -> None:
        """Store all lines, if that is possible in so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                while self._waiting or self._sending:
                    await self.store()

    async def store(self) -> None:
        """Store the lines that wait, as many as one call takes."""
        async with self._storing:
            if not self._sending:
                self._sending = self._taken()
            if not self._sending:
                return
            runs = self._sending
            try:
                kept = await self._link.run(lambda: log_calls.add_log(self._worker_id(), _json(runs)))
            except Disconnected:  # it is not known whether they were stored: they are sent again
                self._some.set()
                return
            except (PgQueueError, psycopg.Error) as error:  # jobs go on without their lines
                log.error("%s lines of jobs are not stored: %s", sum(len(sent.lines) for sent in runs), first_line(error))
                self._sending = []
                self._again_at = self._nobody_waits_until = time.monotonic() + FAILED_AGAIN
                return
            self._sending = []
            self._most_lines, self._most_bytes = kept.most_lines, kept.most_bytes
            self._on_stored([sent.run.id for sent in runs])
            self._tell_left_out()

    def _taken(self) -> list[_Sent]:
        """Take lines for one call. What is left stays told."""
        taken, size = list[_Sent](), 0
        with self._lock:
            for run in list(self._waiting):
                if size > MOST_SENT:
                    break
                unstored = self._waiting.pop(run)
                if unstored.lines:
                    taken.append(_Sent(run, list(unstored.lines), unstored.size))
                size += unstored.size
                self._size -= unstored.size
            self._count = sum(len(unstored.lines) for unstored in self._waiting.values())
            self._is_told = bool(self._waiting)
            if not self._waiting:
                self._some.clear()
            if self._count < MANY:
                self._many.clear()
        return taken

    def _tell_left_out(self) -> None:
        if self._left_out and time.monotonic() - self._told_at > TELL_EVERY:
            self._told_at = time.monotonic()
            log.warning("%s lines of jobs were left out: they came faster than they could be stored", self._left_out)
            self._left_out = 0


def _key(run: Run) -> _Key:
    return _Key(run.id, run.token, run.attempt)


def _json(runs: list[_Sent]) -> str:
    """Lines as `add_log` takes them."""
    now = time.monotonic()
    return f"[{','.join(_run_json(sent, now) for sent in runs)}]"


def _run_json(sent: _Sent, now: float) -> str:
    lines = ",".join(
        f'{{"n":{number},"ago":{max(0.0, now - said.at):.6f},"level":"{said.level}","message":{dumps(said.message)}'
        + (f',"fields":{said.fields}}}' if said.fields else "}")
        for number, said in sent.lines
    )
    run = sent.run
    return f'{{"id":{run.id},"token":"{run.token}","attempt":{run.attempt},"lines":[{lines}]}}'
