"""The helpers work on every kind of connection that an application may have."""

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from django.db import connections, transaction
from sqlalchemy.orm import Session

from pgqueue import JobContext, PgQueue, Task
from pgqueue.errors import WrongConnection
from pgqueue.testing import (
    Ran,
    aassert_enqueued,
    adrain,
    arefute_enqueued,
    arun_job,
    assert_enqueued,
    atravel,
    drain,
    joined,
    refute_enqueued,
    run_job,
    travel,
)
from tests.client import kinds, kinds_asyncpg_django, kinds_sqlalchemy
from tests.client.kinds import AsyncKind, Kind
from tests.client.test_connection_kinds import KINDS
from tests.looking import Look

ASYNCPG: tuple[type[Kind], ...] = (kinds_asyncpg_django.Asyncpg,)


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
def kind(request: pytest.FixtureRequest, database_url: str) -> Iterator[Kind]:
    """A connection in a transaction, pgqueue not on its search_path."""
    kind: Kind = request.param(database_url)
    yield kind
    kind.rollback()
    kind.close()


@pytest.fixture
def welcome(app: PgQueue) -> Task[[int], str]:
    """A task that is not async."""

    @app.task
    def welcome(user_id: int) -> str:
        return f"hello {user_id}"

    return welcome


@pytest.fixture
def awelcome(app: PgQueue) -> Task[[int], str]:
    """A task that is async, and tells what it does."""

    @app.task
    async def awelcome(ctx: JobContext, user_id: int) -> str:
        await ctx.aprogress(1)
        return f"hello {user_id}"

    return awelcome


def _drain(kind: Kind, app: PgQueue, **options: Any) -> list[Ran]:
    if isinstance(kind, AsyncKind):
        return kind.wait(adrain(app, kind.given, **options))
    return drain(app, kind.given, **options)


def test_drain_runs_the_jobs_and_commits_nothing(
    app: PgQueue, kind: Kind, welcome: Task[[int], str], awelcome: Task[[int], str], look: Look
) -> None:
    others = welcome.enqueue(0)
    kind.enqueue(welcome, 1)
    kind.enqueue(awelcome, 2)
    assert [(ran.state, ran.result) for ran in _drain(kind, app)] == [("succeeded", "hello 1"), ("succeeded", "hello 2")]
    assert [row["id"] for row in look.rows("select id from jobs")] == [others.id]


def test_a_handler_that_fails_leaves_the_transaction_usable(app: PgQueue, kind: Kind) -> None:
    @app.task(retry=0)
    async def fail(number: int) -> str:
        await app.async_database.run(_no_such_table())
        return "not reached"

    kind.enqueue(fail, 1)
    (ran,) = _drain(kind, app)
    assert ran.state == "failed"
    assert "no_such_table" in str(ran.error)
    assert kind.execute("select 1") == [(1,)]


def _no_such_table() -> Any:
    from pgqueue.database import Call

    return Call("select * from {schema}.no_such_table", (), list)


def test_travel_makes_scheduled_jobs_due(app: PgQueue, kind: Kind, welcome: Task[[int], str]) -> None:
    kind.enqueue(welcome.using(run_after=3600), 1)
    assert _drain(kind, app) == []
    if isinstance(kind, AsyncKind):
        assert kind.wait(atravel(app, kind.given, 3601)) == 1
    else:
        assert travel(app, kind.given, 3601) == 1
    assert [ran.result for ran in _drain(kind, app)] == ["hello 1"]


def test_what_is_enqueued_is_seen(app: PgQueue, kind: Kind, welcome: Task[[int], str]) -> None:
    job = kind.enqueue(welcome.using(run_after=60, meta={"a": [1]}), 1)
    wanted: dict[str, Any] = {"user_id": 1, "run_after": 60, "meta": {"a": [1]}}
    if isinstance(kind, AsyncKind):
        (found,) = kind.wait(aassert_enqueued(welcome, kind.given, **wanted))
        kind.wait(arefute_enqueued(welcome, kind.given, user_id=2))
        with pytest.raises(AssertionError, match="user_id is 1, not 2"):
            kind.wait(aassert_enqueued(welcome, kind.given, user_id=2))
    else:
        (found,) = assert_enqueued(welcome, kind.given, **wanted)
        refute_enqueued(welcome, kind.given, user_id=2)
        with pytest.raises(AssertionError, match="user_id is 1, not 2"):
            assert_enqueued(welcome, kind.given, user_id=2)
    assert found.id == job.id


