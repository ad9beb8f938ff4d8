"""A handle on a job: read it, wait for its result."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

from ._checks import LONGEST, Duration, Priority, interval, invalid, read_duration, read_priority, read_time
from ._json import Unreadable
from ._text import shortened, storable
from .client import Client
from .codec.open import dump_open
from .codec.parameters import Parameters
from .database import Call
from .database.calls import explain as explain_calls
from .database.calls import manage as manage_calls
from .database.calls import reads
from .database.calls import results as result_calls
from .database.calls.explain import Cause
from .database.calls.results import Kept, ResultRow
from .errors import InvalidArgument, JobCancelled, JobFailed, JobNotFound, ResultExpired, ResultUnreadable
from .waiting.late import atoo_late, too_late
from .waiting.patience import Patience
from .watching.watch import Watchable

R = TypeVar("R")


class Job(Watchable, Generic[R]):
    """One call of a task.

    Attributes:
        id: the job's id.
        duplicate: True if the enqueue of this handle found an existing job and added none.
    """

    __slots__ = ("_client", "_parameters", "_row", "duplicate", "id")

    def __init__(self, client: Client, id: int, parameters: Parameters | None = None, duplicate: bool = False) -> None:
        self._client = client
        self._parameters = parameters
        self.duplicate = duplicate
        self._row: dict[str, Any] | None = None
        self.id = id

    @property
    def status(self) -> str:
        """blocked, scheduled, ready, running, succeeded, failed or cancelled, as of the last `refresh`."""
        return str(self.row["state"])

    @property
    def duration(self) -> timedelta | None:
        """How long the handler took in its last attempt, as of the last `refresh`; None until the job is over."""
        elapsed = self.row["elapsed"]
        return None if elapsed is None else timedelta(seconds=elapsed)

    @property
    def progress(self) -> dict[str, Any] | None:
        """The last values of `ctx.progress`, as of the last `refresh`: done, total, note, and at (ISO text).

        None if there are none, and after the job has ended.
        """
        told: dict[str, Any] | None = self.row["progress"]
        return told and {name: _float(value) for name, value in told.items()}

    @property
    def row(self) -> dict[str, Any]:
        """The job's columns in the view `jobs`, as of the last `refresh`; read at first use."""
        if self._row is None:
            self.refresh()
        assert self._row is not None
        return self._row

    def refresh(self) -> "Job[R]":
        """Read the job again.

        Raises:
            JobNotFound: the history does not keep it any more.
        """
        return self._found(self._client.database.run(reads.job(self.id)))

    async def arefresh(self) -> "Job[R]":
        """`refresh` for async code."""
        return self._found(await self._client.async_database.run(reads.job(self.id)))

    def explain(self) -> list[Cause]:
        """Why the job does not run and when it will, who runs it, or how it has ended; the decisive cause first.

        Raises:
            JobNotFound: there is no such job (any more).
        """
        return self._client.database.run(explain_calls.explain(self.id))

    async def aexplain(self) -> list[Cause]:
        """`explain` for async code."""
        return await self._client.async_database.run(explain_calls.explain(self.id))

    def result(self, timeout: float | None = None) -> R:
        """Wait until the job has ended and return its result.

        Args:
            timeout: seconds to wait; None (default) waits without limit, 0 polls once.

        Raises:
            ResultTimeout: it did not end in time, and was not cancelled: the error says why it has not ended; or the database did
                not answer in time, which is then the cause.
            JobFailed: it failed for good; carries the remote traceback.
            JobCancelled: it was cancelled. If it was skipped, the message names the parents that did not end as required, and the
                cause of the exception is the JobFailed of the first failed parent, if any failed.
            ResultExpired: it succeeded, but its result is not kept any more.
            ResultUnreadable: it was finished in SQL with a result that Python cannot read.
            JobNotFound: there is no such job (any more).
        """
        patience, row = Patience(timeout), None
        with self._client.waiting.waiter((self.id,)) as waiter:
            for pause in patience.pauses():
                row = patience.ask(self._client.database.run, result_calls.result(self.id))
                if row is not None and self._ended(row):
                    return self._value(row)
                waiter.pause(pause)
        state, run = row and row.state, self._client.database.run
        raise too_late(self._late_by(timeout), (self.id,), patience, run, state) from patience.error

    async def aresult(self, timeout: float | None = None) -> R:
        """`result` for async code."""
        patience, row = Patience(timeout), None
        with self._client.waiting.async_waiter((self.id,)) as waiter:
            for pause in patience.pauses():
                row = await patience.aask(self._client.async_database.run, result_calls.result(self.id))
                if row is not None and self._ended(row):
                    return self._value(row)
                await waiter.pause(pause)
        state, run = row and row.state, self._client.async_database.run
        raise await atoo_late(self._late_by(timeout), (self.id,), patience, run, state) from patience.error

    def update(
        self,
        *,
        args: Mapping[str, Any] | None = None,
        priority: Priority | None = None,
        run_at: datetime | None = None,
        run_after: Duration | None = None,
        queue: str | None = None,
    ) -> None:
        """Change a job that has not started; None does not change a value. Its limits stay unchanged.

        Args:
            args: all of its arguments, by name. They are checked against the type hints of the task if the handle knows the task:
                a handle from `enqueue`, or one that was read (`refresh`) and whose task is of this app. Otherwise, as in
                `app.job(id).update(…)`, they need only be JSON.
            priority, run_at, run_after: as in `Task.using`.
            queue: where it waits from now on, also if that one is full.

        Raises:
            InvalidArgument: a value is out of range.
            JobNotFound: there is no such job.
            WrongState: it runs, or is over.
        """
        self._client.database.run(self._changing(args, priority, run_at, run_after, queue))

    async def aupdate(
        self,
        *,
        args: Mapping[str, Any] | None = None,
        priority: Priority | None = None,
        run_at: datetime | None = None,
        run_after: Duration | None = None,
        queue: str | None = None,
    ) -> None:
        """`update` for async code."""
        await self._client.async_database.run(self._changing(args, priority, run_at, run_after, queue))

    def _changing(
        self,
        args: Mapping[str, Any] | None,
        priority: Priority | None,
        run_at: datetime | None,
        run_after: Duration | None,
        queue: str | None,
    ) -> Call[None]:
        return manage_calls.update(
            self.id,
            None if args is None else self._dumped(args),
            None if priority is None else read_priority(priority),
            None if run_at is None else read_time("run_at", run_at).isoformat(),
            None if run_after is None else interval(read_duration("run_after", run_after)),
            None if queue is None else storable("queue", queue),
        )

    def _dumped(self, args: Mapping[str, Any]) -> str:
        """Arguments as JSON text, checked against the task if the handle knows it."""
        if not isinstance(args, Mapping):
            raise invalid("args", args, "give all arguments by name, for example {'user_id': 1}")
        parameters = self._parameters or self._client.parameters.get(self._row["task"] if self._row else "")
        if parameters is not None:
            return parameters.dump(parameters.bind((), args))
        try:
            return dump_open(dict(args))
        except ValueError as error:
            raise InvalidArgument(f"args: {shortened(args)} is not valid; use JSON values: {error}") from None

    def has_result(self) -> bool:
        """Whether `result` would return at once: the job has succeeded, and its result (even None) is still kept.

        Raises:
            JobNotFound: there is no such job (any more).
        """
        return self.result_ttl() is not None

    async def ahas_result(self) -> bool:
        """`has_result` for async code."""
        return await self.aresult_ttl() is not None

    def result_ttl(self) -> float | None:
        """Seconds for which the result is still kept; None if there is none, or it is not kept any more.

        Raises:
            JobNotFound: there is no such job (any more).
        """
        return self._ttl(self._client.database.run(result_calls.kept(self.id)))

    async def aresult_ttl(self) -> float | None:
        """`result_ttl` for async code."""
        return self._ttl(await self._client.async_database.run(result_calls.kept(self.id)))

    def extend_result(self, ttl: timedelta | float) -> datetime:
        """Keep the result until another time.

        Args:
            ttl: seconds (or timedelta) from now; 0 to 1000 years.

        Returns:
            The time until which it is kept.

        Raises:
            InvalidArgument: the ttl is out of range.
            WrongState: the job has not succeeded, or its result is not kept any more.
            JobNotFound: there is no such job (any more).
        """
        return self._client.database.run(result_calls.extend_result(self.id, _seconds(ttl)))

    async def aextend_result(self, ttl: timedelta | float) -> datetime:
        """`extend_result` for async code."""
        return await self._client.async_database.run(result_calls.extend_result(self.id, _seconds(ttl)))

    def delete_result(self) -> None:
        """Remove the result now; from then on it is expired. A second call is not an error.

        Raises:
            WrongState: the job has not succeeded.
            JobNotFound: there is no such job (any more).
        """
        self._client.database.run(result_calls.delete_result(self.id))

    async def adelete_result(self) -> None:
        """`delete_result` for async code."""
        await self._client.async_database.run(result_calls.delete_result(self.id))

    def _found(self, rows: list[dict[str, Any]]) -> "Job[R]":
        if not rows:
            raise self._not_found()
        self._row = rows[0]
        return self

    def _ended(self, row: ResultRow) -> bool:
        return row.state not in ("blocked", "scheduled", "ready", "running")

    def _value(self, row: ResultRow) -> R:
        if row.state is None:
            raise self._not_found()
        if row.state == "failed":
            raise JobFailed(self.id, row.error)
        if row.state == "cancelled":
            raise _cancelled(self.id, row) from _cause(row)
        if row.expired:
            raise ResultExpired(f"the result of job {self.id} is no longer kept; enqueue with a longer result_ttl")
        if isinstance(row.value, Unreadable):
            raise ResultUnreadable(self.id)
        value: R = self._load(row)
        return value

    def _load(self, row: ResultRow) -> Any:
        """The value as the annotated type, if the task is registered here. A null is not stored, so it is not converted."""
        parameters = self._parameters or self._client.parameters.get(row.task or "")
        return row.value if row.value is None or parameters is None else parameters.load_result(row.value)

    def _ttl(self, kept: Kept) -> float | None:
        if kept.state is None:
            raise self._not_found()
        return kept.ttl

    def _not_found(self) -> JobNotFound:
        return JobNotFound(
            f"there is no job {self.id}; it never existed, is not committed yet, or the history no longer keeps it"
        )

    def __repr__(self) -> str:
        return f"Job({self.id})"


def _cancelled(id: int, row: ResultRow) -> JobCancelled:
    why = f": {row.error['message']}" if row.error else ""
    return JobCancelled(f"job {id} was cancelled ({row.reason}){why}")


def _cause(row: ResultRow) -> JobFailed | None:
    cause = (row.error or {}).get("cause")
    return JobFailed(cause["job_id"], cause["error"]) if cause else None


def _float(value: Any) -> Any:
    """The original float, because jsonb writes large floats like integers, rounded to the digits that a float needs."""
    return float(value) if type(value) is int and value > 2**53 else value


def _seconds(ttl: timedelta | float) -> float:
    seconds = ttl.total_seconds() if isinstance(ttl, timedelta) else ttl
    # Values for which PostgreSQL would raise its own error; it checks all other values.
    if not isinstance(seconds, int | float) or not abs(seconds) < LONGEST:
        raise invalid("ttl", ttl, "use seconds or a timedelta, from 0 to 1000 years")
    return float(seconds)
