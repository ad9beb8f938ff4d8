"""A handle on a job: look at it, wait for its result."""

import asyncio
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .database import calls
from .errors import JobCancelled, JobFailed, JobNotFound, ResultExpired, ResultTimeout

if TYPE_CHECKING:
    from .app import PgQueue

R = TypeVar("R")


class Job(Generic[R]):
    """One call of a task.

    Attributes:
        id: the job's id.
    """

    __slots__ = ("_app", "_row", "id")

    def __init__(self, app: "PgQueue", id: int) -> None:
        self._app = app
        self._row: dict[str, Any] | None = None
        self.id = id

    @property
    def status(self) -> str:
        """blocked, scheduled, ready, running, succeeded, failed or cancelled, as of the last `refresh`."""
        return str(self.row["state"])

    @property
    def progress(self) -> dict[str, Any] | None:
        """What the handler told last by `ctx.progress`, as of the last `refresh`: done, total, note, and at (ISO text).

        None when it has told nothing, and once the job has ended.
        """
        told: dict[str, Any] | None = self.row["progress"]
        return told

    @property
    def row(self) -> dict[str, Any]:
        """The job's columns in the view `jobs`, as of the last `refresh`; looked up at first use."""
        if self._row is None:
            self.refresh()
        assert self._row is not None
        return self._row

    def refresh(self) -> "Job[R]":
        """Look the job up again.

        Raises:
            JobNotFound: the history does not keep it any more.
        """
        return self._found(self._app.database.run(calls.job(self.id)))

    async def arefresh(self) -> "Job[R]":
        """`refresh` for async code."""
        return self._found(await self._app.async_database.run(calls.job(self.id)))

    def result(self, timeout: float | None = None) -> R:
        """Wait until the job has ended and return what its handler returned.

        Args:
            timeout: seconds to wait; None (default) waits for ever, 0 only looks.

        Raises:
            ResultTimeout: it did not end in time; it goes on.
            JobFailed: it failed for good; carries the remote traceback.
            JobCancelled: it was cancelled.
            ResultExpired: it succeeded, but its result is not kept any more.
            JobNotFound: there is no such job (any more).
        """
        for wait in self._waits(timeout):
            row = self._app.database.run(calls.result(self.id))
            if self._ended(row):
                return self._value(row)
            time.sleep(wait)
        raise self._too_late(timeout)

    async def aresult(self, timeout: float | None = None) -> R:
        """`result` for async code."""
        for wait in self._waits(timeout):
            row = await self._app.async_database.run(calls.result(self.id))
            if self._ended(row):
                return self._value(row)
            await asyncio.sleep(wait)
        raise self._too_late(timeout)

    def _found(self, rows: list[dict[str, Any]]) -> "Job[R]":
        if not rows:
            raise self._not_found()
        self._row = rows[0]
        return self

    def _waits(self, timeout: float | None) -> Iterator[float]:
        """Pauses between two looks: 20 ms growing to 250 ms, the last one cut at the deadline."""
        deadline = time.monotonic() + (float("inf") if timeout is None else timeout)
        wait = 0.02
        while (left := deadline - time.monotonic()) > 0:
            yield min(wait, left)
            wait = min(wait * 1.25, 0.25)
        yield 0

    def _ended(self, row: calls.ResultRow) -> bool:
        return row.state not in ("blocked", "scheduled", "ready", "running")

    def _value(self, row: calls.ResultRow) -> R:
        if row.state is None:
            raise self._not_found()
        if row.state == "failed":
            raise JobFailed(self.id, row.error)
        if row.state == "cancelled":
            raise JobCancelled(f"job {self.id} was cancelled ({row.reason})")
        if row.expired:
            raise ResultExpired(f"the result of job {self.id} is not kept any more; enqueue with a longer result_ttl")
        value: R = row.value
        return value

    def _not_found(self) -> JobNotFound:
        return JobNotFound(f"there is no job {self.id}; it never existed, or the history no longer keeps it")

    def _too_late(self, timeout: float | None) -> ResultTimeout:
        return ResultTimeout(f"job {self.id} did not end within {timeout} s; it goes on")

    def __repr__(self) -> str:
        return f"Job({self.id})"
