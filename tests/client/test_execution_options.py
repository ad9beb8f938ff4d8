"""connection=: options of a SQLAlchemy engine, connection or session that change how statements run change nothing about ours."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import Session, sessionmaker

from pgqueue import Task
from tests.looking import Look

from . import forms
from .kinds import asyncpg_arguments

OPTIONS: list[dict[str, Any]] = [
    {"stream_results": True},
    {"yield_per": 1},
    {"stream_results": True, "max_row_buffer": 1},
    {"compiled_cache": None},
    {"schema_translate_map": {None: "elsewhere"}},
    {"logging_token": "theirs"},
    {"no_parameters": True},
    {"preserve_rowcount": True},
    {"isolation_level": "AUTOCOMMIT", "stream_results": True},
    {"isolation_level": "SERIALIZABLE"},
]


@pytest.fixture
def engine(database_url: str) -> Iterator[sa.Engine]:
    """A SQLAlchemy engine on the test's database."""
    engine = sa.create_engine("postgresql+psycopg://", connect_args=conninfo_to_dict(database_url))
    yield engine
    engine.dispose()


@pytest.fixture(params=["asyncpg", "psycopg"])
async def async_engine(request: pytest.FixtureRequest, database_url: str) -> AsyncIterator[AsyncEngine]:
    """An async engine on it, on either driver."""
    arguments = asyncpg_arguments(database_url) if request.param == "asyncpg" else conninfo_to_dict(database_url)
    engine = create_async_engine(f"postgresql+{request.param}://", connect_args=arguments)
    yield engine
    await engine.dispose()


def test_options_of_an_engine_or_connection_change_nothing(welcome: Task[[int], str], engine: sa.Engine, look: Look) -> None:
    for number, options in enumerate(OPTIONS, 1):
        changed = engine.execution_options(**options)
        with changed.begin() as connection:
            forms.enqueue(welcome, connection)
        with engine.connect().execution_options(**options) as connection:
            forms.enqueue(welcome, connection)
            connection.commit()
        assert look.live() == number * 2 * forms.ADDED, options


def test_options_of_a_session_s_engine_or_connection_change_nothing(
    welcome: Task[[int], str], engine: sa.Engine, look: Look
) -> None:
    for number, options in enumerate(OPTIONS, 1):
        with sessionmaker(engine.execution_options(**options)).begin() as session:
            forms.enqueue(welcome, session)
        with sessionmaker(engine).begin() as session:
            session.connection(execution_options=options)
            forms.enqueue(welcome, session)
        assert look.live() == number * 2 * forms.ADDED, options


async def test_options_change_nothing_in_async_code(welcome: Task[[int], str], async_engine: AsyncEngine, look: Look) -> None:
    for number, options in enumerate(OPTIONS, 1):
        async with async_engine.execution_options(**options).begin() as connection:
            await forms.aenqueue(welcome, connection)
        async with AsyncSession(async_engine) as session, session.begin():
            await session.connection(execution_options=options)
            await forms.aenqueue(welcome, session)
        assert look.live() == number * 2 * forms.ADDED, options


def test_options_that_a_session_has_change_nothing(welcome: Task[[int], str], engine: sa.Engine, look: Look) -> None:
    try:
        session = Session(engine, execution_options={"yield_per": 1})
    except TypeError:
        pytest.skip("this SQLAlchemy has no options of sessions")
    with session, session.begin():
        forms.enqueue(welcome, session)
    assert look.live() == forms.ADDED


def test_no_cursor_is_declared_for_our_statement_and_the_application_s_are_still_streamed(
    welcome: Task[[int], str], engine: sa.Engine
) -> None:
    with engine.connect().execution_options(stream_results=True) as connection:
        declared: list[bool] = []
        sa.event.listen(connection, "after_cursor_execute", lambda *given: declared.append(given[4]._is_server_side))
        welcome.using(connection=connection).enqueue(1)
        assert connection.execute(sa.text("select 1")).all() == [(1,)]
    assert declared == [False, True]
