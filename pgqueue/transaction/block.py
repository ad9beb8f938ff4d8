"""`ctx.transaction()` on a connection of psycopg from a pool of the worker."""

from types import TracebackType
from typing import Any, TypeVar

import psycopg
from psycopg import AsyncConnection, Connection
from psycopg.pq import TransactionStatus

from .._steps import Steps, adrive, drive
from ..database import Call
from ..database.calls import run as run_calls
from ..database.connection import FOR_EVER, set_deadline
from ..errors import Disconnected, PgQueueError
from .ending import Ending, Transaction, to_its_end

T = TypeVar("T")
POOL_WITHIN = 300.0  # seconds for which a block waits for a connection of the pool; other blocks may hold theirs for long


class Block(Ending):
    """A `ctx.transaction()`, for `async with` and `with`."""

    def __enter__(self) -> Transaction[Connection[Any]]:
        self._in_thread()
        self._pools: Any = self._services.transactions
        entered: Transaction[Connection[Any]] = drive(self._begin())
        return entered

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        drive(self._end(error))

    async def __aenter__(self) -> Transaction[AsyncConnection[Any]]:
        self._in_async_code()
        self._pools = self._services.async_transactions
        entered: Transaction[AsyncConnection[Any]] = await adrive(self._begin())
        return entered

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await to_its_end(adrive(self._end(error)))

    def _begin_transaction(self) -> Steps:
        self._pool = yield self._pools.pool()
        begun = None
        while begun is None:
            begun = yield from self._begin_on((yield self._pool.getconn(POOL_WITHIN)))
        return begun

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
        return Transaction(connection)

    def run(self, call: Call[T]) -> Any:
        """Run a call in the transaction of the block. Returns the answer, or an awaitable for it."""
        return self._pools.run(call, self._entered.connection)

    def _end(self, error: BaseException | None) -> Steps:
        connection = self._entered.connection
        set_deadline(connection, None)
        try:
            yield from super()._end(error)
        finally:
            connection.row_factory = self._row_factory
            yield self._pool.putconn(connection)

    def _complete(self, connection: Any) -> Steps:
        job = self._job
        if connection.info.transaction_status == TransactionStatus.IDLE:
            raise PgQueueError(f"job {job.id}: the transaction was ended inside ctx.transaction(); leave that to the block")
        call = yield from self._completion(run_calls.complete)
        try:
            completed = yield self._pools.run(call, connection)
        except psycopg.OperationalError as error:
            if connection.closed:
                raise Disconnected(f"the connection of job {job.id} broke before COMMIT, so nothing was committed") from error
            raise
        if completed.verdict is not None:
            raise self._lost()
        return completed

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
