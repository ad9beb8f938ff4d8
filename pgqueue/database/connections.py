"""The few connections of a worker: its links take one for each call, and give it back.

A call never waits for long behind another: if none comes back soon, one more is opened. Those that nobody needs are closed again,
so that an idle worker holds one.
"""

import asyncio
import logging
from bisect import insort
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import psycopg

from .adapters import OwnAsyncCursor, fast_adapters
from .backoff import Backoff, Complaints
from .connection import OwnAsyncConnection, connect_options, drop

log = logging.getLogger("pgqueue.database")
LATELY = 0.2  # seconds for which a link gets the connection again that it had: there its statements are planned already
UNUSED_FOR = 15.0  # seconds after which a connection that nobody has needed is closed; one stays open


class Circuit:
    """Shared by all connections of a worker: after a failure one try to connect at a time, with growing pauses.

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
        """Open a connection, without a time limit; one try at a time per process.

        Raises:
            ConfigurationError: no other try would succeed.
        """
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


@dataclass(slots=True, eq=False)
class Lent:
    """A connection and its cursor. `number`: in the order of opening. `used_at`: when it came back, on time.monotonic()."""

    number: int
    cursor: psycopg.AsyncCursor[Any]
    used_at: float = 0.0


@dataclass(slots=True, eq=False)
class _Waiter:
    """A call that waits. `is_due`: it has waited for as long as it wants to before another connection is opened."""

    patience: float
    given: asyncio.Future[Lent]
    timer: asyncio.TimerHandle | None = field(default=None)
    is_due: bool = False

    def stop(self) -> None:
        """Let the time run out no more."""
        if self.timer is not None:
            self.timer.cancel()


class Connections:
    """The connections of a worker.

    Args:
        url: where to connect.
        application_name: shown in pg_stat_activity.
        circuit: how it connects.

    Attributes:
        superuser: the login, if it is a superuser: the server says so at connect, without a question.
    """

    def __init__(self, url: str, application_name: str, circuit: Circuit) -> None:
        self._url, self._circuit = url, circuit
        self._options = connect_options(url, application_name)
        self._all: list[Lent] = []
        self._free: list[Lent] = []  # the first that was opened comes last, and is taken first: so the others become unused
        self._waiters: list[_Waiter] = []
        self._opening: asyncio.Task[Lent] | None = None
        self._count = 0
        self.superuser: str | None = None

    def __len__(self) -> int:
        """How many are open."""
        return len(self._all)

    async def take(self, patience: float, last: Lent | None = None) -> Lent:
        """A connection that nobody else uses; there is no time limit.

        Args:
            patience: seconds to wait for one that comes back, before another one is opened.
            last: the one that the caller has had before.
        """
        if self._free and not self._waiters:
            if last in self._free and last.used_at > monotonic() - LATELY:
                self._free.remove(last)
                return last
            return self._free.pop()
        waiter = _Waiter(patience, asyncio.get_running_loop().create_future())
        self._waiters.append(waiter)
        self._let_wait(waiter)
        if not self._all:
            self._open_one()
        try:
            return await waiter.given
        except asyncio.CancelledError:
            if waiter.given.done() and not waiter.given.cancelled() and waiter.given.exception() is None:
                self.give_back(waiter.given.result())
            raise
        finally:
            waiter.stop()
            if waiter in self._waiters:
                self._waiters.remove(waiter)

    def give_back(self, lent: Lent) -> None:
        """Give back a connection that is fit for the next call: to who has the least patience, if somebody waits."""
        lent.used_at = monotonic()
        while self._waiters:
            waiter = min(self._waiters, key=lambda one: one.patience)
            self._waiters.remove(waiter)
            if not waiter.given.done():
                waiter.given.set_result(lent)
                return
        insort(self._free, lent, key=lambda one: -one.number)

    async def throw_away(self, lent: Lent, *, is_silent: bool = False) -> None:
        """Close a connection. If it has gone silent, those that are free may have too, and are closed with it."""
        gone = [lent]
        if is_silent:
            gone += self._free
            self._free = []
        await self._close(gone)

    async def run(self) -> None:
        """Close connections that are not needed any more, until cancelled."""
        while True:
            await asyncio.sleep(UNUSED_FOR / 3)
            await self.close_unused()

    async def close_unused(self) -> None:
        """Close those that nobody has needed for a while, but not the last one."""
        before = monotonic() - UNUSED_FOR
        unused = [lent for lent in self._free[:-1] if lent.used_at < before]
        self._free = [lent for lent in self._free if lent not in unused]
        await self._close(unused)

    async def close(self) -> None:
        """Close all connections, also those in use."""
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.wait({self._opening})  # it may have been opened in the same moment
        self._free = []
        await self._close(list(self._all))

    async def _close(self, gone: list[Lent]) -> None:
        self._all = [lent for lent in self._all if lent not in gone]
        if self._waiters and not self._all:  # none can come back to those who wait
            self._open_one()
        for lent in gone:
            await lent.cursor.connection.close()

    def _let_wait(self, waiter: _Waiter) -> None:
        waiter.stop()
        waiter.is_due = False
        waiter.timer = asyncio.get_running_loop().call_later(waiter.patience, self._due, waiter)

    def _due(self, waiter: _Waiter) -> None:
        waiter.is_due = True
        self._open_one()

    def _open_one(self) -> None:
        """Open one more, if none is being opened."""
        if self._opening is None:
            self._opening = asyncio.get_running_loop().create_task(self._open(), name="pgqueue connect")
            self._opening.add_done_callback(self._opened)

    async def _open(self) -> Lent:
        connection = await self._circuit.connect(self._url, **self._options)
        connection.add_notice_handler(_log_warning)
        connection.add_notify_handler(drop)
        if connection.info.parameter_status("is_superuser") == "on":
            self.superuser = connection.info.user
        self._count += 1
        return Lent(self._count, OwnAsyncCursor(connection, fast_adapters(connection)))

    def _opened(self, opening: asyncio.Task[Lent]) -> None:
        """Give the new connection to who waits. A handler that cancels all tasks may have cancelled this one: then again."""
        self._opening = None
        if not opening.cancelled():
            if (error := opening.exception()) is not None:
                self._fail(error)
            else:
                self._all.append(opening.result())
                self.give_back(opening.result())
                if len(self._all) == 1:  # only now can one come back: else each link opens one at a start, and after an outage
                    for waiter in self._waiters:
                        self._let_wait(waiter)
        if any(waiter.is_due for waiter in self._waiters) or (self._waiters and not self._all):
            self._open_one()

    def _fail(self, error: BaseException) -> None:
        """Raise an error, which no other try would mend, in those who wait."""
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.given.done():
                waiter.given.set_exception(error)


def _log_warning(notice: psycopg.errors.Diagnostic) -> None:
    """Log the warnings of our functions, for example about repairs."""
    if notice.severity_nonlocalized == "WARNING":
        log.warning("the database warns: %s", notice.message_primary)
