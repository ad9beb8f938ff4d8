"""connection=: the job is part of the caller's transaction, and their connection stays as it was."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import psycopg
import pytest
from psycopg import AsyncConnection, Connection
from psycopg.rows import dict_row, namedtuple_row

from pgqueue import PgQueue, Task
from pgqueue.errors import InvalidArgument, WrongConnection
from tests.looking import Look
from tests.waiting import until


@pytest.fixture
def theirs(database_url: str, look: Look) -> Iterator[Connection[Any]]:
    """A connection as an application has it: not in autocommit mode, pgqueue not on its search_path."""
    look.value("create table public.customer (id int primary key)")
    with psycopg.connect(database_url) as connection:
        yield connection
        connection.rollback()


@pytest.fixture
async def theirs_async(database_url: str, look: Look) -> AsyncIterator[AsyncConnection[Any]]:
    """The same for async code."""
    look.value("create table public.customer (id int primary key)")
    async with await AsyncConnection.connect(database_url) as connection:
        yield connection
        await connection.rollback()


def _customers(look: Look) -> int:
    return int(look.value("select count(*) from public.customer"))


def test_a_commit_shows_the_job_together_with_the_user_s_row(
    welcome: Task[[int], str], theirs: Connection[Any], look: Look
) -> None:
    theirs.execute("insert into customer values (1)")
    job = welcome.using(connection=theirs).enqueue(1)
    welcome.using(connection=theirs).enqueue_many([(1,), (2,)])
    assert (_customers(look), look.live()) == (0, 0)
    theirs.commit()
    assert (_customers(look), look.live()) == (1, 3)
    assert job.status == "ready"


def test_a_rollback_leaves_nothing(welcome: Task[[int], str], theirs: Connection[Any], look: Look) -> None:
    theirs.execute("insert into customer values (1)")
    welcome.using(connection=theirs).enqueue(1)
    welcome.using(connection=theirs).enqueue_many([(1,), (2,)])
    theirs.rollback()
    assert (_customers(look), look.live()) == (0, 0)


def test_a_rollback_to_a_savepoint_leaves_what_was_before_it(
    welcome: Task[[int], str], theirs: Connection[Any], look: Look
) -> None:
    kept = welcome.using(connection=theirs).enqueue(1)
    with theirs.transaction():
        welcome.using(connection=theirs).enqueue(2)
        raise psycopg.Rollback
    theirs.commit()
    assert [row["id"] for row in look.rows("select id from job")] == [kept.id]


def test_a_refused_call_leaves_it_to_the_caller_what_becomes_of_the_transaction(
    welcome: Task[[int], str], theirs: Connection[Any], look: Look
) -> None:
    theirs.execute("insert into customer values (1)")
    with pytest.raises(InvalidArgument), theirs.transaction():
        welcome.using(connection=theirs, priority=1000).enqueue(1)
    theirs.commit()
    assert (_customers(look), look.live()) == (1, 0)


async def test_an_async_commit_shows_the_job_together_with_the_user_s_row(
    async_app: PgQueue, welcome: Task[[int], str], theirs_async: AsyncConnection[Any], look: Look
) -> None:
    await theirs_async.execute("insert into customer values (1)")
    await welcome.using(connection=theirs_async).aenqueue(1)
    await welcome.using(connection=theirs_async).aenqueue_many([(1,), (2,)])
    assert (_customers(look), look.live()) == (0, 0)
    await theirs_async.commit()
    assert (_customers(look), look.live()) == (1, 3)


async def test_an_async_rollback_leaves_nothing(
    async_app: PgQueue, welcome: Task[[int], str], theirs_async: AsyncConnection[Any], look: Look
) -> None:
    await theirs_async.execute("insert into customer values (1)")
    await welcome.using(connection=theirs_async).aenqueue(1)
    await theirs_async.rollback()
    assert (_customers(look), look.live()) == (0, 0)


@pytest.mark.parametrize("row_factory", [dict_row, namedtuple_row])
def test_any_row_factory_will_do(welcome: Task[[int], str], theirs: Connection[Any], look: Look, row_factory: Any) -> None:
    theirs.row_factory = row_factory
    single = welcome.using(connection=theirs).enqueue(1)
    many = welcome.using(connection=theirs).enqueue_many([(1,), (2,)])
    theirs.commit()
    assert [job.id for job in (single, *many)] == [row["id"] for row in look.rows("select id from job order by id")]
    assert theirs.row_factory is row_factory


async def test_any_row_factory_will_do_in_async_code(
    async_app: PgQueue, welcome: Task[[int], str], theirs_async: AsyncConnection[Any], look: Look
) -> None:
    theirs_async.row_factory = dict_row
    job = await welcome.using(connection=theirs_async).aenqueue(1)
    await theirs_async.commit()
    assert look.state(job.id) == "ready"


def test_the_settings_of_the_connection_stay_as_they_were(welcome: Task[[int], str], theirs: Connection[Any]) -> None:
    def settings() -> dict[str, Any]:
        rows = theirs.execute("select name, setting from pg_settings where name not like 'plpgsql.%'").fetchall()
        prepared = theirs.execute("select count(*) from pg_prepared_statements").fetchone()
        ours = {name: getattr(theirs, name) for name in ("autocommit", "prepare_threshold", "row_factory", "cursor_factory")}
        return {**dict(rows), **ours, "prepared": prepared}

    before = settings()
    for _ in range(10):
        welcome.using(connection=theirs).enqueue(1)
    assert settings() == before
    assert theirs.execute("select '[1]'::jsonb").fetchone() == ([1],)  # decoded as they decode


def test_a_connection_in_autocommit_mode_commits_at_once(welcome: Task[[int], str], theirs: Connection[Any], look: Look) -> None:
    theirs.autocommit = True
    welcome.using(connection=theirs).enqueue(1)
    assert look.live() == 1


def test_a_wrong_kind_of_connection_is_refused(welcome: Task[[int], str], look: Look) -> None:
    with pytest.raises(WrongConnection, match=r"connection: a builtins.str is not valid; enqueue takes a psycopg Connection"):
        welcome.using(connection="postgresql://").enqueue(1)
    assert issubclass(WrongConnection, TypeError)
    assert look.live() == 0


async def test_sync_calls_refuse_async_connections_and_the_other_way_round(
    async_app: PgQueue, welcome: Task[[int], str], theirs_async: AsyncConnection[Any], connection: Connection[Any]
) -> None:
    with pytest.raises(WrongConnection, match="enqueue takes a psycopg Connection"):
        welcome.using(connection=theirs_async).enqueue(1)
    with pytest.raises(WrongConnection, match="aenqueue takes a psycopg AsyncConnection"):
        await welcome.using(connection=connection).aenqueue(1)


def test_an_enqueue_on_a_caller_s_connection_opens_no_pool(
    welcome: Task[[int], str], theirs: Connection[Any], look: Look
) -> None:
    welcome.using(connection=theirs).enqueue(1)
    theirs.commit()
    query = "select count(*) from pg_stat_activity where application_name = 'pgqueue' and datname = current_database()"
    assert look.value(query) == 0


def test_a_rolled_back_enqueue_wakes_nobody_and_a_committed_one_does(
    app: PgQueue, welcome: Task[[int], str], theirs: Connection[Any], look: Look
) -> None:
    """FAULTS 25."""
    channel = look.value("select channel()")
    look.connection.execute(f'listen "{channel}"')
    welcome.using(connection=theirs).enqueue(1)
    theirs.rollback()
    welcome.using(connection=theirs, queue="mail").enqueue(1)
    theirs.commit()

    heard = until(lambda: list(look.connection.notifies(timeout=0.1, stop_after=1)), "a wake-up")
    assert [notification.payload for notification in heard] == ["mail"]
    assert look.live() == 1
