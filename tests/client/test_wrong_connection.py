"""connection=: what cannot be used is refused, with what can be, and how to get it from what was given."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import asyncpg
import psycopg
import psycopg_pool
import pytest
import sqlalchemy as sa
from django.core.cache import cache
from django.db import connections
from sqlalchemy.ext import asyncio as aio
from sqlalchemy.orm import Session, sessionmaker

from pgqueue import PgQueue, Task
from pgqueue.errors import WrongConnection
from tests.looking import Look

from . import kinds_asyncpg_django
from .kinds import asyncpg_arguments

SYNC = "enqueue takes a psycopg Connection, a SQLAlchemy Session, scoped_session or Connection, or a Django connection"
ASYNC = (
    "aenqueue takes a psycopg AsyncConnection, a SQLAlchemy AsyncSession, async_scoped_session or AsyncConnection, "
    "or an asyncpg Connection"
)
ENGINE = sa.create_engine("postgresql+psycopg://")
ASYNC_ENGINE = aio.create_async_engine("postgresql+asyncpg://")


class Connection:
    """Has the name of a connection, but is none."""


def _refused(task: Task[[int], str], connection: Any) -> str:
    with pytest.raises(WrongConnection) as single:
        task.using(connection=connection).enqueue(1)
    with pytest.raises(WrongConnection) as many:
        task.using(connection=connection).enqueue_many([(1,)])
    assert str(single.value) == str(many.value)
    return str(single.value)


async def _arefused(task: Task[[int], str], connection: Any) -> str:
    with pytest.raises(WrongConnection) as single:
        await task.using(connection=connection).aenqueue(1)
    with pytest.raises(WrongConnection) as many:
        await task.using(connection=connection).aenqueue_many([(1,)])
    assert str(single.value) == str(many.value)
    return str(single.value)


@pytest.mark.parametrize(
    "connection",
    ["postgresql://", 0, Connection(), Connection, psycopg.Connection, sa],
    ids=["url", "number", "imitation", "class", "class of psycopg", "module"],
)
async def test_anything_else_is_refused_with_what_will_do(welcome: Task[[int], str], connection: Any) -> None:
    kind = f"{type(connection).__module__}.{type(connection).__qualname__}"
    assert _refused(welcome, connection) == f"connection: a {kind} is not valid; {SYNC}"
    assert await _arefused(welcome, connection) == f"connection: a {kind} is not valid; {ASYNC}"
    assert issubclass(WrongConnection, TypeError)


@pytest.mark.parametrize(
    ("connection", "way"),
    [
        (ENGINE, "with engine.begin() as connection"),
        (ASYNC_ENGINE, "async with engine.begin() as connection"),
        (sessionmaker(ENGINE), "with maker.begin() as session"),
        (aio.async_sessionmaker(ASYNC_ENGINE), "async with maker.begin() as session"),
        (psycopg_pool.ConnectionPool(open=False), "with pool.connection() as connection"),
        (psycopg_pool.NullConnectionPool(open=False), "with pool.connection() as connection"),
        (psycopg_pool.AsyncConnectionPool(open=False), "async with pool.connection() as connection"),
        (connections, 'connections["default"]'),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_what_makes_connections_is_refused_with_the_way_to_get_one(
    welcome: Task[[int], str], connection: Any, way: str
) -> None:
    assert _refused(welcome, connection).endswith(f"; {SYNC}; get one from this by: {way}")
    assert (await _arefused(welcome, connection)).endswith(f"; {ASYNC}; get one from this by: {way}")


async def test_an_asyncpg_pool_is_refused_with_the_way_to_get_a_connection(welcome: Task[[int], str], database_url: str) -> None:
    async with asyncpg.create_pool(**asyncpg_arguments(database_url), min_size=0) as pool:
        assert (await _arefused(welcome, pool)).endswith("; get one from this by: async with pool.acquire() as connection")


@pytest.fixture
async def theirs_async(database_url: str) -> AsyncIterator[list[Any]]:
    """Connections for async code, and one that is not open any more."""
    first = await psycopg.AsyncConnection.connect(database_url)
    second = await asyncpg.connect(**asyncpg_arguments(database_url))
    yield [first, second, aio.AsyncSession(ASYNC_ENGINE), ASYNC_ENGINE.connect()]
    await first.close()
    await second.close()


async def test_a_sync_call_says_of_async_connections_where_they_work(welcome: Task[[int], str], theirs_async: list[Any]) -> None:
    for connection in theirs_async:
        assert _refused(welcome, connection).endswith(f"; {SYNC}; this one works with aenqueue")


@pytest.fixture
def theirs(database_url: str) -> Iterator[list[Any]]:
    """Connections for sync code."""
    kinds_asyncpg_django.configure(database_url)
    with psycopg.connect(database_url) as connection, Session(ENGINE) as session:
        yield [connection, session, connections["other"]]
    del connections["other"]


async def test_an_async_call_says_of_sync_connections_where_they_work(welcome: Task[[int], str], theirs: list[Any]) -> None:
    for connection in theirs:
        assert (await _arefused(welcome, connection)).endswith(f"; {ASYNC}; this one works with enqueue")


def test_another_database_is_refused(welcome: Task[[int], str], database_url: str) -> None:
    engine = sa.create_engine("sqlite://")
    with engine.connect() as connection, Session(engine) as session:
        for theirs in (connection, session):
            assert _refused(welcome, theirs).startswith(
                "connection: SQLAlchemy's to 'sqlite' is not valid; the jobs are in PostgreSQL; of a session with several engines"
            )
    engine.dispose()
    kinds_asyncpg_django.configure(database_url)
    assert _refused(welcome, connections["lite"]) == "connection: Django's to 'sqlite' is not valid; the jobs are in PostgreSQL"
    connections["lite"].close()


def test_other_proxies_of_django_are_refused(welcome: Task[[int], str], database_url: str) -> None:
    kinds_asyncpg_django.configure(database_url)
    assert _refused(welcome, cache) == "connection: Django's to None is not valid; the jobs are in PostgreSQL"


def test_a_refused_connection_wakes_nobody_and_leaves_no_job(app: PgQueue, welcome: Task[[int], str], look: Look) -> None:
    _refused(welcome, "postgresql://")
    assert look.live() == 0
