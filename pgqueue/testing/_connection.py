"""The test's own connection, of any kind, as the place where an app's calls run."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg

from ..database import AsyncPool, Call, SyncPool
from ..database.bridge import async_runner, runner
from ..errors import PgQueueError, WrongConnection
from ..registry import Registry
from ..transaction import Services

T = TypeVar("T")


class GivenConnection:
    """A connection of sync code, which everything of an app runs on.

    Args:
        app: whose statements they are.
        connection: as in `Task.using`.

    Raises:
        WrongConnection: sync code cannot use it.
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
        """Run a call of async code. It blocks the loop, for the connection can do no better; to Django no loop may be running."""
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
        """What `with ctx.transaction()` gives."""
        return _psycopg(self._driver(), psycopg.Connection)

    def async_psycopg(self) -> Any:
        """What `async with ctx.transaction()` gives."""
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
        """What `async with ctx.transaction()` gives."""
        return _psycopg(await self._driver(), psycopg.AsyncConnection)

    def psycopg(self) -> Any:
        """What `with ctx.transaction()` gives."""
        raise WrongConnection(
            f"connection: {_name(self._connection)} is not valid for `with ctx.transaction()`; "
            "use drain (or run_job) with a connection of sync code that runs on psycopg"
        )


def _calls(app: Registry) -> tuple[SyncPool, AsyncPool]:
    """What runs calls on given connections; no pool is ever opened."""
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
    """In place of the pool of an app's sync code, and of that for `ctx.transaction()` in threads."""

    max_size = 1

    def __init__(self, given: GivenConnection | AsyncGivenConnection) -> None:
        self._given = given

    def run(self, call: Call[T], connection: Any = None, wait: float | None = None) -> T:
        """As SyncPool.run; the connection is the test's, so nothing limits the wait."""
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
    """_Direct for async code."""

    max_size = 1

    def __init__(self, given: GivenConnection | AsyncGivenConnection) -> None:
        self._given = given

    async def run(self, call: Call[T], connection: Any = None, wait: float | None = None) -> T:
        """As AsyncPool.run; the connection is the test's, so nothing limits the wait."""
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
    """What the contexts of jobs reach when they run on the test's connection."""

    def __init__(self, given: GivenConnection | AsyncGivenConnection, values: tuple[Any, ...] = ()) -> None:
        self.app, self.values, self.threads = given.app, values, None
        self.transactions: Any = given.database
        self.async_transactions: Any = given.async_database


@contextmanager
def joined(app: Registry, connection: Any) -> Iterator[None]:
    """Let everything that the app does in the block run on this connection, in its transaction.

    Args:
        app: it needs no database URL.
        connection: as in `Task.using`, of sync code or of async code; the block is entered by `with` in both.

    Raises:
        WrongConnection: `connection` is none of those that work.
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
    """Let the calls of an app run on this connection."""
    app, names = given.app, ("database", "async_database")
    before = {name: app.__dict__.pop(name) for name in names if name in app.__dict__}
    app.__dict__.update(database=given.database, async_database=given.async_database)
    try:
        yield
    finally:
        for name in names:
            app.__dict__.pop(name, None)
        app.__dict__.update(before)
