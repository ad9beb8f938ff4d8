"""All exceptions that pgqueue raises on purpose; each names the error, the value and the remedy."""

import asyncio
import shlex
from typing import Any

import psycopg


class PgQueueError(Exception):
    """The base class: `except PgQueueError` catches every exception that pgqueue raises on purpose."""


class ConfigurationError(PgQueueError):
    """A setting, a task or an option is invalid; the message names it and the allowed values."""


class DatabaseNotConfigured(ConfigurationError):
    """There is no database URL."""

    def __init__(self) -> None:
        super().__init__(
            "no database URL. Set PGQUEUE_DATABASE_URL=postgresql://… or, to try things out, PGQUEUE_DATABASE_URL=embedded:"
        )


class NotMigrated(PgQueueError):
    """The schema has no pgqueue tables and functions, or has another version: run `pgqueue migrate`."""


def migrate_command(schema: str) -> str:
    """The command that brings a schema up to date."""
    return "pgqueue migrate" if schema == "pgqueue" else f"pgqueue migrate --schema {shlex.quote(schema)}"


class NotPermitted(PgQueueError, psycopg.errors.InsufficientPrivilege):
    """The role of the session may not do this; the message has the grant (SQLSTATE 42501).

    It is also an InsufficientPrivilege of psycopg, so code that handles that exception handles this one.
    """


class InvalidArgument(PgQueueError, ValueError):
    """An argument was refused (SQLSTATE PQ001)."""


class WorkerLost(PgQueueError):
    """The worker missed its lease; its jobs run elsewhere (SQLSTATE PQ002)."""


class JobNotFound(PgQueueError, LookupError):
    """There is no such job, or the history no longer keeps it (SQLSTATE PQ003)."""


class ScheduleNotFound(PgQueueError, LookupError):
    """There is no schedule of this name (SQLSTATE PQ003)."""


class PoolNotFound(PgQueueError, LookupError):
    """There is no pool of this name (SQLSTATE PQ003)."""


class WrongState(PgQueueError):
    """The job is in a state that does not allow this (SQLSTATE PQ004)."""


class WrongConnection(PgQueueError, TypeError):
    """The value of `connection=` cannot be used by this call."""


class UnknownTask(PgQueueError, LookupError):
    """No task of this name is registered."""


class Disconnected(PgQueueError):
    """The connection broke or a deadline passed; it is not known whether the call took effect.

    Attributes:
        too_slow: True if the deadline or a statement_timeout passed: the same call may be too slow again.
    """

    def __init__(self, message: str, *, too_slow: bool = False) -> None:
        super().__init__(message)
        self.too_slow = too_slow


class NoConnection(PgQueueError, psycopg.OperationalError):
    """No connection became free in time, or the database cannot be reached: the message has the cause and the remedy.

    Nothing was sent. It is also an OperationalError of psycopg, so code that handles that exception handles this one.

    Attributes:
        is_busy: the database answers, but all connections of the pool were in use.
    """

    is_busy = False


class LeaseLost(PgQueueError):
    """The job is no longer owned by this run: its worker missed its lease, and the job was taken away. Nothing was changed."""


class Timeout(PgQueueError):
    """An attempt was ended because its timeout, or the `total_timeout` of its job, has passed; the type of the stored error."""


class SoftTimeout(PgQueueError, asyncio.CancelledError):
    """The soft timeout of an attempt has passed; raised in async handlers of tasks with `raise_soft_timeout=True`.

    It is also a CancelledError, so that `asyncio.wait_for`, task groups and drivers end what the handler was waiting for.
    """


class CancelRequested(BaseException):
    """Raised by `ctx.raise_if_cancelled()`: the handler ends, and its job ends as cancelled.

    It is no Exception, so that `except Exception` in the code that the handler calls does not keep it running.
    """


class AlreadyFinished(PgQueueError):
    """A `ctx.transaction()` of this run has finished the job, or an open block will finish it, or the run has ended."""


class StepNotStored(PgQueueError, ValueError):
    """A step has been done, but its value cannot be stored: it is no JSON, or too large, or there are 1,000 steps already."""


class SignalTimeout(PgQueueError, TimeoutError):
    """A signal for which a job waits has not come in time, and does not come any more."""


