"""The sessions and connections of an application that `ctx.transaction(connection)` takes, opened by its handlers."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, contextmanager
from typing import Any, NamedTuple

import asyncpg
import django.db
import psycopg
import sqlalchemy as sa
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy.ext import asyncio as aio
from sqlalchemy.orm import Session, scoped_session, sessionmaker
from sqlalchemy.pool import NullPool

from tests.client.kinds import asyncpg_arguments
from tests.client.kinds_asyncpg_django import configure

INSERT = "insert into public.written (job_id) values ({})"


class Async(NamedTuple):
    """One for async code: how it is opened, and how it runs a statement."""

    open: Callable[[str], AbstractAsyncContextManager[Any]]
    execute: Callable[[Any, str], Awaitable[Any]]


class Sync(NamedTuple):
    """One for handlers in threads."""

    open: Callable[[str], AbstractContextManager[Any]]
    execute: Callable[[Any, str], Any]


def engine(url: str, **options: Any) -> sa.Engine:
    """An engine for handlers in threads."""
    return sa.create_engine("postgresql+psycopg://", connect_args=conninfo_to_dict(url), poolclass=NullPool, **options)


def async_engine(url: str, driver: str = "asyncpg", **options: Any) -> aio.AsyncEngine:
    """An engine for async handlers."""
    arguments = asyncpg_arguments(url) if driver == "asyncpg" else conninfo_to_dict(url)
    return aio.create_async_engine(f"postgresql+{driver}://", connect_args=arguments, poolclass=NullPool, **options)


@asynccontextmanager
async def _psycopg(url: str) -> AsyncIterator[Any]:
    async with await psycopg.AsyncConnection.connect(url) as connection:
        yield connection


@asynccontextmanager
async def _asyncpg(url: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(**asyncpg_arguments(url))
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def _asyncpg_pooled(url: str) -> AsyncIterator[Any]:
    async with asyncpg.create_pool(**asyncpg_arguments(url), min_size=1, max_size=1) as pool, pool.acquire() as connection:
        yield connection


def _session(driver: str) -> Callable[[str], AbstractAsyncContextManager[Any]]:
    return lambda url: aio.AsyncSession(async_engine(url, driver))


@asynccontextmanager
async def _scoped(url: str) -> AsyncIterator[Any]:
    session = aio.async_scoped_session(aio.async_sessionmaker(async_engine(url)), scopefunc=asyncio.current_task)
    try:
        yield session
    finally:
        await session.remove()


async def _on_asyncpg(connection: Any, statement: str) -> Any:
    return await connection.execute(statement)


async def _on_alchemy(connection: Any, statement: str) -> Any:
    return await connection.execute(sa.text(statement))


@contextmanager
def _sync_scoped(url: str) -> Iterator[Any]:
    session = scoped_session(sessionmaker(engine(url)))
    try:
        yield session
    finally:
        session.remove()


@contextmanager
def _django(url: str) -> Iterator[Any]:
    configure(url)
    try:
        yield django.db.connection
    finally:
        django.db.connection.close()
        del django.db.connections["default"]


def _on_django(connection: Any, statement: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(statement)


ASYNC = {
    "psycopg": Async(_psycopg, _on_asyncpg),
    "asyncpg": Async(_asyncpg, _on_asyncpg),
    "asyncpg's pool": Async(_asyncpg_pooled, _on_asyncpg),
    "AsyncSession on asyncpg": Async(_session("asyncpg"), _on_alchemy),
    "AsyncSession on psycopg": Async(_session("psycopg"), _on_alchemy),
    "AsyncConnection": Async(lambda url: async_engine(url).connect(), _on_alchemy),
    "async_scoped_session": Async(_scoped, _on_alchemy),
}
SYNC = {
    "psycopg": Sync(psycopg.connect, lambda connection, statement: connection.execute(statement)),
    "Session": Sync(lambda url: Session(engine(url)), lambda session, statement: session.execute(sa.text(statement))),
    "Connection": Sync(lambda url: engine(url).connect(), lambda given, statement: given.execute(sa.text(statement))),
    "scoped_session": Sync(_sync_scoped, lambda session, statement: session.execute(sa.text(statement))),
    "Django": Sync(_django, _on_django),
}
