"""The calls of a worker, by purpose: a connection that misses a deadline is closed, and another one takes its place."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, TypeVar

import psycopg

from ..errors import Disconnected
from .backoff import Complaints, Refusals
from .call import Call, Rows
from .connection import DeadlinePassed, seconds_of, set_deadline
from .connections import Connections, Lent
from .settle import aexecute
from .statement import Statements
from .translate import is_transient, raise_ours

log = logging.getLogger("pgqueue.database")
T = TypeVar("T")
_TOO_SLOW = (DeadlinePassed, psycopg.errors.QueryCanceled)
URGENT = 0.02  # seconds: of what starts and ends jobs
PATIENT = 1.0  # seconds: of what keeps no job waiting


class Locked(Exception):
    """Another transaction held a lock that a call needs for longer than lock_timeout."""


class Link:
    """The calls of one purpose, one after the other, each on a connection that it takes for so long.

    Args:
        connections: those of the worker.
        statements: the statements of the install.
        purpose: what the calls are for, for the log.
        patience: seconds to wait until a connection of another link is free, before one more is opened.
    """

    def __init__(self, connections: Connections, statements: Statements, purpose: str, patience: float = PATIENT) -> None:
        self._connections, self._statements, self._patience = connections, statements, patience
        self._last: Lent | None = None
        self._busy = asyncio.Lock()
        self._refusals = Refusals(Complaints(log, f"calls for {purpose}"))

    async def run(self, call: Call[T] | Callable[[], Call[T]], *, tell_locked: bool = False) -> T:
        """Run one call in its own transaction. If the content of a call must be current, pass a function that builds the call.

        Args:
            tell_locked: raise `Locked` if another transaction holds a needed lock for too long. The connection stays open.

        Raises:
            Locked: see `tell_locked`; nothing was changed.
            Disconnected: the connection broke, the deadline passed, or the server refused for a temporary reason. It is not
                known whether the call took effect. The connection is closed; the next call takes another one.
        """
        if self._refusals:
            await self._refusals.wait((call if isinstance(call, Call) else call()).statement)
        async with self._busy:
            lent = self._last = await self._connections.take(self._patience, self._last)
            try:
                if not isinstance(call, Call):
                    call = call()
                set_deadline(lent.cursor.connection, call.within)
                rows = await (self._rows if call.within is None else self._rows_of_long)(lent.cursor, call)
            except psycopg.Error as error:
                assert isinstance(call, Call)
                await self._failed(lent, call, error, tell_locked)
                raise
            except BaseException:  # interrupted by a cancellation: the connection may be in any state
                await self._connections.throw_away(lent)
                raise
            self._connections.give_back(lent)
            if self._refusals:
                self._refusals.accepted(call.statement)
            return call.read(rows)

    async def _failed(self, lent: Lent, call: Call[Any], error: psycopg.Error, tell_locked: bool) -> None:
        """Raise our exception for an error of psycopg, if there is one."""
        is_locked = tell_locked and isinstance(error, psycopg.errors.LockNotAvailable)
        if is_transient(error) and not is_locked:
            self._refusals.refused(call.statement, error)
            await self._connections.throw_away(lent, is_silent=isinstance(error, DeadlinePassed))
            raise Disconnected(str(error), too_slow=isinstance(error, _TOO_SLOW)) from error
        self._connections.give_back(lent)
        if is_locked:
            raise Locked(str(error)) from error
        raise_ours(error, self._statements.schema, lent.cursor.connection)

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
