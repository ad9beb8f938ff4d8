"""Connections of an application process: opened at first use, one pool per process, and per event loop in async code."""

import asyncio
import logging
from time import monotonic
from typing import Any, TypeVar

import psycopg
from psycopg_pool import AsyncConnectionPool, ConnectionPool, PoolTimeout

from .._process import refuse_proactor, this_process
from .bridge import AsyncRun, Run, arun_on_own, async_runner, run_on_own, runner
from .call import Call
from .connection import OwnAsyncConnection, OwnConnection, connect_options, deadline_of, drop, within
from .reach import AGAIN, Reach, Wait, is_open, may_repeat
from .statement import Statements
from .translate import raise_ours

T = TypeVar("T")
# See client_address in sql/functions/audit, and maker in sql/functions/workflows.
_CALLER = b"select pg_catalog.set_config('pgqueue.client', %s, true), pg_catalog.set_config('pgqueue.key', %s, true)"
# Opened at first use. The pool's own tries to connect end before a waiting call starts a new try.
_POOL: dict[str, Any] = {"min_size": 0, "open": False, "reconnect_timeout": AGAIN - 1, "name": "pgqueue"}


def _is_news(record: logging.LogRecord) -> bool:
    """Whether what a pool logs is said nowhere else: why our pools cannot connect, the errors of their callers say."""
    is_ours = isinstance(record.args, tuple) and record.args[:1] == (_POOL["name"],)
    return not (is_ours and record.msg.startswith(("error connecting", "reconnection attempt")))


logging.getLogger("psycopg.pool").addFilter(_is_news)


def _configure(connection: OwnConnection) -> None:
    connection.add_notify_handler(drop)


async def _aconfigure(connection: OwnAsyncConnection) -> None:
    connection.add_notify_handler(drop)


class _Pool(ConnectionPool[OwnConnection]):
    """A pool that checks that a connection is open before it returns it.

    A forked child does not touch it, because stopping the threads of the parent could wait for locks that are never released.
    """

    def __init__(self, url: str, reach: Reach, bears_outage: bool, **options: Any) -> None:
        self._process, self._reach, self._bears_outage = this_process(), reach, bears_outage
        super().__init__(url, connection_class=OwnConnection, configure=_configure, **_POOL, **options)

    def getconn(self, timeout: float | None = None) -> OwnConnection:
        """Get a connection, as in psycopg. Raises NoConnection if none is free in time."""
        wait = Wait(self._reach, self.timeout if timeout is None else timeout, self._bears_outage)
        while True:
            try:
                connection = super().getconn(wait.part())
            except PoolTimeout:
                wait.check()
                continue
            if is_open(connection) and self._reach.trusts(connection):
                self._reach.lend(connection)
                return connection
            connection.close()
            self.putconn(connection)  # this replaces it

    def putconn(self, connection: OwnConnection) -> None:
        """Return a connection, as in psycopg."""
        self._reach.take_back(connection)
        super().putconn(connection)

    def __del__(self) -> None:
        if self._process == this_process():
            super().__del__()


class _AsyncPool(AsyncConnectionPool[OwnAsyncConnection]):
    """`_Pool` for async code."""

    def __init__(self, url: str, reach: Reach, bears_outage: bool, **options: Any) -> None:
        self._reach, self._bears_outage = reach, bears_outage
        super().__init__(url, connection_class=OwnAsyncConnection, configure=_aconfigure, **_POOL, **options)

    async def getconn(self, timeout: float | None = None) -> OwnAsyncConnection:
        """See `_Pool.getconn`."""
        wait = Wait(self._reach, self.timeout if timeout is None else timeout, self._bears_outage)
        while True:
            try:
                connection = await super().getconn(wait.part())
            except PoolTimeout:
                wait.check()
                continue
            if is_open(connection) and self._reach.trusts(connection):
                self._reach.lend(connection)
                return connection
            await connection.close()
            await self.putconn(connection)

    async def putconn(self, connection: OwnAsyncConnection) -> None:
        """Return a connection, as in psycopg."""
        self._reach.take_back(connection)
        await super().putconn(connection)


