"""asyncpg through PgBouncer in transaction mode: what an application sets for its own statements is what ours need."""

import asyncio
import uuid
from collections.abc import Callable
from typing import Any

import asyncpg
import pytest
from sqlalchemy import NullPool
from sqlalchemy.ext import asyncio as aio

from pgqueue import Task
from tests.looking import Look

from . import forms
from .kinds import asyncpg_arguments

CLIENTS, TURNS = 8, 6
Pooled = Callable[[int], str]
sizes = pytest.mark.parametrize("size", [1, 20])


def _arguments(url: str, **options: Any) -> dict[str, Any]:
    return {**asyncpg_arguments(url), "ssl": False, **options}


@sizes
async def test_without_a_statement_cache_enqueues_work_in_transactions_and_alone(
    welcome: Task[[int], str], pooled: Pooled, look: Look, size: int
) -> None:
    async def client(arguments: dict[str, Any]) -> None:
        connection = await asyncpg.connect(**arguments)
        for turn in range(TURNS):
            async with connection.transaction():
                await forms.aenqueue(welcome, connection)
            transaction = connection.transaction()
            await transaction.start()
            await welcome.using(connection=connection).aenqueue(turn)
            await transaction.rollback()
            await welcome.using(connection=connection).aenqueue(turn)
        await connection.close()

    arguments = _arguments(pooled(size), statement_cache_size=0)
    await asyncio.gather(*(client(arguments) for _ in range(CLIENTS)))
    assert look.live() == CLIENTS * TURNS * (forms.ADDED + 1)


@sizes
async def test_so_they_do_on_a_pool_of_asyncpg(welcome: Task[[int], str], pooled: Pooled, look: Look, size: int) -> None:
    arguments = _arguments(pooled(size), statement_cache_size=0)
    async with asyncpg.create_pool(**arguments, min_size=1, max_size=4) as pool:

        async def client() -> None:
            for turn in range(TURNS):
                async with pool.acquire() as connection, connection.transaction():
                    await welcome.using(connection=connection).aenqueue(turn)

        await asyncio.gather(*(client() for _ in range(CLIENTS)))
    assert look.live() == CLIENTS * TURNS


@sizes
async def test_so_they_do_beneath_sqlalchemy(welcome: Task[[int], str], pooled: Pooled, look: Look, size: int) -> None:
    """With what its documentation says of PgBouncer."""
    arguments = _arguments(
        pooled(size),
        statement_cache_size=0,
        prepared_statement_cache_size=0,
        prepared_statement_name_func=lambda: f"__asyncpg_{uuid.uuid4()}__",
    )
    engine = aio.create_async_engine("postgresql+asyncpg://", connect_args=arguments, poolclass=NullPool)

    async def client() -> None:
        for _ in range(TURNS):
            async with aio.AsyncSession(engine) as session, session.begin():
                await forms.aenqueue(welcome, session)

    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    await engine.dispose()
    assert look.live() == CLIENTS * TURNS * forms.ADDED


async def test_with_its_statement_cache_asyncpg_itself_says_what_to_set(
    welcome: Task[[int], str], pooled: Pooled, look: Look
) -> None:
    """PgBouncer from 1.21 on may keep prepared statements itself (max_prepared_statements); an older one does not."""
    arguments = _arguments(pooled(20))
    theirs, other = await asyncpg.connect(**arguments), await asyncpg.connect(**arguments)
    await _enqueue(welcome, theirs)
    async with other.transaction():
        await other.execute("select 1")  # it has the connection to the server now on which the statement was prepared
        (refused,) = await asyncio.gather(_enqueue(welcome, theirs), return_exceptions=True)
    assert refused is None or (
        isinstance(refused, asyncpg.InvalidSQLStatementNameError) and "statement_cache_size" in str(refused)
    )
    await theirs.close()
    await other.close()
    assert look.live() == (2 if refused is None else 1)


async def _enqueue(welcome: Task[[int], str], connection: Any) -> None:
    async with connection.transaction():
        await welcome.using(connection=connection).aenqueue(1)
