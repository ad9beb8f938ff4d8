"""A worker's own connection: it is closed when a call misses its deadline, and always opened again."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, TypeVar

import psycopg

from ..errors import Disconnected
from .adapters import OwnAsyncCursor, fast_adapters
from .backoff import Backoff, Complaints, Refusals
from .call import Call, Rows
from .connection import DeadlinePassed, OwnAsyncConnection, connect_options, drop, seconds_of, set_deadline
from .settle import aexecute
from .statement import Statements
from .translate import is_transient, raise_ours

log = logging.getLogger("pgqueue.database")
T = TypeVar("T")
_TOO_SLOW = (DeadlinePassed, psycopg.errors.QueryCanceled)


class Circuit:
    """Shared by all links of a process: after a failure one link tries to connect, with growing pauses, and the others wait.

    Args:
        on_failed: called after each try that has failed.

    Attributes:
        is_closed: whether the last try to connect has succeeded; False before the first.
    """

    def __init__(self, on_failed: Callable[[], object] = lambda: None) -> None:
        self._on_failed = on_failed
        self.is_closed = False
        self._backoff = Backoff()
        self._complaints = Complaints(log, "no connection")
        self._trying = asyncio.Lock()

    async def connect(self, url: str, **options: Any) -> OwnAsyncConnection:
        """Open a connection, without a time limit; one try at a time per process."""
        async with self._trying:
            while True:
                await self._backoff.wait()
                try:
                    connection = await OwnAsyncConnection.connect(url, **options)
                except psycopg.Error as error:
                    self.is_closed = False
                    self._on_failed()
                    self._complaints.add(error, self._backoff.failed())
                else:
                    self.is_closed = True
                    self._backoff.worked()
                    return connection


class Locked(Exception):
    """Another transaction held a lock that a call needs for longer than lock_timeout."""


def _log_warning(notice: psycopg.errors.Diagnostic) -> None:
    """Log the warnings of our functions, for example about repairs."""
    if notice.severity_nonlocalized == "WARNING":
        log.warning("the database warns: %s", notice.message_primary)


class Link:
    """One connection for one purpose.

    Args:
        url: where to connect.
        statements: the statements of the install.
        circuit: shared by the process.
        purpose: shown in pg_stat_activity.
    """

    def __init__(self, url: str, statements: Statements, circuit: Circuit, purpose: str) -> None:
        self._url, self._statements, self._circuit = url, statements, circuit
        self._options = connect_options(url, f"pgqueue {purpose}")
        self._connection: OwnAsyncConnection | None = None
        self._cursor: psycopg.AsyncCursor[Any] | None = None
        self._busy = asyncio.Lock()
        self._refusals = Refusals(Complaints(log, f"connection for {purpose}"))

    async def run(self, call: Call[T] | Callable[[], Call[T]], *, tell_locked: bool = False) -> T:
        """Run one call in its own transaction. If the content of a call must be current, pass a function that builds the call.

        Args:
            tell_locked: raise `Locked` if another transaction holds a needed lock for too long. The connection stays open.

        Raises:
            Locked: see `tell_locked`; nothing was changed.
            Disconnected: the connection broke, the deadline passed, or the server refused for a temporary reason. It is not
                known whether the call took effect. The connection is closed; the next call opens a new one.
        """
        if self._refusals:
            await self._refusals.wait((call if isinstance(call, Call) else call()).statement)
        async with self._busy:
            cursor = self._cursor or await self._open()
            if not isinstance(call, Call):
                call = call()
            set_deadline(cursor.connection, call.within)
            try:
                rows = await (self._rows if call.within is None else self._rows_of_long)(cursor, call)
            except psycopg.Error as error:
                if tell_locked and isinstance(error, psycopg.errors.LockNotAvailable):
                    raise Locked(str(error)) from error
                if is_transient(error):
                    raise await self._lost(call, Disconnected(str(error), too_slow=isinstance(error, _TOO_SLOW))) from error
                raise_ours(error, self._statements.schema)
                raise
            except BaseException:  # interrupted by a cancellation: the connection may be in any state
                await self.close()
                raise
            if self._refusals:
                self._refusals.accepted(call.statement)
            return call.read(rows)

    @property
    def superuser(self) -> str | None:
        """The login of the open connection if it is a superuser. The server says so at connect, without a question."""
        info = self._connection.info if self._connection is not None else None
        return info.user if info is not None and info.parameter_status("is_superuser") == "on" else None

    async def _rows(self, cursor: psycopg.AsyncCursor[Any], call: Call[Any]) -> Rows:
        return await aexecute(cursor, self._statements.of(call), call.params)

    async def _rows_of_long(self, cursor: psycopg.AsyncCursor[Any], call: Call[Any]) -> Rows:
        """The rows of a call with its own deadline.

        The server has the same deadline, in place of a statement_timeout of the role or database: otherwise a statement
        would keep its locks although its caller has stopped waiting.
        """
        milliseconds = max(1, int(seconds_of(call.within) * 1000))
        async with cursor.connection.transaction():
            await cursor.execute(b"set local statement_timeout = %d" % milliseconds)
            return await self._rows(cursor, call)

    async def _lost(self, call: Call[Any], error: Disconnected) -> Disconnected:
        self._refusals.refused(call.statement, error)
        await self.close()
        return error

    async def _open(self) -> psycopg.AsyncCursor[Any]:
        self._connection = await self._circuit.connect(self._url, **self._options)
        self._connection.add_notice_handler(_log_warning)
        self._connection.add_notify_handler(drop)
        self._cursor = OwnAsyncCursor(self._connection, fast_adapters(self._connection))
        return self._cursor

    async def close(self) -> None:
        """Close the connection; the next call opens a new one."""
        connection, self._connection, self._cursor = self._connection, None, None
        if connection is not None:
            await connection.close()
