"""pgqueue on the application's own connection, of each kind: every call is a transaction of the application's, with its commit.

The plain INSERT beside it is made by hand with the same library. The last one is `enqueue_select`, all jobs in one statement.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import asyncpg
import psycopg
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import create_engine, text
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from benchmarks.options import Handler
from benchmarks.systems import Producer
from benchmarks.systems.pgqueue import INSERT, build
from benchmarks.systems.pgqueue import SYSTEM as PGQUEUE
from benchmarks.worker import Command
from pgqueue import Task

ARGS = '{"sent_at":0.0}'
NAMED_INSERT = text(INSERT.replace("%s", r"cast(:args as text)\:\:jsonb"))
NUMBERED_INSERT = INSERT.replace("%s", "$1::text::jsonb")
SELECT = "select n::float8 as sent_at from generate_series(1, %(count)s::int) n"
NoOp = Task[[float], Any]


class OnPsycopg:
    """psycopg Connection."""

    def __init__(self, task: NoOp, connection: psycopg.Connection) -> None:
        self._task, self._connection = task.using(connection=connection), connection

    async def enqueue_many(self, count: int) -> None:
        self._task.enqueue_many([(0.0,)] * count)
        self._connection.commit()

    async def enqueue(self, sent_at: float) -> None:
        self._task.enqueue(sent_at)
        self._connection.commit()

    async def insert_row(self) -> None:
        self._connection.execute(INSERT, (ARGS,))
        self._connection.commit()


class OnPsycopgAsync:
    """psycopg AsyncConnection."""

    def __init__(self, task: NoOp, connection: psycopg.AsyncConnection) -> None:
        self._task, self._connection = task.using(connection=connection), connection

    async def enqueue_many(self, count: int) -> None:
        await self._task.aenqueue_many([(0.0,)] * count)
        await self._connection.commit()

    async def enqueue(self, sent_at: float) -> None:
        await self._task.aenqueue(sent_at)
        await self._connection.commit()

    async def insert_row(self) -> None:
        await self._connection.execute(INSERT, (ARGS,))
        await self._connection.commit()


class OnSession:
    """SQLAlchemy Session."""

    def __init__(self, task: NoOp, session: Session) -> None:
        self._task, self._session = task.using(connection=session), session

    async def enqueue_many(self, count: int) -> None:
        self._task.enqueue_many([(0.0,)] * count)
        self._session.commit()

    async def enqueue(self, sent_at: float) -> None:
        self._task.enqueue(sent_at)
        self._session.commit()

    async def insert_row(self) -> None:
        self._session.execute(NAMED_INSERT, {"args": ARGS})
        self._session.commit()


class OnAsyncSession:
    """SQLAlchemy AsyncSession."""

    def __init__(self, task: NoOp, session: AsyncSession) -> None:
        self._task, self._session = task.using(connection=session), session

    async def enqueue_many(self, count: int) -> None:
        await self._task.aenqueue_many([(0.0,)] * count)
        await self._session.commit()

    async def enqueue(self, sent_at: float) -> None:
        await self._task.aenqueue(sent_at)
        await self._session.commit()

    async def insert_row(self) -> None:
        await self._session.execute(NAMED_INSERT, {"args": ARGS})
        await self._session.commit()


class OnAsyncpg:
    """asyncpg Connection."""

    def __init__(self, task: NoOp, connection: Any) -> None:
        self._task, self._connection = task.using(connection=connection), connection

    async def enqueue_many(self, count: int) -> None:
        async with self._connection.transaction():
            await self._task.aenqueue_many([(0.0,)] * count)

    async def enqueue(self, sent_at: float) -> None:
        async with self._connection.transaction():
            await self._task.aenqueue(sent_at)

    async def insert_row(self) -> None:
        async with self._connection.transaction():
            await self._connection.fetchval(NUMBERED_INSERT, ARGS)


class OnDjango:
    """Django connection."""

    def __init__(self, task: NoOp, connection: Any, atomic: Callable[[], Any]) -> None:
        self._task, self._connection, self._atomic = task.using(connection=connection), connection, atomic

    async def enqueue_many(self, count: int) -> None:
        with self._atomic():
            self._task.enqueue_many([(0.0,)] * count)

    async def enqueue(self, sent_at: float) -> None:
        with self._atomic():
            self._task.enqueue(sent_at)

    async def insert_row(self) -> None:
        with self._atomic(), self._connection.cursor() as cursor:
            cursor.execute(INSERT, (ARGS,))


class BySelect(OnPsycopg):
    """enqueue_select on a psycopg Connection."""

    async def enqueue_many(self, count: int) -> None:
        self._task.enqueue_select(SELECT, {"count": count})
        self._connection.commit()


@asynccontextmanager
async def _psycopg(task: NoOp, url: str) -> AsyncIterator[Producer]:
    with psycopg.connect(url, prepare_threshold=None) as connection:
        yield OnPsycopg(task, connection)


@asynccontextmanager
async def _psycopg_async(task: NoOp, url: str) -> AsyncIterator[Producer]:
    async with await psycopg.AsyncConnection.connect(url, prepare_threshold=None) as connection:
        yield OnPsycopgAsync(task, connection)


@asynccontextmanager
async def _session(task: NoOp, url: str) -> AsyncIterator[Producer]:
    engine = create_engine("postgresql+psycopg://", connect_args=conninfo_to_dict(url))
    with Session(engine) as session:
        yield OnSession(task, session)
    engine.dispose()


@asynccontextmanager
async def _async_session(task: NoOp, url: str) -> AsyncIterator[Producer]:
    engine = create_async_engine("postgresql+psycopg://", connect_args=conninfo_to_dict(url))
    async with AsyncSession(engine) as session:
        yield OnAsyncSession(task, session)
    await engine.dispose()


@asynccontextmanager
async def _asyncpg(task: NoOp, url: str) -> AsyncIterator[Producer]:
    given = conninfo_to_dict(url)
    names = {"host": "host", "port": "port", "user": "user", "password": "password", "database": "dbname"}
    connection = await asyncpg.connect(**{theirs: given[name] for theirs, name in names.items() if name in given})
    yield OnAsyncpg(task, connection)
    await connection.close()


@asynccontextmanager
async def _django(task: NoOp, url: str) -> AsyncIterator[Producer]:
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"  # nothing else runs on this loop
    import django
    from django.conf import settings
    from django.db import connections, transaction

    given = conninfo_to_dict(url)
    options = {"NAME": given["dbname"], "USER": given.get("user"), "PASSWORD": given.get("password"), "HOST": given.get("host")}
    if not settings.configured:
        settings.configure()
        django.setup()
    connections.settings = connections.configure_settings({"default": {"ENGINE": "django.db.backends.postgresql", **options}})
    connection = connections["default"] = connections.create_connection("default")
    yield OnDjango(task, connection, transaction.atomic)
    connection.close()


@asynccontextmanager
async def _select(task: NoOp, url: str) -> AsyncIterator[Producer]:
    with psycopg.connect(url, prepare_threshold=None) as connection:
        yield BySelect(task, connection)


class ConnectionSystem:
    """pgqueue on one kind of connection; it only enqueues."""

    history = True
    concurrency: int | None = None
    most_jobs: int | None = None
    benchmarks = frozenset({"enqueue"})
    unfinished_query = PGQUEUE.unfinished_query
    version, install = PGQUEUE.version, PGQUEUE.install

    def __init__(
        self, name: str, opened: Callable[[NoOp, str], AbstractAsyncContextManager[Producer]], batch: int | None
    ) -> None:
        self.name, self._opened, self.enqueue_batch = name, opened, batch

    def commands(self, url: str, processes: int, handler: Handler) -> Sequence[Command]:
        """No worker: what it enqueues is the same."""
        return []

    def producer(self, url: str) -> AbstractAsyncContextManager[Producer]:
        """The application's connection."""
        return self._opened(build(url, Handler.ASYNC)[1], url)


SYSTEMS = {
    "psycopg": ConnectionSystem("psycopg", _psycopg, None),
    "psycopg-async": ConnectionSystem("psycopg-async", _psycopg_async, None),
    "sqlalchemy": ConnectionSystem("sqlalchemy", _session, None),
    "sqlalchemy-async": ConnectionSystem("sqlalchemy-async", _async_session, None),
    "asyncpg": ConnectionSystem("asyncpg", _asyncpg, None),
    "django": ConnectionSystem("django", _django, None),
    "enqueue_select": ConnectionSystem("enqueue_select", _select, 1_000_000),
}
