"""`ctx.transaction()`: the writes of a handler and the end of its job commit together.

The steps are generators that yield the return values of psycopg methods, sync or async. Two functions run them; the async one
awaits the yielded values. So the rules are written once for both.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Generic, TypeVar

import psycopg
from psycopg import AsyncConnection, Connection
from psycopg.pq import TransactionStatus

from ._steps import Steps, adrive, drive
from ._text import LINE
from ._trace import message_of
from .database import AsyncPool, Call, SyncPool
from .database.calls import run as run_calls
from .database.connection import FOR_EVER, set_deadline
from .errors import AlreadyFinished, Disconnected, LeaseLost, NoConnection, PgQueueError
from .registry import Registry
from .run import Run
from .watching.said import Said
from .workflow.own_workflow import MANY

log = logging.getLogger("pgqueue.worker")
T = TypeVar("T")
AnyConnection = TypeVar("AnyConnection", Connection[Any], AsyncConnection[Any])
POOL_WITHIN = 300.0  # seconds for which a block waits for a connection of the pool; other blocks may hold theirs for long
ASK_WITHIN = 30.0  # seconds in which the database must say whether a COMMIT took effect
ASK_AGAIN = 0.1


class Services:
    """The connections that the contexts of one worker use, opened at first use.

    Args:
        app: the app; its calls run on its own pools.
        values: the values of the lifespan.
        threads: for handlers that are not async; None = the threads of the event loop.

    Attributes:
        transactions, async_transactions: separate pools, because a handler that enqueues in its block needs a connection of each
            kind; with a common pool, handlers that hold all connections would wait for each other without end.
        lines: takes the log lines of runs; None = they are not kept.
        told: called with the id of a job that has stored its progress; None = nobody is interested.
    """

    lines: Callable[[Run, Said], object] | None = None
    told: Callable[[int], object] | None = None

    def __init__(self, app: Registry, values: tuple[Any, ...] = (), threads: ThreadPoolExecutor | None = None) -> None:
        self.app, self.values, self.threads = app, values, threads
        size = app.settings.transaction_pool_size
        # The statements of the handler use the adapters of the application.
        options: dict[str, Any] = {"application_name": "pgqueue transaction", "context": None, "setting": "transaction_pool_size"}
        options["bears_outage"] = True  # a handler goes on after a short outage, as its worker does
        self.transactions = SyncPool(app.url, app.statements, size, **options)
        self.async_transactions = AsyncPool(app.url, app.statements, size, **options)

    def result_json(self, task: str, result: Any) -> str | None:
        """The result of a task in the form that SQL takes. Raises TypeError or ValueError if it is not JSON or is too large."""
        return self.app.registered(task).dump_result(result)

    async def close(self) -> None:
        """Close both pools. A block that is still open in a thread keeps its connection until its end."""
        await self.async_transactions.close()
        await asyncio.to_thread(self.transactions.close)


class Transaction(Generic[AnyConnection]):
    """The value of `with ctx.transaction() as tx`.

    Attributes:
        connection: a connection in the transaction that finishes the job; `connection.transaction()` makes savepoints. It goes
            back to a pool, so use SET LOCAL for settings.
        result: the job's result, JSON; None until the handler sets it.
    """

    def __init__(self, connection: AnyConnection) -> None:
        self.connection: AnyConnection = connection
        self.result: Any = None


class Block:
    """A `ctx.transaction()`, for `async with` and `with`.

    Args:
        job: the run that it finishes.
        services: the services of its worker.
    """

    def __init__(self, job: Run, services: Services) -> None:
        self._job, self._services = job, services

    def __enter__(self) -> Transaction[Connection[Any]]:
        refuse_on_event_loop("ctx.transaction()", "`async with`", "`with`")
        self._pools: Any = self._services.transactions
        self._others: Any = self._services.app.database
        self._pause: Callable[[float], Any] = time.sleep
        self._aside: Callable[[Callable[[], Any]], Any] = _here
        entered: Transaction[Connection[Any]] = drive(self._begin())
        return entered

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        drive(self._end(error))

    async def __aenter__(self) -> Transaction[AsyncConnection[Any]]:
        self._pools = self._services.async_transactions
        self._others = self._services.app.async_database
        self._pause = asyncio.sleep
        self._aside = asyncio.to_thread
        entered: Transaction[AsyncConnection[Any]] = await adrive(self._begin())
        return entered

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await _to_its_end(adrive(self._end(error)))

    def _begin(self) -> Steps:
        self._refuse_second()
        self._job.is_in_block = True
        own = self._job.own_workflow
        self._added_before = own._size() if own else 0
        try:
            self._pool = yield self._pools.pool()
            begun = None
            while begun is None:
                begun = yield from self._begin_on((yield self._pool.getconn(POOL_WITHIN)))
        except BaseException as error:
            self._job.is_in_block = False
            if isinstance(error, NoConnection):
                raise Disconnected(f"job {self._job.id}: ctx.transaction(): {error}") from error
            raise
        return begun

    def _refuse_second(self) -> None:
        if self._job.is_finished:
            raise AlreadyFinished(f"job {self._job.id} was finished by an earlier ctx.transaction(); put everything in one block")
        if self._job.is_in_block:
            raise AlreadyFinished(f"job {self._job.id}: ctx.transaction() is open; tx.connection.transaction() makes savepoints")

    def _begin_on(self, connection: Any) -> Steps:
        """The entered block, or None if the connection was dead in the pool."""
        self._row_factory = connection.row_factory
        self._outside = connection.info.transaction_status  # idle, except in a test's own transaction
        inner = connection.transaction()
        is_async = isinstance(connection, AsyncConnection)
        begin, self._leave = (inner.__aenter__, inner.__aexit__) if is_async else (inner.__enter__, inner.__exit__)
        try:
            yield begin()
        except BaseException as error:
            yield self._pool.putconn(connection)
            if isinstance(error, psycopg.OperationalError) and connection.closed:
                return None
            raise
        set_deadline(connection, FOR_EVER)  # the statements of the handler have no deadline
        self._entered: Transaction[Any] = Transaction(connection)
        self._job.block = self
        return self._entered

    def run(self, call: Call[T]) -> Any:
        """Run a call in the transaction of the block. Returns the answer, or an awaitable for it."""
        return self._pools.run(call, self._entered.connection)

    def _end(self, error: BaseException | None) -> Steps:
        connection = self._entered.connection
        set_deadline(connection, None)
        try:
            if error is None:
                yield from self._finish(connection)
            else:
                yield self._leave(type(error), error, error.__traceback__)  # rolls back
        finally:
            if not self._job.is_finished and (own := self._job.own_workflow):
                own._drop(self._added_before)
            self._job.is_in_block, self._job.block = False, None
            connection.row_factory = self._row_factory
            yield self._pool.putconn(connection)

    def _finish(self, connection: Any) -> Steps:
        self._job.is_finishing = True
        try:
            yield from self._complete_and_commit(connection)
            self._job.is_finished = True
        finally:
            self._job.is_finishing = False
        if own := self._job.own_workflow:
            own._finish("by ctx.transaction()")

    def _complete_and_commit(self, connection: Any) -> Steps:
        try:
            completed = yield from self._complete(connection)
            self._refuse_late()
        except BaseException as error:
            yield self._leave(type(error), error, error.__traceback__)
            raise
        yield from self._commit(connection, completed.xid)

    def _refuse_late(self) -> None:
        """Raise LeaseLost if the run has passed its timeout. Whoever ends the run waits while `is_finishing` is set."""
        job = self._job
        if job.is_past_timeout and not job.cancelled:
            job.timed_out = True
            raise LeaseLost(f"job {job.id} has passed its timeout; what its transaction wrote is rolled back")

    def _commit(self, connection: Any, xid: str) -> Steps:
        try:
            yield self._leave(None, None, None)
        except psycopg.Error as error:
            if not connection.closed:
                raise  # COMMIT was refused, so it is rolled back: a deferred constraint, a serialization failure
            yield from self._ask(xid, error)
        else:  # psycopg raises no error if it knows that the connection is broken; it sends no COMMIT
            if connection.info.transaction_status != self._outside:
                yield from self._ask(xid, psycopg.OperationalError("the connection was broken"))

    def _complete(self, connection: Any) -> Steps:
        """Execute the last statement before COMMIT. Returns its answer."""
        job = self._job
        if connection.info.transaction_status == TransactionStatus.IDLE:
            raise PgQueueError(f"job {job.id}: the transaction was ended inside ctx.transaction(); leave that to the block")
        job.result_json = self._services.result_json(job.task, self._entered.result)
        own = job.own_workflow
        nodes = (yield self._aside(job._added_json)) if own and own._size() > MANY else job._added_json()
        elapsed = time.perf_counter() - job.started
        call = run_calls.complete(job.id, job.token, job.result_json, elapsed, nodes)
        try:
            completed = yield self._pools.run(call, connection)
        except psycopg.OperationalError as error:
            if connection.closed:
                raise Disconnected(f"the connection of job {job.id} broke before COMMIT, so nothing was committed") from error
            raise
        if completed.verdict is not None:
            raise self._lost()
        return completed

    def _ask(self, xid: str, error: psycopg.Error) -> Steps:
        """Ask whether a COMMIT took effect whose answer was lost. Returns if it did."""
        job, deadline = self._job, time.monotonic() + ASK_WITHIN
        log.warning(
            "job %s: COMMIT was not answered (%s); checking whether it took effect", job.id, message_of(error)[:LINE].strip()
        )
        while time.monotonic() < deadline:
            try:
                left = max(ASK_AGAIN, deadline - time.monotonic())
                fate = yield self._others.run(run_calls.finished(job.id, job.token, xid), wait=left)
            except psycopg.OperationalError:
                fate = "not answered"
            if fate == "committed":
                return
            if fate == "running":
                raise Disconnected(f"the connection of job {job.id} broke at COMMIT, and nothing was committed") from error
            if fate == "lost":
                raise self._lost() from error
            yield self._pause(ASK_AGAIN)
        raise Disconnected(f"the connection of job {job.id} broke at COMMIT; whether it took effect is not known") from error

    def _lost(self) -> LeaseLost:
        return LeaseLost(f"job {self._job.id} is no longer owned by this run; what its transaction wrote is rolled back")


def _here(function: Callable[[], Any]) -> Any:
    return function()


def refuse_on_event_loop(what: str, remedy: str, blocking: str) -> None:
    """Raise PgQueueError in async code."""
    if is_on_event_loop():
        raise PgQueueError(f"{what} in async code: use {remedy}; {blocking} would block the event loop")


def is_on_event_loop() -> bool:
    """Whether the caller is async code."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


async def _to_its_end(ending: Coroutine[Any, Any, None]) -> None:
    """Await to the end even if we are cancelled: a COMMIT and the return of a connection must not be interrupted."""
    task, cancelled = asyncio.ensure_future(ending), None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled from task.exception()
    task.result()
