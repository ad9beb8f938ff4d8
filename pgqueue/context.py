"""The job as its handler sees it."""

import time
from datetime import datetime, timedelta
from typing import Any, TypeVar, overload

from ._checks import check_quantity
from ._text import noted
from .database import Call
from .database.calls import run as run_calls
from .database.calls.limits import park_from_job
from .errors import AlreadyFinished, CancelRequested, LeaseLost, NoWorkflow, OutsideWorker
from .limits.limits import parking
from .steps.context import StepContext
from .transaction.block import Block
from .transaction.event_loop import refuse_on_event_loop
from .transaction.given import GivenBlock
from .transaction.services import Services
from .watching.said import Level, say
from .workflow.node import NO_PARENTS, Parents
from .workflow.own_workflow import OwnWorkflow

C = TypeVar("C")
PROGRESS_EVERY = 0.2  # seconds between two stored values of one job


class JobContext(StepContext):
    """One run of one job; passed to a handler that has a parameter annotated `JobContext`.

    Attributes: those of `Run`.
    """

    __slots__ = ()

    @property
    def parents(self) -> Parents:
        """The parents of this job: `ctx.parents["fetch"].result`. Empty for a job without parents.

        The key is the name of the parent's node; without a name, the name of its task if no other parent has it, else its job id
        as text. An unknown key raises `UnknownParent`, a KeyError that lists the existing keys.

        Raises:
            OutsideWorker: the handler runs in a process, which has no parents; use an argument that takes the result.
        """
        node = self.node
        if node is None or (node.parents is None and not node.has_parents):
            return NO_PARENTS
        if node.parents is None:
            raise OutsideWorker(
                f"ctx.parents: job {self.id} runs where its parents are not loaded; they are available in async handlers and in "
                "threads of a worker, not in processes: let arguments take the results there"
            )
        return node.parents

    @property
    def workflow(self) -> OwnWorkflow:
        """The workflow of this job; its method `add` adds nodes.

        Raises:
            NoWorkflow: the job is not a node of a workflow.
            OutsideWorker: this context has no connections of a worker.
        """
        if self.node is None or not self.node.workflow:
            raise NoWorkflow(
                f"ctx.workflow: job {self.id} is not part of a workflow; enqueue it in a chain or a group, or by app.workflow(…)"
            )
        services = self._reach("ctx.workflow")
        if self.own_workflow is None:
            self.own_workflow = OwnWorkflow(services.app, self.id, self.node)
        return self.own_workflow

    @overload
    def transaction(self) -> Block: ...
    @overload
    def transaction(self, connection: C) -> GivenBlock[C]: ...
    def transaction(self, connection: Any = None) -> Block | GivenBlock[Any]:
        """Finish the job in the handler's own transaction: `async with ctx.transaction() as tx`, in threads `with`.

        When the block ends, these commit together: the writes on `tx.connection` (psycopg), jobs that were enqueued with
        `connection=tx.connection`, the result in `tx.result`, nodes from `ctx.workflow.add`, and the end of the job. An exception
        in the block rolls everything back, and the attempt fails with it; nodes that were added in the block are dropped even if
        the handler continues. After the block the job is done: the return value of the handler is ignored, an exception is
        logged. The connection comes from a pool of `transaction_pool_size`; while all connections are taken, a block waits.

        Args:
            connection: a session or connection of the application, as in `Task.using`, to the database of the jobs: it becomes
                `tx.connection`. The end of the block flushes a session, completes the job and commits; an exception rolls
                back. What a SQLAlchemy session did before the block is part of its transaction; connections of psycopg,
                asyncpg and Django must not be in a transaction. None (default): a psycopg connection of the worker.

        Returns:
            A context manager; entered it is a `Transaction`.

        Raises:
            OutsideWorker: this context has no connections of a worker; handlers in processes have none.

            On entering the block:
            AlreadyFinished: a block of this run has finished the job, or is open.
            PgQueueError: `with` was used in async code.
            WrongConnection: the given connection is of an unknown kind, or in a transaction.

            At the end of the block; nothing was committed:
            LeaseLost: the job is no longer owned by this run, or the run has passed its timeout.
            Disconnected: the connection broke. If the database does not answer for 30 s whether a COMMIT took effect, the
                message says that this is not known; then the attempt fails only if the transaction was not committed.
            PgQueueError: the given connection is in autocommit mode, or was committed or rolled back inside the block.
        """
        services = self._reach("ctx.transaction()")
        return Block(self, services) if connection is None else GivenBlock(self, services, connection)

    def progress(self, done: float, total: float | None = None, note: str | None = None) -> None:
        """Store the progress of the job, from a handler in a thread; async handlers use `aprogress`.

        It is visible at once in `job.progress` and `pgqueue job`, also from inside `ctx.transaction()`. A call within 0.2 s of
        the last stored one is dropped, unless done == total.

        Args:
            done: 0 or more, in any unit.
            total: the value of `done` at the end, above 0; None (default) if it is not known.
            note: up to 1,000 characters; None by default. Characters that PostgreSQL cannot store, such as NUL, are replaced.

        Raises:
            InvalidArgument: an argument is out of range.
            LeaseLost: the job is no longer owned by this run; the handler should stop.
            AlreadyFinished: `ctx.transaction()` has finished it.
            OutsideWorker: this context has no connections of a worker.
            PgQueueError: it was called in async code.
        """
        services = self._reach("ctx.progress()")
        refuse_on_event_loop("ctx.progress()", "`await ctx.aprogress()`", "it")
        if self._is_time_to_tell(done, total):
            self._told(services.app.database.run(self._telling(done, total, note)))

    async def aprogress(self, done: float, total: float | None = None, note: str | None = None) -> None:
        """`progress` for async handlers."""
        services = self._reach("ctx.aprogress()")
        if self._is_time_to_tell(done, total):
            self._told(await services.app.async_database.run(self._telling(done, total, note)))

    def log(self, message: str, /, level: Level = "info", **fields: Any) -> None:
        """Keep a line in the log of the job, from any handler: `pgqueue job ID --logs` and `job.logs()` show it.

        It waits for nothing: lines are stored together, half a second later or when the run ends. Of each job the last 1,000
        lines or 64 KiB are kept. Lines of a handler in a process are stored when it has ended. Without a worker they are dropped.

        Args:
            message: up to 4,096 characters are kept. Characters that PostgreSQL cannot store, such as NUL, are replaced.
            level: debug, info (default), warning, error or critical.
            fields: JSON values; of others their text is kept. Up to 8,192 characters of JSON, 2,000 of one text.

        Raises:
            InvalidArgument: there is no such level.
        """
        self._keep_line(say(message, level, fields))

    def time_left(self) -> float | None:
        """Seconds until the run is ended by its timeout, or by the `total_timeout` of its job; None without either.

        It falls below 0 when that time has passed: the job runs elsewhere then, and a handler in a thread should stop.
        """
        at = self.timeout_at
        return None if at is None else at - time.perf_counter()

    def should_cancel(self) -> bool:
        """Whether the handler should stop: the job was cancelled, or the run is over for another reason.

        Other reasons: its timeout has passed, its lease is lost, or the job was ended by force. A check costs less than a
        microsecond, so a loop may make it in each round.
        """
        return self.cancelled or self.dropped or self.is_past_timeout

    def raise_if_cancelled(self) -> None:
        """Leave the handler if it should stop, for loops in threads and processes. Async handlers are cancelled by themselves.

        Raises:
            CancelRequested: see `should_cancel`. Its job ends as cancelled, unless the run is over for another reason. It is no
                Exception, so `except Exception` does not catch it.
        """
        if self.should_cancel():
            raise CancelRequested(f"job {self.id} is to stop")

    def park(self, key: str, until: datetime | timedelta | float) -> None:
        """Park a key, from a handler in a thread; async handlers use `apark`. Jobs with this key wait; running jobs continue.

        It takes effect at once, also from inside `ctx.transaction()`. To stop this job too, raise `RateLimited`.

        Args:
            key: the key of a limit: `openai`, `tenant:42`, `queue:mail`.
            until: a datetime with a time zone, or a timedelta or seconds from now. A shorter time does not replace a longer time.

        Raises:
            InvalidArgument: no limit has this key, or the time is invalid.
            OutsideWorker: this context has no connections of a worker.
            PgQueueError: it was called in async code.
        """
        services = self._reach("ctx.park()")
        refuse_on_event_loop("ctx.park()", "`await ctx.apark()`", "it")
        services.app.database.run(parking(key, until, park_from_job))

    async def apark(self, key: str, until: datetime | timedelta | float) -> None:
        """`park` for async handlers."""
        app = self._reach("ctx.apark()").app
        await app.async_database.run(parking(key, until, park_from_job))

    def _reach(self, what: str) -> Services:
        if self._services is None:
            raise OutsideWorker(
                f"{what}: job {self.id} has no connection of a worker here; use it in async handlers or in threads of a "
                "worker, not in processes or contexts made by hand"
            )
        services: Services = self._services
        return services

    def _is_time_to_tell(self, done: float, total: float | None) -> bool:
        if self.is_finished:
            raise AlreadyFinished(f"job {self.id} was finished by ctx.transaction(); report progress before that")
        now = time.monotonic()
        if done != total and now - self._told_at < PROGRESS_EVERY:
            return False
        self._told_at = now
        return True

    def _telling(self, done: float, total: float | None, note: str | None) -> Call[bool]:
        return run_calls.progress(
            self.id,
            self.token,
            check_quantity("done", done),
            None if total is None else check_quantity("total", total),
            noted(note),
        )

    def _told(self, ours: bool) -> None:
        if not ours:
            raise LeaseLost(f"job {self.id} is no longer owned by this run")
        if told := self._services.told:
            told(self.id)

    def __repr__(self) -> str:
        return f"JobContext(id={self.id}, task={self.task!r}, queue={self.queue!r}, attempt={self.attempt}/{self.max_attempts})"
