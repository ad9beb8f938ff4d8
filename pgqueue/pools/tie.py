"""The connection of an agent: runs its calls, each with a deadline, and hears meanwhile that its pool has changed."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

import psycopg

from ..database.bridge import arun_on_own
from ..database.call import Call
from ..database.calls import install as install_calls
from ..database.connection import DEADLINE, OwnAsyncConnection, connect_options
from ..database.statement import Statements
from ..database.translate import raise_ours

T = TypeVar("T")
CLOSE_WITHIN = 1.0  # seconds for a good-bye


class Tie:
    """One connection, opened at the first call and again after each failure.

    Args:
        url: a direct connection: LISTEN does not work through a transaction pooler.
        statements: the statements of the install.
        deadline: seconds for each call; at most DEADLINE.
        payload: what another session says on the channel of the install when the pool has changed.
        on_news: called when it has been said, or may have been.
    """

    def __init__(self, url: str, statements: Statements, deadline: float, payload: str, on_news: Callable[[], object]) -> None:
        self._url, self._statements, self._deadline = url, statements, min(deadline, DEADLINE)
        self._payload, self._on_news = payload.encode(), on_news
        self._connection: OwnAsyncConnection | None = None
        self._reader: int | None = None

    async def run(self, call: Call[T]) -> T:
        """Run a call in its own transaction.

        Raises:
            psycopg.Error: the database cannot be reached, or does not answer in time; the connection is closed.
            PgQueueError: it has refused.
        """
        self._stop_hearing()
        try:
            connection = self._connection or await self._open()
            answer = await self._ask(connection, call)
            self._hear(connection)
            return answer
        except BaseException:  # interrupted by a cancellation, too: the connection may be in any state
            await self.close()
            raise

    async def _open(self) -> OwnAsyncConnection:
        connection = await OwnAsyncConnection.connect(self._url, **connect_options(self._url, "pgqueue agent"))
        self._connection, connection.deadline = connection, self._deadline
        connection.add_notify_handler(lambda said: self._heard(said.payload.encode(), said.pid))
        channel = await self._ask(connection, install_calls.channel())
        await connection.execute(psycopg.sql.SQL("listen {}").format(psycopg.sql.Identifier(channel)))
        return connection

    async def _ask(self, connection: OwnAsyncConnection, call: Call[T]) -> T:
        try:
            return call.read(await arun_on_own(connection, self._statements.of(call), call.params))
        except psycopg.Error as error:
            raise_ours(error, self._statements.schema, connection)
            raise

    def _hear(self, connection: OwnAsyncConnection) -> None:
        """Read what arrives until the next call: psycopg reads the socket only during one."""
        self._reader = connection.fileno()
        asyncio.get_running_loop().add_reader(self._reader, self._readable, connection)

    def _stop_hearing(self) -> None:
        if self._reader is not None:
            asyncio.get_running_loop().remove_reader(self._reader)
            self._reader = None

    def _readable(self, connection: OwnAsyncConnection) -> None:
        try:
            connection.pgconn.consume_input()
        except psycopg.Error:  # the next call says what has happened
            self._stop_hearing()
            self._on_news()
            return
        while (said := connection.pgconn.notifies()) is not None:
            self._heard(said.extra, said.be_pid)

    def _heard(self, payload: bytes, pid: int) -> None:
        connection = self._connection
        if payload == self._payload and connection is not None and pid != connection.pgconn.backend_pid:
            self._on_news()

    async def close(self) -> None:
        """Close the connection; the next call opens another one."""
        self._stop_hearing()
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(psycopg.Error, TimeoutError, OSError):
                async with asyncio.timeout(CLOSE_WITHIN):
                    await _say_good_bye(connection)
            await connection.close()


async def _say_good_bye(connection: Any) -> None:
    if not connection.closed and connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE:
        await connection.execute("unlisten *")  # a pooler gives the session of the server to another client