def test_run_job_on_a_connection_gives_the_context_a_transaction_where_psycopg_is_the_driver(
    app: PgQueue, kind: Kind, look: Look
) -> None:
    kind.execute("create table note (id int)")

    @app.task
    async def awrite(ctx: JobContext, number: int) -> None:
        async with ctx.transaction() as tx:
            await tx.connection.execute("insert into note values (%s)", (number,))
            tx.result = number

    @app.task
    def write(ctx: JobContext, number: int) -> None:
        with ctx.transaction() as tx:
            tx.connection.execute("insert into note values (%s)", (number,))
            tx.result = number

    def run() -> Any:
        if isinstance(kind, AsyncKind):
            return kind.wait(arun_job(awrite, 5, connection=kind.given))
        return run_job(write, 5, connection=kind.given)

    if kind.prepares:  # asyncpg
        with pytest.raises(WrongConnection, match=r"gives a psycopg AsyncConnection; this one runs on a asyncpg\."):
            run()
    else:
        assert run() == 5
        assert kind.execute("select id from note") == [(5,)]
    assert look.value("select to_regclass('public.note')") is None
    assert look.rows("select id from jobs") == []


def test_everything_of_an_app_can_join_a_connection(app: PgQueue, kind: Kind, welcome: Task[[int], str], look: Look) -> None:
    async def in_async_code() -> str:
        with joined(app, kind.given):
            job = await welcome.aenqueue(1)
            await adrain(app, kind.given)
            return await job.aresult(timeout=0)

    if isinstance(kind, AsyncKind):
        assert kind.wait(in_async_code()) == "hello 1"
    else:
        with joined(app, kind.given):
            job = welcome.enqueue(1)
            drain(app, kind.given)
            assert job.result(timeout=0) == "hello 1"
    assert look.rows("select id from jobs") == []


def test_handlers_in_threads_reach_an_async_connection(app: PgQueue, database_url: str, look: Look) -> None:
    kind = kinds.AsyncPsycopg(database_url)

    @app.task
    def leaf() -> None: ...

    @app.task
    def root(ctx: JobContext, number: int) -> None:
        ctx.progress(1)
        leaf.enqueue()
        with pytest.raises(WrongConnection, match="use drain"), ctx.transaction():
            pass

    kind.enqueue(root, 1)  # type: ignore[arg-type]
    assert [(ran.task, ran.state) for ran in _drain(kind, app)] == [("root", "succeeded"), ("leaf", "succeeded")]
    assert look.rows("select id from jobs") == []
    kind.close()


def test_django_s_atomic_as_test_case_nests_it(app: PgQueue, database_url: str, welcome: Task[[int], str], look: Look) -> None:
    """TestCase opens one block per class and one per test, and rolls both back."""
    kinds_asyncpg_django.configure(database_url)
    connection = connections["default"]
    with transaction.atomic():
        welcome.using(connection=connection).enqueue(1)  # setUpTestData
        with transaction.atomic():
            with transaction.atomic():
                welcome.using(connection=connection).enqueue(2)
            assert [ran.result for ran in drain(app, connection)] == ["hello 1", "hello 2"]
            transaction.set_rollback(True)
        assert_enqueued(welcome, connection, count=1, user_id=1, state="ready")
        transaction.set_rollback(True)
    assert look.rows("select id from jobs") == []
    connection.close()
    del connections["default"]


def test_a_session_that_joins_the_transaction_of_the_test(
    app: PgQueue, database_url: str, welcome: Task[[int], str], look: Look
) -> None:
    """As SQLAlchemy's own recipe has it: the code under test commits, which releases a savepoint."""
    alchemy = kinds_sqlalchemy.Alchemy(database_url)
    with alchemy.engine.connect() as outer, outer.begin() as around:
        session = Session(bind=outer, join_transaction_mode="create_savepoint")

        @app.task
        def write(number: int) -> None:
            session.execute(sa.text("create table note (id int)"))
            session.commit()

        welcome.using(connection=session).enqueue(1)
        session.commit()
        write.using(connection=session).enqueue(2)
        session.commit()
        assert [ran.state for ran in drain(app, session)] == ["succeeded", "succeeded"]
        session.commit()
        assert_enqueued(welcome, session, state="succeeded")
        session.close()
        around.rollback()
    assert look.rows("select id from jobs") == []
    assert look.value("select to_regclass('public.note')") is None
    alchemy.close()
