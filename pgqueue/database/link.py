"""A worker's own connection: it is thrown away when a call misses its deadline, and opened again for ever."""

import asyncio
import logging
import random
import time
from collections.abc import Callable
from typing import Any, TypeVar

import psycopg

from ..errors import Disconnected
from .adapters import OwnAsyncCursor, own_adapters
from .calls import Call
from .connection import CANCEL_WITHIN, DeadlinePassed, OwnAsyncConnection, connect_options, seconds_of, set_deadline
from .statement import Statements
from .translate import is_transient, raise_ours

log = logging.getLogger("pgqueue.database")
T = TypeVar("T")
_TOO_SLOW = (DeadlinePassed, psycopg.errors.QueryCanceled)


class Circuit:
    """Shared by all links of a process: after a failure one of them tries again, ever more slowly, and the others wait.

    Args:
        longest: seconds between two tries at most.
    """

    def __init__(self, longest: float = 5.0) -> None:
        self._longest = longest
        self._failures = 0
        self._closed_until = 0.0
        self._trying = asyncio.Lock()

    async def connect(self, url: str, **options: Any) -> OwnAsyncConnection:
        """Open a connection, however long it takes; one try at a time per process."""
        async with self._trying:
            while True:
                await asyncio.sleep(max(0.0, self._closed_until - time.monotonic()))
                try:
                    connection = await OwnAsyncConnection.connect(url, **options)
                except psycopg.Error as error:
                    self.failed()
                    log.warning("no connection: %s", str(error).strip(), extra={"tries": self._failures})
                else:
                    self.worked()
                    return connection

    def failed(self) -> None:
        """Note a failure: wait 0.1 s, 0.2 s, … `longest`, with jitter, before the next try."""
        self._failures += 1
        wait = min(self._longest, 0.1 * 2 ** min(self._failures - 1, 10))
        self._closed_until = time.monotonic() + wait * random.uniform(0.5, 1.0)

    def worked(self) -> None:
        """Note a success: the next failure starts with the shortest wait."""
        self._failures = 0


class Locked(Exception):
    """Somebody held for longer than lock_timeout what a call needs."""


def _log_warning(notice: psycopg.errors.Diagnostic) -> None:
    """What our functions do not leave unsaid, such as repairs."""
    if notice.severity_nonlocalized == "WARNING":
        log.warning("the database warns: %s", notice.message_primary)


class Link:
    """One connection for one purpose.

    Args:
        url: where to connect.
        statements: of the install.
        circuit: shared by the process.
        purpose: shown in pg_stat_activity.
    """

    def __init__(self, url: str, statements: Statements, circuit: Circuit, purpose: str) -> None:
        self._url, self._statements, self._circuit = url, statements, circuit
        self._options = connect_options(url, f"pgqueue {purpose}")
        self._connection: OwnAsyncConnection | None = None
        self._cursor: psycopg.AsyncCursor[Any] | None = None
        self._busy = asyncio.Lock()

    async def run(self, call: Call[T] | Callable[[], Call[T]], *, tell_locked: bool = False) -> T:
        """Run one call in a transaction of its own; a call that tells of this moment is given as a function that builds it.

        Args:
            tell_locked: raise `Locked` when somebody holds for too long what the call needs. The connection stays.

        Raises:
            Locked: see there; nothing was changed.
            Disconnected: the connection broke, the deadline passed, or the server refused for a reason that passes. Whether the
                call took effect is not known. The connection is gone; the next call opens a new one.
        """
        async with self._busy:
            cursor = self._cursor or await self._open()
            if not isinstance(call, Call):
                call = call()
            seconds = seconds_of(call.within)
            set_deadline(cursor.connection, seconds + CANCEL_WITHIN)
            try:
                async with asyncio.timeout(seconds):  # the statement is cancelled then, and not left to run on without us
                    await cursor.execute(self._statements.of(call), call.params, prepare=False, binary=True)
                    return call.read(await cursor.fetchall())
            except TimeoutError:
                await self._drop("deadline passed")
                raise Disconnected("deadline passed", too_slow=True) from None
            except psycopg.Error as error:
                if tell_locked and isinstance(error, psycopg.errors.LockNotAvailable):
                    raise Locked(str(error)) from error
                if is_transient(error):
                    await self._drop(str(error).strip())
                    raise Disconnected(str(error), too_slow=isinstance(error, _TOO_SLOW)) from error
                raise_ours(error, self._statements.schema)
                raise

    async def _open(self) -> psycopg.AsyncCursor[Any]:
        self._connection = await self._circuit.connect(self._url, **self._options)
        self._connection.add_notice_handler(_log_warning)
        self._cursor = OwnAsyncCursor(self._connection, own_adapters(self._connection))
        return self._cursor

    async def _drop(self, why: str) -> None:
        log.warning("connection dropped: %s", why)
        self._circuit.failed()
        await self.close()

    async def close(self) -> None:
        """Close the connection; the next call opens a new one."""
        connection, self._connection, self._cursor = self._connection, None, None
        if connection is not None:
            await connection.close()
