"""What an HTTP worker reports: outcomes in batches, again until they are answered, and log lines."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from .._json import dumps, loads_own
from ..database.backoff import Backoff, Complaints
from ..run import Run
from ..watching.said import Said, Unstored
from ..worker.outcome import Outcome, failure
from .link import ApiLink, Refused, Unreachable

log = logging.getLogger("pgqueue.worker")
MOST = 500  # outcomes in a request
MOST_BYTES = 900_000  # of a request
LINES_EVERY = 0.5  # seconds
MOST_LINES = 500  # in a request


class Reports:
    """Outcomes on their way.

    Args:
        link: where they are sent.
        worker_id: the worker's current id.
        most: how many may wait before no further job starts.
        on_room: called when fewer wait again.
    """

    def __init__(self, link: ApiLink, worker_id: Callable[[], str], most: int, on_room: Callable[[], None]) -> None:
        self._link, self._worker_id, self._most, self._on_room = link, worker_id, most, on_room
        self._waiting: deque[Outcome] = deque()
        self._sending: list[Outcome] = []
        self._some, self._backoff = asyncio.Event(), Backoff()
        self._complaints = Complaints(log, "reporting outcomes")

    def add(self, ended: Outcome) -> None:
        """Take an outcome."""
        self._waiting.append(ended)
        self._some.set()

    def is_full(self) -> bool:
        """Whether so many wait that no further job may start."""
        return len(self._waiting) + len(self._sending) >= self._most

    def unflushed(self) -> list[int]:
        """The jobs whose outcomes are not stored yet."""
        return [ended.job.id for ended in (*self._sending, *self._waiting)]

    def drop(self) -> None:
        """Forget all outcomes: the jobs are not this worker's any more."""
        self._waiting.clear()

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            await self._some.wait()
            self._some.clear()
            while self._waiting:
                self._sending = self._batch()
                await self._send(self._sending)
                self._sending = []
                self._on_room()

    async def drain(self) -> None:
        """Wait until everything is stored."""
        while self._waiting or self._sending:  # noqa: ASYNC110 only at the end of the worker
            await asyncio.sleep(0.02)

    def _batch(self) -> list[Outcome]:
        batch, size = [self._waiting.popleft()], 0
        while self._waiting and len(batch) < MOST and (size := size + len(batch[-1].json)) < MOST_BYTES / 2:
            batch.append(self._waiting.popleft())
        return batch

    async def _send(self, batch: list[Outcome]) -> None:
        try:
            verdicts = await self._until_answered(batch)
        except Refused as error:
            if error.kind == "lease-lost":
                return
            if len(batch) > 1:  # one of them is at fault
                for ended in batch:
                    await self._send([ended])
                return
            await self._refused(batch[0], error)
            return
        by_id = {ended.job.id: ended for ended in batch}
        for one in verdicts:
            ended = by_id[int(one["job_id"])]
            if one["verdict"] == "busy":
                asyncio.get_running_loop().call_later(0.1, self.add, ended)
            elif one["verdict"] == "stale":
                log.warning("job %s is no longer owned by this worker; its outcome is dropped", ended.job.id)

    async def _refused(self, ended: Outcome, error: Refused) -> None:
        """Report a failure in place of an outcome that cannot be stored, such as one that is too large."""
        log.error("the outcome of job %s was refused: %s", ended.job.id, error)
        with suppress(Refused):
            await self._until_answered([failure(ended.job, error, ended.elapsed, reason="system_error", final=True)])

    async def _until_answered(self, batch: list[Outcome]) -> list[dict[str, Any]]:
        text = '{"outcomes":[' + ",".join(map(_text, batch)) + "]}"
        while True:
            try:
                answer = await self._link.send(f"/workers/{self._worker_id()}/finish", text)
            except Unreachable as error:
                self._complaints.add(error, self._backoff.failed())
                await self._backoff.wait()
            else:
                self._backoff.worked()
                verdicts: list[dict[str, Any]] = answer["verdicts"]
                return verdicts


def _text(ended: Outcome) -> str:
    return ended.json if ended.nodes is None else f'{ended.json[:-1]},"nodes":{ended.nodes}}}'


class LogLines:
    """Log lines of runs, sent together.

    Args:
        link: where they are sent.
        worker_id: the worker's current id.
    """

    def __init__(self, link: ApiLink, worker_id: Callable[[], str]) -> None:
        self._link, self._worker_id = link, worker_id
        self._lines: dict[tuple[int, str, int], Unstored] = {}

    def add(self, run: Run, said: Said) -> None:
        """Take a line. Safe in any thread."""
        run.said += 1
        self._lines.setdefault((run.id, run.token, run.attempt), Unstored()).add(run.said, said)

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            await asyncio.sleep(LINES_EVERY)
            await self.flush()

    async def flush(self) -> None:
        """Send what there is. Lines that are not answered are lost: a log must not hold a worker up."""
        lines, self._lines = self._lines, {}
        for (job_id, token, attempt), unstored in lines.items():
            numbered = list(unstored.lines)[-MOST_LINES:]
            body = {"token": token, "worker": self._worker_id(), "attempt": attempt, "first": numbered[0][0]}
            body["lines"] = [_line(said) for _, said in numbered]
            try:
                await self._link.send(f"/jobs/{job_id}/log", dumps(body))
            except (Unreachable, Refused) as error:
                log.debug("lines of job %s are lost: %s", job_id, error)


def _line(said: Said) -> dict[str, Any]:
    fields = None if said.fields is None else loads_own(said.fields)
    return {"message": said.message, "level": said.level, "fields": fields, "ago": max(0.0, time.monotonic() - said.at)}
