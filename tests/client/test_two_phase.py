"""Two-phase commit: PostgreSQL does not prepare a transaction that has notified, so an enqueue in one wakes nobody."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import asyncpg
import psycopg
import pytest
import sqlalchemy as sa
from django.db import connections
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from sqlalchemy.ext import asyncio as aio
from sqlalchemy.orm import Session

from pgqueue import Task
from pgqueue.database import bridge
from pgqueue.errors import InvalidArgument
from pgqueue.migrate import migrate
from tests.looking import Look
from tests.postgres import Copies, running_server

from . import forms, kinds_asyncpg_django
from .kinds import asyncpg_arguments

ROW = "insert into public.customer values (1)"
Heard = Callable[[], list[str]]


@pytest.fixture(scope="module")
def server_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A server that prepares transactions, which takes a setting that is 0 by default."""
    with running_server(request.config.getoption("--postgres"), max_prepared_transactions="5") as url:
        yield url


@pytest.fixture(scope="module")
def template(server_url: str) -> str:
    """A database with pgqueue on that server."""
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute("create database prepared")
    migrate(make_conninfo(server_url, dbname="prepared"))
    return "prepared"


@pytest.fixture(scope="module")
def copies(server_url: str, template: str) -> Iterator[Copies]:
    """Copies of that database."""
    copies = Copies(server_url, template)
    yield copies
    copies.close()


@pytest.fixture
def loud(look: Look, heard: Heard) -> Heard:
    """Says which wake-ups there were; the application's table is there."""
    look.value("create table public.customer (id int)")
    look.connection.execute(f'listen "{look.value("select channel()")}"')
    return heard


def _xid() -> str:
    return uuid.uuid4().hex


def _assert_committed_quietly(look: Look, loud: Heard) -> None:
    assert (look.value("select count(*) from public.customer"), look.live()) == (1, forms.ADDED)
    assert loud() == []


def test_a_transaction_of_psycopg_is_prepared_and_committed(
    welcome: Task[[int], str], database_url: str, look: Look, loud: Heard
) -> None:
    with psycopg.connect(database_url) as connection:
        connection.tpc_begin(_xid())
        connection.execute(ROW)
        forms.enqueue(welcome, connection)
        connection.tpc_prepare()
        assert look.live() == 0
        connection.tpc_commit()
        _assert_committed_quietly(look, loud)
        welcome.using(connection=connection).enqueue(1)
        connection.commit()
        assert loud() == ["default"]


async def test_a_transaction_of_async_psycopg_is_prepared_and_committed(
    welcome: Task[[int], str], database_url: str, look: Look, loud: Heard
) -> None:
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        await connection.tpc_begin(_xid())
        await connection.execute(ROW)
        await forms.aenqueue(welcome, connection)
        await connection.tpc_prepare()
        await connection.tpc_commit()
        _assert_committed_quietly(look, loud)
        await welcome.using(connection=connection).aenqueue(1)
    assert loud() == ["default"]


@pytest.fixture
def engine(database_url: str) -> Iterator[sa.Engine]:
    """A SQLAlchemy engine on the test's database."""
    engine = sa.create_engine("postgresql+psycopg://", connect_args=conninfo_to_dict(database_url))
    yield engine
    engine.dispose()


def test_a_transaction_of_sqlalchemy_is_prepared_and_committed(
    welcome: Task[[int], str], engine: sa.Engine, look: Look, loud: Heard
) -> None:
    with engine.connect() as connection:
        transaction = connection.begin_twophase()
        connection.execute(sa.text(ROW))
        with connection.begin_nested():
            forms.enqueue(welcome, connection)
        transaction.prepare()
        transaction.commit()
        _assert_committed_quietly(look, loud)
        welcome.using(connection=connection).enqueue(1)
        connection.commit()
    assert loud() == ["default"]


def test_a_session_of_sqlalchemy_commits_in_two_phases(
    welcome: Task[[int], str], engine: sa.Engine, look: Look, loud: Heard
) -> None:
    with Session(engine, twophase=True) as session:
        forms.enqueue(welcome, session)  # the first statement of the transaction is ours
        session.execute(sa.text(ROW))
        session.commit()
    _assert_committed_quietly(look, loud)


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
async def test_an_async_session_commits_in_two_phases(
    welcome: Task[[int], str], database_url: str, look: Look, loud: Heard, driver: str
) -> None:
    arguments = asyncpg_arguments(database_url) if driver == "asyncpg" else conninfo_to_dict(database_url)
    engine = aio.create_async_engine(f"postgresql+{driver}://", connect_args=arguments)
    async with aio.AsyncSession(engine, twophase=True) as session:
        await session.execute(sa.text(ROW))
        await forms.aenqueue(welcome, session)
        await session.commit()
    await engine.dispose()
    _assert_committed_quietly(look, loud)


