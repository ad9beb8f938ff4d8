"""connection=: what is special to one library; what they have in common is in test_connection_kinds.py."""

import asyncio
from collections.abc import Iterator
from typing import Any

import asyncpg
import psycopg
import pytest
import sqlalchemy as sa
from psycopg import AsyncConnection, Connection
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import dict_row, namedtuple_row
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from pgqueue import PgQueue, Retry, Task
from pgqueue.database.translate import is_answer, translate
from pgqueue.errors import InvalidArgument, NotMigrated
from tests.looking import Look

from .kinds import asyncpg_arguments


@pytest.fixture
def theirs(database_url: str) -> Iterator[Connection[Any]]:
    """A connection as an application has it: not in autocommit mode, pgqueue not on its search_path."""
    with psycopg.connect(database_url) as connection:
        yield connection
        connection.rollback()


@pytest.fixture
def engine(database_url: str) -> Iterator[sa.Engine]:
    """A SQLAlchemy engine on the test's database."""
    engine = sa.create_engine("postgresql+psycopg://", connect_args=conninfo_to_dict(database_url))
    yield engine
    engine.dispose()


@pytest.mark.parametrize("row_factory", [dict_row, namedtuple_row])
def test_any_row_factory_will_do(welcome: Task[[int], str], theirs: Connection[Any], look: Look, row_factory: Any) -> None:
    theirs.row_factory = row_factory
    single = welcome.using(connection=theirs).enqueue(1)
    many = welcome.using(connection=theirs).enqueue_many([(1,), (2,)])
    theirs.commit()
    assert [job.id for job in (single, *many)] == [row["id"] for row in look.rows("select id from job order by id")]
    assert theirs.row_factory is row_factory


async def test_any_row_factory_will_do_in_async_code(welcome: Task[[int], str], database_url: str, look: Look) -> None:
    async with await AsyncConnection.connect(database_url) as theirs:
        theirs.row_factory = dict_row  # type: ignore[assignment]
        job = await welcome.using(connection=theirs).aenqueue(1)
    assert look.state(job.id) == "ready"


def test_psycopg_neither_prepares_our_statements_nor_decodes_json_as_we_do(
    welcome: Task[[int], str], theirs: Connection[Any]
) -> None:
    psycopg.types.json.set_json_loads(lambda _: "theirs", theirs)
    for _ in range(10):
        welcome.using(connection=theirs).enqueue(1)
    assert theirs.execute("select count(*), '[1]'::jsonb from pg_prepared_statements").fetchone() == (0, "theirs")


def test_a_connection_in_autocommit_mode_commits_at_once(welcome: Task[[int], str], theirs: Connection[Any], look: Look) -> None:
    theirs.autocommit = True
    welcome.using(connection=theirs).enqueue(1)
    assert look.live() == 1


def test_a_sqlalchemy_connection_in_autocommit_mode_commits_at_once(
    welcome: Task[[int], str], engine: sa.Engine, look: Look
) -> None:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as theirs:
        welcome.using(connection=theirs).enqueue(1)
        assert look.live() == 1


def test_an_enqueue_flushes_no_object_of_the_session(welcome: Task[[int], str], engine: sa.Engine, look: Look) -> None:
    class Base(DeclarativeBase):
        """Mapped classes of this test."""

    class Customer(Base):
        """A table of the application's."""

        __tablename__ = "customer"
        id: Mapped[int] = mapped_column(primary_key=True)

    look.value("create table public.customer (id int primary key)")
    with Session(engine) as session, session.begin():
        session.add(customer := Customer(id=1))
        welcome.using(connection=session).enqueue(1)
        assert customer in session.new
    assert (look.value("select count(*) from public.customer"), look.live()) == (1, 1)


async def test_sync_code_inside_an_async_session_enqueues_with_the_sync_session(
    welcome: Task[[int], str], database_url: str, look: Look
) -> None:
    engine = create_async_engine("postgresql+asyncpg://", connect_args=asyncpg_arguments(database_url))
    async with AsyncSession(engine) as session, session.begin():
        job = await session.run_sync(lambda sync: welcome.using(connection=sync).enqueue(1))
    await engine.dispose()
    assert look.state(job.id) == "ready"


async def test_asyncpg_connections_keep_their_codecs_and_need_no_statement_cache(
    welcome: Task[[int], str], database_url: str, look: Look
) -> None:
    theirs = await asyncpg.connect(**asyncpg_arguments(database_url), statement_cache_size=0)
    for type in ("jsonb", "timestamptz", "interval"):
        await theirs.set_type_codec(type, encoder=lambda _: "theirs", decoder=lambda _: "theirs", schema="pg_catalog")
    job = await welcome.using(connection=theirs, meta=[1], run_after=60, retry=Retry(2, "fixed")).aenqueue(7)
    row = await theirs.fetchrow("select '[1]'::jsonb as json, (select count(*) from pg_prepared_statements) as prepared")
    await theirs.close()
    assert look.job(job.id)["args"] == {"user_id": 7}
    assert row["json"] == "theirs"
    assert row["prepared"] <= 1  # this very query


async def test_a_cancelled_enqueue_is_cancelled(app: PgQueue, welcome: Task[[int], str], database_url: str, look: Look) -> None:
    look.connection.execute("begin; lock table pgqueue.job")
    theirs = await asyncpg.connect(**asyncpg_arguments(database_url))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await welcome.using(connection=theirs).aenqueue(1)
    assert await theirs.fetchval("select 1") == 1  # so the server has heard of it
    look.connection.execute("rollback")
    assert await theirs.fetchval("select count(*) from pgqueue.job") == 0
    await theirs.close()


class _Psycopg2Error(Exception):
    """As psycopg2 has it."""

    pgcode = "PQ001"

    class diag:
        """As psycopg2 has it."""

        message_primary = "queue: no"
        message_detail = None


def test_errors_of_drivers_that_sqlalchemy_may_use_are_ours_too() -> None:
    pg8000 = Exception({"S": "ERROR", "C": "42883", "M": "function pgqueue.x does not exist"})
    for driver, ours, text in (
        (_Psycopg2Error(), InvalidArgument, "queue: no"),
        (pg8000, NotMigrated, "function pgqueue.x does not"),
    ):
        wrapped = sa.exc.DBAPIError.instance("select 1", None, driver, Exception)
        error = translate(wrapped, "pgqueue")
        assert type(error) is ours
        assert text in str(error)


@pytest.mark.parametrize(
    ("error", "has_answered"),
    [
        (psycopg.errors.UniqueViolation(), True),
        (psycopg.errors.QueryCanceled(), True),  # of a COMMIT too: it is rolled back
        (sa.exc.IntegrityError("", None, psycopg.errors.SerializationFailure()), True),
        (psycopg.errors.AdminShutdown(), False),  # a COMMIT may have been made before it
        (psycopg.errors.ConnectionFailure(), False),
        (asyncpg.ConnectionDoesNotExistError("closed"), False),
        (sa.exc.OperationalError("", None, psycopg.OperationalError("the connection is lost")), False),
        (TimeoutError(), False),
    ],
)
def test_an_error_of_the_connection_does_not_tell_what_the_server_has_done(error: Exception, has_answered: bool) -> None:
    assert is_answer(error) == has_answered


def test_an_error_that_is_its_own_cause_is_none_of_ours() -> None:
    first, second = ValueError(), ValueError()
    first.__cause__, second.__cause__ = second, first
    assert translate(first, "pgqueue") is first
