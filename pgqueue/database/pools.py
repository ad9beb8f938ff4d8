"""Connections of an application process: opened at first use, one pool per process, and per event loop in async code."""

import asyncio
from time import monotonic
from typing import Any, TypeVar

from psycopg_pool import AsyncConnectionPool, ConnectionPool

from .._process import this_process
from .bridge import AsyncRun, Run, arun_on_own, async_runner, run_on_own, runner
from .calls import Call
from .connection import OwnAsyncConnection, OwnConnection, connect_options, deadline_of, within
from .statement import Statements
from .translate import raise_ours

T = TypeVar("T")


class _Pool(ConnectionPool[OwnConnection]):
    """A pool that a forked child leaves alone: to stop the parent's threads it could wait for locks that nobody releases."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._process = this_process()
        super().__init__(*args, **kwargs)

    def __del__(self) -> None:
        if self._process == this_process():
            super().__del__()


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
        self._options = {**connect_options(url, "pgqueue"), **options}
        self._pools: dict[tuple[int, int], _Pool] = {}

    def run(self, call: Call[T], connection: Any = None, wait: float | None = None) -> T:
        """Run a call; without `connection` in a transaction of its own, which is committed on return.

        Args:
            wait: seconds for all of it, when that is less than a call may take: for a connection from the pool, and the answer.
        """
        if connection is not None:
            with deadline_of(connection, call.within):
                return self.run_on(runner(connection), connection, call)
        began = monotonic()
        with self.pool().connection(wait) as own:
            own.deadline = within(call.within, wait, began)
            return self.run_on(run_on_own, own, call)

    def run_on(self, run: Run, connection: Any, call: Call[T]) -> T:
        """Run a call in a certain way on a connection."""
        try:
            return call.read(run(connection, self._statements.of(call), call.params))
        except Exception as error:
            raise_ours(error, self._statements.schema)
            raise

    def pool(self) -> _Pool:
        """This process's pool, made at first use."""
        # A forked child never touches an inherited socket: it has no pool yet.
        pool = self._pools.get(this_process())
        if pool is None:
            # No lock, which a child could inherit held. Of several threads all take the first pool; the others were never open.
            pool = self._pools.setdefault(this_process(), self._new_pool())
        if pool.closed:
            pool.open()
        return pool

    def _new_pool(self) -> _Pool:
        return _Pool(
            self._url,
            connection_class=OwnConnection,
            min_size=0,
            max_size=self._size,
            kwargs=self._options,
            open=False,
        )

    def close(self) -> None:
        """Close this process's pool; the next call opens a new one."""
        if pool := self._pools.pop(this_process(), None):
            pool.close()


class AsyncPool:
    """SyncPool for async code."""

    def __init__(self, url: str, statements: Statements, size: int, **options: Any) -> None:
        self._url, self._statements, self._size = url, statements, size
        self._options = {**connect_options(url, "pgqueue"), **options}
        self._pools: dict[tuple[tuple[int, int], asyncio.AbstractEventLoop], AsyncConnectionPool[OwnAsyncConnection]] = {}

    async def run(self, call: Call[T], connection: Any = None, wait: float | None = None) -> T:
        """`SyncPool.run` for async code."""
        if connection is not None:
            with deadline_of(connection, call.within):
                return await self._run_on(async_runner(connection), connection, call)
        began, pool = monotonic(), await self.pool()
        async with pool.connection(wait) as own:
            own.deadline = within(call.within, wait, began)
            return await self._run_on(arun_on_own, own, call)

    async def _run_on(self, run: AsyncRun, connection: Any, call: Call[T]) -> T:
        try:
            return call.read(await run(connection, self._statements.of(call), call.params))
        except Exception as error:
            raise_ours(error, self._statements.schema)
            raise

    async def pool(self) -> AsyncConnectionPool[OwnAsyncConnection]:
        """This event loop's pool, made at first use."""
        key = this_process(), asyncio.get_running_loop()
        pool = self._pools.get(key)
        if pool is None:
            self._forget_closed_loops()
            pool = self._pools[key] = self._new_pool()
        if pool.closed:
            await pool.open()
        return pool

    def _new_pool(self) -> AsyncConnectionPool[OwnAsyncConnection]:
        return AsyncConnectionPool(
            self._url,
            connection_class=OwnAsyncConnection,
            min_size=0,
            max_size=self._size,
            kwargs=self._options,
            open=False,
        )

    def _forget_closed_loops(self) -> None:
        for key in list(self._pools):  # one step at a time: other threads have loops, too
            if key[1].is_closed():
                self._pools.pop(key, None)

    async def close(self) -> None:
        """Close this event loop's pool; the next call opens a new one."""
        if pool := self._pools.pop((this_process(), asyncio.get_running_loop()), None):
            await pool.close()