class SyncPool:
    """Runs calls on pooled connections, or on a connection of the caller, inside the caller's transaction.

    Args:
        url: where to connect.
        statements: the statements of the install.
        size: the largest number of connections.
        setting: the name of the setting for the size.
        bears_outage: whether calls wait for a database that is away as long as for a connection that is in use. Otherwise they
            say so within 5 s.
        options: further options of each connection; application_name is shown in pg_stat_activity.
    """

    def __init__(
        self,
        url: str,
        statements: Statements,
        size: int,
        setting: str = "pool_size",
        bears_outage: bool = False,
        **options: Any,
    ) -> None:
        self._bears_outage = bears_outage
        self._url, self._statements, self._size, self._setting = url, statements, size, setting
        self._options = {**connect_options(url, "pgqueue"), **options}
        self._pools: dict[tuple[int, int], _Pool] = {}

    def run(self, call: Call[T], connection: Any = None, wait: float | None = None) -> T:
        """Run a call; without `connection` in its own transaction, which is committed on return.

        If its connection was cut, a call that may be repeated is repeated once.

        Args:
            wait: seconds for the whole call, if this is less than its deadline: for a connection from the pool, and the answer.
        """
        if connection is not None:
            with deadline_of(connection, call.within):
                return self.run_on(runner(connection), connection, call)
        began = monotonic()
        try:
            return self._run_pooled(call, wait, began)
        except psycopg.OperationalError as error:
            if not may_repeat(call, error, began):
                raise
        return self._run_pooled(call, wait, began)

    def _run_pooled(self, call: Call[T], wait: float | None, began: float) -> T:
        left = None if wait is None else max(0.0, wait - (monotonic() - began))
        pool = self.pool()
        own = pool.getconn(left)  # not its context manager, which commits: our connections have nothing to commit
        try:
            own.deadline = within(call.within, wait, began)
            return self.run_on(run_on_own, own, call)
        finally:
            pool.putconn(own)

    def run_on(self, run: Run, connection: Any, call: Call[T]) -> T:
        """Run a call on a connection with the function `run`."""
        try:
            return call.read(run(connection, self._statements.of(call), call.params))
        except Exception as error:
            raise_ours(error, self._statements.schema, connection)
            raise

    def pool(self) -> _Pool:
        """This process's pool, made at first use."""
        # A forked child never touches an inherited socket: it has no pool yet.
        pool = self._pools.get(this_process())
        if pool is None:
            # No lock: a child could inherit it locked. If several threads make a pool, all use the first; the others never open.
            pool = self._pools.setdefault(this_process(), self._new_pool())
        if pool.closed:
            pool.open()
        return pool

    def _new_pool(self) -> _Pool:
        reach = Reach(self._setting, self._size, self._url)
        return _Pool(self._url, reach, self._bears_outage, max_size=self._size, kwargs={**self._options, "note": reach.note})

    def close(self) -> None:
        """Close this process's pool; the next call opens a new one."""
        if pool := self._pools.pop(this_process(), None):
            pool.close()


class AsyncPool:
    """SyncPool for async code.

    Args:
        run: runs a statement on a connection of the pool; `arun_on_own` by default.
        patience: seconds that a call waits for a connection at most.
    """

    def __init__(
        self,
        url: str,
        statements: Statements,
        size: int,
        setting: str = "pool_size",
        run: AsyncRun = arun_on_own,
        patience: float = 30.0,
        bears_outage: bool = False,
        **options: Any,
    ) -> None:
        self._patience, self._bears_outage = patience, bears_outage
        self._url, self._statements, self._size, self._setting = url, statements, size, setting
        self._run_on_own = run
        self._options = {**connect_options(url, "pgqueue"), **options}
        self._pools: dict[tuple[tuple[int, int], asyncio.AbstractEventLoop], _AsyncPool] = {}

    async def run(
        self, call: Call[T], connection: Any = None, wait: float | None = None, client: str | None = None, key: str | None = None
    ) -> T:
        """`SyncPool.run` for async code.

        Args:
            client: the address that the audit log keeps in place of this process's own; only without `connection`.
            key: the key of the API for which jobs are added that get no results of other makers; only without `connection`.
        """
        if connection is not None:
            with deadline_of(connection, call.within):
                return await self._run_on(async_runner(connection), connection, call)
        began = monotonic()
        caller = None if client is None and key is None else (client or "", key or "")
        try:
            return await self._run_pooled(call, wait, began, caller)
        except psycopg.OperationalError as error:
            if not may_repeat(call, error, began):
                raise
        return await self._run_pooled(call, wait, began, caller)

    async def _run_pooled(self, call: Call[T], wait: float | None, began: float, caller: tuple[str, str] | None) -> T:
        pool = await self.pool()
        left = None if wait is None else max(0.0, wait - (monotonic() - began))
        own = await pool.getconn(left)  # see SyncPool
        try:
            own.deadline = within(call.within, wait, began)
            if caller is None:
                return await self._run_on(self._run_on_own, own, call)
            async with own.transaction():
                await own.execute(_CALLER, caller)
                return await self._run_on(self._run_on_own, own, call)
        finally:
            await pool.putconn(own)

    async def _run_on(self, run: AsyncRun, connection: Any, call: Call[T]) -> T:
        try:
            return call.read(await run(connection, self._statements.of(call), call.params))
        except Exception as error:
            raise_ours(error, self._statements.schema, connection)
            raise

    async def pool(self) -> _AsyncPool:
        """This event loop's pool, made at first use."""
        key = this_process(), asyncio.get_running_loop()
        pool = self._pools.get(key)
        if pool is None:
            refuse_proactor(key[1])
            self._forget_closed_loops()
            pool = self._pools[key] = self._new_pool()
        if pool.closed:
            await pool.open()
        return pool

    def _new_pool(self) -> _AsyncPool:
        reach = Reach(self._setting, self._size, self._url)
        kwargs = {**self._options, "note": reach.note}
        limits: dict[str, Any] = {"max_size": self._size, "timeout": self._patience}
        return _AsyncPool(self._url, reach, self._bears_outage, kwargs=kwargs, **limits)

    def _forget_closed_loops(self) -> None:
        for key in list(self._pools):  # a copy: other threads have loops, too
            if key[1].is_closed():
                self._pools.pop(key, None)

    async def close(self) -> None:
        """Close this event loop's pool; the next call opens a new one."""
        if pool := self._pools.pop((this_process(), asyncio.get_running_loop()), None):
            await pool.close()