def test_a_transaction_of_django_s_driver_is_prepared_and_committed(
    welcome: Task[[int], str], database_url: str, look: Look, loud: Heard
) -> None:
    kinds_asyncpg_django.configure(database_url)
    theirs: Any = connections["other"]
    theirs.set_autocommit(False)
    theirs.connection.tpc_begin(_xid())
    with theirs.cursor() as cursor:
        cursor.execute(ROW)
    forms.enqueue(welcome, theirs)
    theirs.connection.tpc_prepare()
    theirs.connection.tpc_commit()
    theirs.close()
    del connections["other"]
    _assert_committed_quietly(look, loud)


async def test_a_transaction_that_is_prepared_by_hand_takes_enqueues_that_do_not_notify(
    welcome: Task[[int], str], database_url: str, look: Look, loud: Heard
) -> None:
    connection = await asyncpg.connect(**asyncpg_arguments(database_url))
    await connection.execute(f"begin; {ROW}")
    await forms.aenqueue(welcome.using(notify=False), connection)
    await connection.execute("prepare transaction 'by hand'")
    await connection.execute("commit prepared 'by hand'")
    _assert_committed_quietly(look, loud)
    await welcome.using(connection=connection).aenqueue(1)
    await connection.close()
    assert loud() == ["default"]


def test_so_does_a_transaction_with_our_setting(welcome: Task[[int], str], database_url: str, look: Look, loud: Heard) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(f"begin; set local pgqueue.notify = off; {ROW}")
        forms.enqueue(welcome, connection)
        connection.execute("prepare transaction 'by hand'")
        connection.execute("commit prepared 'by hand'")
    _assert_committed_quietly(look, loud)


def test_what_a_savepoint_takes_back_does_not_make_it_loud(
    welcome: Task[[int], str], database_url: str, look: Look, loud: Heard
) -> None:
    with psycopg.connect(database_url) as connection:
        connection.tpc_begin(_xid())
        with suppress(InvalidArgument), connection.transaction():
            welcome.using(connection=connection, priority=1000).enqueue(1)
        welcome.using(connection=connection).enqueue(1)
        connection.tpc_prepare()
        connection.tpc_commit()
    assert (look.live(), loud()) == (1, [])


def test_a_rolled_back_one_leaves_nothing(welcome: Task[[int], str], database_url: str, look: Look, loud: Heard) -> None:
    with psycopg.connect(database_url) as connection:
        connection.tpc_begin(_xid())
        forms.enqueue(welcome, connection)
        connection.tpc_prepare()
        connection.tpc_rollback()
    assert (look.live(), loud()) == (0, [])


@pytest.mark.parametrize("unseen", ["_prepares_psycopg", "_prepares_sqlalchemy"])
def test_where_it_goes_unnoticed_the_rows_are_lost(
    welcome: Task[[int], str], engine: sa.Engine, look: Look, loud: Heard, monkeypatch: pytest.MonkeyPatch, unseen: str
) -> None:
    """The other way round: PREPARE is refused, so the tests above show something."""
    monkeypatch.setattr(bridge, unseen, lambda connection: False)
    with Session(engine, twophase=True) as session, suppress(sa.exc.DBAPIError):
        session.execute(sa.text(ROW))
        welcome.using(connection=session).enqueue(1)
        session.commit()
    kept = unseen == "_prepares_psycopg"  # of no matter to SQLAlchemy
    assert (look.live(), look.value("select count(*) from public.customer")) == (kept, kept)


def test_doctor_names_a_transaction_that_is_prepared_and_left(look: Look) -> None:
    """It keeps dead rows from being removed, and no session shows it."""
    look.connection.execute("begin")
    look.connection.execute("create table public.customer (id int)")
    look.connection.execute("prepare transaction 'left'")

    (finding,) = look.rows("select subject, remedy from diagnose_horizon('0 s')")
    look.connection.execute(finding["remedy"])

    assert finding == {"subject": "prepared transaction", "remedy": "rollback prepared 'left'"}
    assert look.rows("select * from diagnose_horizon('0 s')") == []
