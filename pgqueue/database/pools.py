"""Connections of an application process: opened at first use, one pool per process, and per event loop in async code."""

import asyncio
import os
from typing import Any, TypeVar

import psycopg
from psycopg import AsyncConnection, Connection
from psycopg.rows import tuple_row
from psycopg.types.json import set_json_loads
from psycopg_pool import AsyncConnectionPool, ConnectionPool

from .._json import loads
from ..errors import WrongConnection
from .calls import Call
from .statement import Statements
from .translate import translate

T = TypeVar("T")

# Autocommit and no prepared statements: nothing of ours outlives a call, so transaction poolers work.
CONNECT: dict[str, Any] = {"autocommit": True, "prepare_threshold": None}


def connect_options(application_name: str) -> dict[str, Any]:
    """Options of every connection that pgqueue opens itself."""
    return {**CONNECT, "application_name": application_name, "connect_timeout": 5}


class SyncPool:
    """Runs calls on pooled connections, or inside the caller's transaction on a connection of theirs.

    Args:
        url: where to connect.
        statements: of the install.
        size: connections at most.
        options: of each connection, beyond those of all; application_name is shown in pg_stat_activity.
    """

    def __init__(self, url: str, statements: Statements, size: int, **options: Any) -> None:
        self._url, self._statements, self._size = url, statements, size
        self._options = {**connect_options("pgqueue"), **options}
        self._pools: dict[int, ConnectionPool] = {}

    def run(self, call: Call[T], connection: Any = None) -> T:
        """Run a call; without `connection` in a transaction of its own, which is committed on return."""
        if connection is not None:
            return self._run_on(_checked(connection, Connection), call)
        with self.pool().connection() as own:
            return self._run_on(own, call)

    def _run_on(self, connection: Connection[Any], call: Call[T]) -> T:
        cursor = psycopg.Cursor(connection, row_factory=tuple_row)
        try:
            return call.read(cursor.execute(self._statements[call.statement], call.params, prepare=False).fetchall())
        except psycopg.Error as error:
            raise translate(error, self._statements.schema) from error

    def pool(self) -> ConnectionPool:
        """This process's pool, made at first use."""
        pool = self._pools.get(os.getpid())
        if pool is None:
            # A forked child never touches an inherited socket: its pid has no pool yet.
            made = ConnectionPool(
                self._url, min_size=0, max_size=self._size, kwargs=self._options, configure=_configure, open=False
            )
            pool = self._pools.setdefault(os.getpid(), made)  # of two threads that come first, one pool wins
            pool.open()
        return pool

    def close(self) -> None:
        """Close this process's pool; the next call opens a new one."""
        if pool := self._pools.pop(os.getpid(), None):
            pool.close()


class AsyncPool:
    """SyncPool for async code."""

    def __init__(self, url: str, statements: Statements, size: int, **options: Any) -> None:
        self._url, self._statements, self._size = url, statements, size
        self._options = {**connect_options("pgqueue"), **options}
        self._pools: dict[asyncio.AbstractEventLoop, AsyncConnectionPool] = {}

    async def run(self, call: Call[T], connection: Any = None) -> T:
        """Run a call; without `connection` in a transaction of its own, which is committed on return."""
        if connection is not None:
            return await self._run_on(_checked(connection, AsyncConnection), call)
        pool = await self.pool()
        async with pool.connection() as own:
            return await self._run_on(own, call)

    async def _run_on(self, connection: AsyncConnection[Any], call: Call[T]) -> T:
        cursor = psycopg.AsyncCursor(connection, row_factory=tuple_row)
        try:
            await cursor.execute(self._statements[call.statement], call.params, prepare=False)
            return call.read(await cursor.fetchall())
        except psycopg.Error as error:
            raise translate(error, self._statements.schema) from error

    async def pool(self) -> AsyncConnectionPool:
        """This event loop's pool, made at first use."""
        loop = asyncio.get_running_loop()
        pool = self._pools.get(loop)
        if pool is None:
            self._pools = {live: pool for live, pool in self._pools.items() if not live.is_closed()}
            pool = AsyncConnectionPool(
                self._url, min_size=0, max_size=self._size, kwargs=self._options, configure=_aconfigure, open=False
            )
            self._pools[loop] = pool
            await pool.open()
        return pool

    async def close(self) -> None:
        """Close this event loop's pool; the next call opens a new one."""
        if pool := self._pools.pop(asyncio.get_running_loop(), None):
            await pool.close()


def _configure(connection: Connection[Any]) -> None:
    set_json_loads(loads, connection)


async def _aconfigure(connection: AsyncConnection[Any]) -> None:
    set_json_loads(loads, connection)


def _checked(connection: Any, kind: type[T]) -> T:
    if not isinstance(connection, kind):
        other = "aenqueue takes a psycopg AsyncConnection" if kind is AsyncConnection else "enqueue takes a psycopg Connection"
        raise WrongConnection(
            f"connection: a {type(connection).__module__}.{type(connection).__qualname__} is not valid; {other}"
        )
    return connection
