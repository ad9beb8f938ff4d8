"""The connections that pgqueue opens itself: no wait for the server lasts longer than its deadline.

A connection can go silent without being closed, as behind a load balancer after a failover. Then only a clock on this side can
end a wait: the server does not notice, and TCP still gets acknowledgements.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from time import monotonic
from typing import Any, Self, TypeVar

import psycopg
from psycopg import AsyncConnection, Connection
from psycopg.abc import PQGen

from ..errors import ConfigurationError, NoConnection
from .adapters import ADAPTERS
from .away import why
from .settle import asettle, settle
from .url import plain_url, read_url, setting_of

T = TypeVar("T")
DEADLINE = 8.0  # seconds a call may take; longer than the lock_timeout (5 s) inside our functions
CANCEL_WITHIN = 1.0  # seconds for the server to confirm that it has cancelled a statement; then the connection is closed
CONNECT_WITHIN = 4  # seconds for a connection to be accepted, shared by the hosts of the URL: who waits hears why within 5 s
LEAST_CONNECT_WITHIN = 2  # for one host; libpq raises a lower value to this
FOR_EVER = math.inf

# Autocommit and no prepared statements: nothing stays on the server after a call, so transaction poolers work.
_SESSION: dict[str, Any] = {"autocommit": True, "prepare_threshold": None, "context": ADAPTERS, "client_encoding": "UTF8"}
# A second way to notice that a server is gone, also during a long statement of the application.
_KEEPALIVE = {"keepalives_idle": 15, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 30_000}


Note = Callable[[psycopg.Error | ConfigurationError | None], None]


class DeadlinePassed(psycopg.OperationalError):
    """The server did not answer in time. The connection is closed; whether the call took effect is not known."""


def connect_options(url: str, application_name: str) -> dict[str, Any]:
    """Options of every connection that pgqueue opens itself. Network options of the URL take precedence."""
    given = read_url(url)
    hosts = str(given.get("host") or given.get("hostaddr") or "").count(",") + 1
    each = max(LEAST_CONNECT_WITHIN, CONNECT_WITHIN // hosts)  # connect_timeout counts per host
    network = {**_KEEPALIVE, "connect_timeout": each}
    return {**_SESSION, "application_name": application_name, **{key: network[key] for key in network if key not in given}}


class OwnConnection(Connection[Any]):
    """A connection of ours in sync code.

    Attributes:
        deadline: seconds that each wait for the server may take from now on; None: DEADLINE. A longer wait closes the connection
            and raises DeadlinePassed.
        is_silent: whether a call has missed its deadline.
        known_since: when its pool first returned it to a caller.
        application_path: the search_path for queries of the application; None: it is that of the session. See `settle`.
    """

    deadline: float | None = None
    is_silent = False
    known_since: float | None = None
    application_path: str | None = None
    _ends = FOR_EVER
    _is_cancelled = False

    @classmethod
    def connect(cls, conninfo: str = "", *, note: Note | None = None, **options: Any) -> Self:  # type: ignore[override]
        """Connect as psycopg does. `note` is called with the error, or None if there was none.

        Raises:
            NoConnection: it could not connect; the message says where to, from which setting and why.
            ConfigurationError: the URL cannot be used, or the database has another encoding than UTF8.
        """
        with _noting(note):
            with _telling(conninfo):
                connection = super().connect(plain_url(conninfo), **options)
            try:
                _check_encoding(connection)
                connection.application_path = settle(connection, is_ours=options.get("context") is not None)
            except BaseException:  # refused, or cut off by a cancel
                connection.close()
                raise
            return connection

    def wait(self, gen: PQGen[T], *args: Any, **options: Any) -> T:
        self._ends = monotonic() + seconds_of(self.deadline)
        self._is_cancelled = False
        try:
            return super().wait(_timed(gen, self), *args, **options)
        except DeadlinePassed:
            try:
                with suppress(psycopg.Error):
                    if _may_run_on(self):
                        self.cancel_safe()
            finally:
                self.pgconn.finish()
            raise

    def rollback(self) -> None:
        """Roll back as psycopg does. A closed connection is left alone.

        SQLAlchemy rolls back a migration that has failed; an error here would hide why the connection was closed.
        """
        if not self.closed:
            super().rollback()

    def cancel_safe(self, *, timeout: float = CANCEL_WITHIN) -> None:
        _cut_short(self)
        super().cancel_safe(timeout=min(timeout, CANCEL_WITHIN))


class OwnAsyncConnection(AsyncConnection[Any]):
    """A connection of ours in async code; see `OwnConnection`."""

    deadline: float | None = None
    is_silent = False
    known_since: float | None = None
    application_path: str | None = None
    _ends = FOR_EVER
    _is_cancelled = False

    @classmethod
    async def connect(cls, conninfo: str = "", *, note: Note | None = None, **options: Any) -> Self:  # type: ignore[override]
        """See `OwnConnection.connect`."""
        with _noting(note):
            with _telling(conninfo):
                connection = await super().connect(plain_url(conninfo), **options)
            try:
                _check_encoding(connection)
                connection.application_path = await asettle(connection, is_ours=options.get("context") is not None)
            except BaseException:  # refused, or cut off by a cancel
                await connection.close()
                raise
            return connection

    async def wait(self, gen: PQGen[T], *args: Any, **options: Any) -> T:
        self._ends = monotonic() + seconds_of(self.deadline)
        self._is_cancelled = False
        try:
            return await super().wait(_timed(gen, self), *args, **options)
        except DeadlinePassed:
            try:
                with suppress(psycopg.Error):
                    if _may_run_on(self):
                        await self.cancel_safe()
            finally:
                self.pgconn.finish()
            raise

    async def cancel_safe(self, *, timeout: float = CANCEL_WITHIN) -> None:
        _cut_short(self)
        await super().cancel_safe(timeout=min(timeout, CANCEL_WITHIN))


def open_connection(url: str, application_name: str, **options: Any) -> OwnConnection:
    """Open a connection of ours in sync code, with further options of psycopg."""
    return OwnConnection.connect(url, **{**connect_options(url, application_name), **options})


def drop(notification: psycopg.Notify) -> None:
    """A handler that drops notifications, for connections that do not wait for any.

    Behind a transaction pooler, notifications for other clients arrive with any answer, and psycopg keeps them
    if no handler is set.
    """


def set_deadline(connection: Any, seconds: float | None) -> None:
    """Set the `deadline` of a connection that pgqueue opened; other connections are left alone."""
    if isinstance(connection, OwnConnection | OwnAsyncConnection):
        connection.deadline = seconds


@contextmanager
def deadline_of(connection: Any, seconds: float | None) -> Iterator[None]:
    """Set the `deadline` of a connection that pgqueue opened, such as in `ctx.transaction()`, for the length of a block."""
    if not isinstance(connection, OwnConnection | OwnAsyncConnection):
        yield
        return
    before, connection.deadline = connection.deadline, seconds
    try:
        yield
    finally:
        connection.deadline = before


def seconds_of(call: float | None) -> float:
    """The deadline of a call that may take `call` seconds (None: DEADLINE)."""
    return DEADLINE if call is None else call


def within(call: float | None, seconds: float | None, since: float) -> float | None:
    """The deadline of a call that may take `call` seconds (None: DEADLINE), in a wait of `seconds` that started at `since`."""
    if seconds is None:
        return call
    return min(seconds_of(call), max(0.0, seconds - (monotonic() - since)))


@contextmanager
def _noting(note: Note | None) -> Iterator[None]:
    try:
        yield
    except (psycopg.Error, ConfigurationError) as error:
        if note:
            note(error)
        raise
    if note:
        note(None)


@contextmanager
def _telling(url: str) -> Iterator[None]:
    """Why it could not connect, as NoConnection."""
    try:
        yield
    except psycopg.OperationalError as error:
        raise NoConnection(why(error, read_url(url), setting_of(url))) from error


def _check_encoding(connection: Connection[Any] | AsyncConnection[Any]) -> None:
    """Refuse what cannot store every text. The server says it at connect, without a question; a pooler may not."""
    info = connection.info
    encoding = info.parameter_status("server_encoding")
    if encoding not in (None, "UTF8"):
        raise ConfigurationError(
            f"database {info.dbname!r} has the encoding {encoding}, which cannot store every text; pgqueue needs UTF8: "
            "create database … encoding 'UTF8' template template0"
        )


def _timed(gen: PQGen[T], connection: OwnConnection | OwnAsyncConnection) -> PQGen[T]:
    """The steps of a wait of psycopg, at least ten a second; ends the wait when the deadline of the connection has passed."""
    try:
        wanted = next(gen)
        while True:
            ready = yield wanted
            wanted = gen.send(ready)  # before the look at the clock: an answer that has arrived counts
            if monotonic() >= connection._ends:
                raise _give_up(connection)
    except StopIteration as stop:
        value: T = stop.value
        return value


def _give_up(connection: OwnConnection | OwnAsyncConnection) -> psycopg.Error:
    if connection._is_cancelled:
        connection.pgconn.finish()
        return psycopg.errors.QueryCanceled("cancelled")  # the error that psycopg expects after it has cancelled a statement
    seconds = seconds_of(connection.deadline)
    return DeadlinePassed(f"deadline passed: no answer within {seconds:.3g} s; the connection was closed")


def _may_run_on(connection: OwnConnection | OwnAsyncConnection) -> bool:
    """Whether to cancel the statement in the server. Otherwise a slow statement would hold its locks and commit later.

    A shorter deadline belongs to a poll or a heartbeat and leaves no time to cancel. An older libpq could block.
    """
    connection.is_silent = seconds_of(connection.deadline) >= DEADLINE
    return connection.is_silent and psycopg.capabilities.has_cancel_safe()


def _cut_short(connection: OwnConnection | OwnAsyncConnection) -> None:
    """Limit the wait after a cancellation: psycopg cancels the statement and then waits until it ends."""
    connection._is_cancelled = True
    connection._ends = min(connection._ends, monotonic() + CANCEL_WITHIN)