class OutsideWorker(PgQueueError):
    """This context has no connections of a worker: it was made by hand, or its handler runs in a process."""


class NoWorkflow(PgQueueError):
    """`ctx.workflow` was used in a job that is not part of a workflow."""


class UnknownParent(PgQueueError, KeyError):
    """`ctx.parents` has no parent of this name; the message lists the existing names."""

    def __str__(self) -> str:
        return str(self.args[0])


class UnknownNode(PgQueueError, KeyError):
    """`Workflow.jobs` has no node of this name; the message lists the existing names."""

    def __str__(self) -> str:
        return str(self.args[0])


class ResultTimeout(PgQueueError, TimeoutError):
    """What was waited for did not end within the timeout. It was not cancelled: it runs, waits, or nobody runs it, see `why`.

    Attributes:
        why: the state of the job and its decisive cause, in words; empty if that is not known.
        state: blocked, scheduled, ready or running; None if that is not known. Of many jobs: of the first one.
        cause: the word for programs that `Job.explain` has for it, such as "no_worker"; None if nobody has looked.
    """

    def __init__(self, said: str, why: str = "", state: str | None = None, cause: str | None = None) -> None:
        self.why, self.state, self.cause = why, state, cause
        super().__init__(f"{said}; {why}" if why else said)


class QueueFull(PgQueueError):
    """The queue holds as many ready jobs as its `max_ready` allows; nothing was enqueued (SQLSTATE PQ005). Try again later."""


class DrainTimeout(PgQueueError, TimeoutError):
    """Jobs of a queue still run when the timeout of `drain` is over. They go on, and the queue stays paused.

    Attributes:
        queue: the name of the queue.
        running: how many of its jobs run.
    """

    def __init__(self, queue: str, running: int, timeout: float | None) -> None:
        self.queue, self.running = queue, running
        super().__init__(f"queue {queue!r} is paused, and {running} of its jobs still run after {timeout} s")


class ResultTooLarge(PgQueueError, ValueError):
    """A handler returned more than `max_result_bytes`; its job failed."""


class ResultExpired(PgQueueError):
    """The job succeeded, but its result is not kept any more."""


class ResultWithheld(PgQueueError):
    """A parent has a result, but whoever added this job may not know it; see docs/security.md."""


class ResultUnreadable(PgQueueError, ValueError):
    """The result is stored, but Python cannot read it: it is nested too deep, or has an integer of more than 4300 digits.

    A handler in Python cannot return such a result, but SQL can store it.
    """

    def __init__(self, job_id: int) -> None:
        super().__init__(
            f"the result of job {job_id} is stored, but Python cannot read it: it is nested too deep, or an integer in it has "
            "more than 4300 digits; read it in SQL, or finish the job with a smaller value or with text"
        )


class JobCancelled(PgQueueError):
    """The job was cancelled, so there is no result."""


class JobFailed(PgQueueError):
    """The job failed for good.

    Attributes:
        job_id: the job.
        error_type: name of the exception's class in the worker.
        traceback: the traceback in the worker, as text.
    """

    def __init__(self, job_id: int, error: dict[str, str | None] | None) -> None:
        error = error or {}
        self.job_id = job_id
        self.error_type = error.get("type")
        self.traceback = error.get("traceback")
        text = f"job {job_id} failed: {self.error_type}: {error.get('message')}"
        super().__init__(f"{text}\n\nIn the worker:\n{self.traceback}" if self.traceback else text)


class RemoteError(PgQueueError):
    """A handler in a process raised an exception. Middleware gets this one instead, because the original stays in the process.

    Attributes:
        type: name of the exception's class.
        types: the names of the class and of all its base classes.
        message: its text.
        traceback: the traceback in the process, as text.
        cause: the innermost cause, as it is stored; None if the exception has no cause.
    """

    def __init__(self, type: str, types: list[str], message: str, traceback: str | None, cause: Any = None) -> None:
        self.type = type
        self.types = types
        self.message = message
        self.traceback = traceback
        self.cause = cause
        super().__init__(f"{type}: {message}")


class ProcessDied(PgQueueError):
    """The process of a handler ended before the handler did, for example because of os._exit or too little memory."""
