"""The test's own connection, of any supported kind, on which the calls of an app run."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg

from ..database import AsyncPool, Call, SyncPool
from ..database.bridge import async_runner, runner
from ..errors import PgQueueError, WrongConnection
from ..registry import Registry
from ..transaction.services import Services

T = TypeVar("T")


class GivenConnection:
    """A connection of sync code on which all calls of an app run.

    Args:
        app: the app whose calls run.
        connection: as in `Task.using`.

    Raises:
        WrongConnection: sync code cannot use the connection.
    """

    def __init__(self, app: Registry, connection: Any) -> None:
        runner(connection)
        self.app, self._connection = app, connection
        self._calls, self._async_calls = _calls(app)
        self.database, self.async_database = _Direct(self), _AsyncDirect(self)

    def run(self, call: Call[T], connection: Any = None) -> T:
        """Run a call, on this connection unless another is given."""
        return self._calls.run(call, self._connection if connection is None else connection)

    async def arun(self, call: Call[T], connection: Any = None) -> T:
        """Run a call of async code. It blocks the loop, because the connection is sync. Django requires that no loop runs."""
        if connection is not None:
            return await self._async_calls.run(call, connection)
        loop = asyncio.get_running_loop()
        asyncio._set_running_loop(None)
        try:
            return self.run(call)
        finally:
            asyncio._set_running_loop(loop)

    def execute(self, statement: str) -> None:
        """Run what has no rows."""
        self._driver().cursor().execute(statement)

    def _driver(self) -> Any:
        """The connection of the driver beneath SQLAlchemy or Django."""
        inner = self._connection if isinstance(self._connection, psycopg.Connection) else self._connection.connection
        inner = inner().connection if callable(inner) else inner
        return getattr(inner, "driver_connection", inner)

    def psycopg(self) -> Any:
        """The connection for `with ctx.transaction()`."""
        return _psycopg(self._driver(), psycopg.Connection)

    def async_psycopg(self) -> Any:
        """The connection for `async with ctx.transaction()`."""
        raise WrongConnection(
            f"connection: {_name(self._connection)} is not valid for `async with ctx.transaction()`; "
            "use adrain (or arun_job) with a psycopg AsyncConnection"
        )


class AsyncGivenConnection:
    """`GivenConnection` for a connection of async code, on the running loop."""

    def __init__(self, app: Registry, connection: Any) -> None:
        async_runner(connection)
        self.app, self._connection = app, connection
        self._calls, self._async_calls = _calls(app)
        self._loop = asyncio.get_running_loop()
        self.database, self.async_database = _Direct(self), _AsyncDirect(self)

    async def arun(self, call: Call[T], connection: Any = None) -> T:
        """Run a call, on this connection unless another is given."""
        return await self._async_calls.run(call, self._connection if connection is None else connection)

    def run(self, call: Call[T], connection: Any = None) -> T:
        """Run a call of a handler in a thread."""
        if connection is not None:
            return self._calls.run(call, connection)
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return asyncio.run_coroutine_threadsafe(self.arun(call), self._loop).result()
        raise PgQueueError("a sync call in async code would deadlock here; use its async form (aenqueue, aprogress, …)")

    async def execute(self, statement: str) -> None:
        """Run what has no rows."""
        await (await self._driver()).execute(statement)

    async def _driver(self) -> Any:
        inner = self._connection
        if hasattr(inner, "sync_session") or hasattr(inner, "registry"):  # SQLAlchemy's sessions
            inner = await inner.connection()
        if hasattr(inner, "get_raw_connection"):
            return (await inner.get_raw_connection()).driver_connection
        return inner

    async def async_psycopg(self) -> Any:
        """The connection for `async with ctx.transaction()`."""
        return _psycopg(await self._driver(), psycopg.AsyncConnection)

    def psycopg(self) -> Any:
        """The connection for `with ctx.transaction()`."""
        raise WrongConnection(
            f"connection: {_name(self._connection)} is not valid for `with ctx.transaction()`; "
            "use drain (or run_job) with a connection of sync code that runs on psycopg"
        )


def _calls(app: Registry) -> tuple[SyncPool, AsyncPool]:
    """The objects that run calls on given connections; they never open a pool."""
    return SyncPool("", app.statements, 1), AsyncPool("", app.statements, 1)


def _psycopg(driver: Any, wanted: type[Any]) -> Any:
    if not isinstance(driver, wanted):
        raise WrongConnection(
            f"connection: ctx.transaction() gives a psycopg {wanted.__name__}; this one runs on {_name(driver)}"
        )
    return driver


def _name(connection: Any) -> str:
    return f"a {type(connection).__module__}.{type(connection).__qualname__}"


class _Direct:
    """Replaces the pool for sync code of an app, and the pool for `ctx.transaction()` in threads."""

    max_size = 1

    def __init__(self, given: GivenConnection | AsyncGivenConnection) -> None:
        self._given = given

    def run(self, call: Call[T], connection: Any = None, wait: float | None = None) -> T:
        """Run a call as SyncPool does; the connection belongs to the test, so the wait has no limit."""
        return self._given.run(call, connection)

    def pool(self) -> "_Direct":
        """Itself."""
        return self

    def getconn(self, timeout: float) -> Any:
        """The test's connection."""
        return self._given.psycopg()

    def putconn(self, connection: Any) -> None:
        """It stays with the test."""

    def close(self) -> None:
        """It stays with the test."""


class _AsyncDirect:
    """`_Direct` for async code."""

    max_size = 1

    def __init__(self, given: GivenConnection | AsyncGivenConnection) -> None:
        self._given = given

    async def run(self, call: Call[T], connection: Any = None, wait: float | None = None) -> T:
        """Run a call as AsyncPool does; the connection belongs to the test, so the wait has no limit."""
        return await self._given.arun(call, connection)

    async def pool(self) -> "_AsyncDirect":
        """Itself."""
        return self

    async def getconn(self, timeout: float) -> Any:
        """The test's connection."""
        return await self._given.async_psycopg()

    async def putconn(self, connection: Any) -> None:
        """It stays with the test."""

    async def close(self) -> None:
        """It stays with the test."""


class GivenServices(Services):
    """The services for contexts of jobs that run on the test's connection."""

    may_nest = True

    def __init__(self, given: GivenConnection | AsyncGivenConnection, values: tuple[Any, ...] = ()) -> None:
        self.app, self.values, self.threads = given.app, values, None
        self.transactions: Any = given.database
        self.async_transactions: Any = given.async_database


@contextmanager
def joined(app: Registry, connection: Any) -> Iterator[None]:
    """Run all calls of the app in the block on this connection, in its transaction.

    Args:
        app: it needs no database URL.
        connection: as in `Task.using`, of sync code or of async code; the block is entered by `with` in both.

    Raises:
        WrongConnection: `connection` is not of a supported kind.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        given: GivenConnection | AsyncGivenConnection = GivenConnection(app, connection)
    else:
        given = _either(app, connection)
    with redirected(given):
        yield


def _either(app: Registry, connection: Any) -> GivenConnection | AsyncGivenConnection:
    try:
        return AsyncGivenConnection(app, connection)
    except WrongConnection:
        return GivenConnection(app, connection)


@contextmanager
def redirected(given: GivenConnection | AsyncGivenConnection) -> Iterator[None]:
    """Run the calls of an app on this connection."""
    app, names = given.app, ("database", "async_database")
    before = {name: app.__dict__.pop(name) for name in names if name in app.__dict__}
    app.__dict__.update(database=given.database, async_database=given.async_database)
    try:
        yield
    finally:
        for name in names:
            app.__dict__.pop(name, None)
        app.__dict__.update(before)
