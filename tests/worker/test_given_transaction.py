"""ctx.transaction(connection): the end of a job in a transaction of the application, whichever library it is written with."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session, sessionmaker

from pgqueue import JobContext, PgQueue
from pgqueue.errors import OutsideWorker, PgQueueError, WrongConnection
from tests.looking import Look
from tests.worker.blocks import STEAL, Register, error_of, set_result, stale_outcome, written_by
from tests.worker.conftest import burst, working
from tests.worker.givens import ASYNC, INSERT, SYNC, Async, Sync, async_engine, engine

pytestmark = pytest.mark.usefixtures("written")
KINDS: dict[str, Async | Sync] = {f"async {name}": kind for name, kind in ASYNC.items()} | {
    f"thread {name}": kind for name, kind in SYNC.items()
}


def register(app: PgQueue, url: str, kind: Async | Sync, inside: Callable[..., Any], **options: Any) -> Any:
    """A task whose handler opens a connection of this kind, writes, and runs `inside` in the block."""
    opened: Any = kind.open  # of the one form or of the other

    async def in_loop(ctx: JobContext) -> None:
        async with opened(url) as given, ctx.transaction(given) as tx:
            await kind.execute(tx.connection, INSERT.format(ctx.id))
            await asyncio.to_thread(inside, ctx, tx)

    def in_thread(ctx: JobContext) -> None:
        with opened(url) as given, ctx.transaction(given) as tx:
            kind.execute(tx.connection, INSERT.format(ctx.id))
            inside(ctx, tx)

    return app.task(**{"name": "handler", "retry": 0, **options})(in_loop if isinstance(kind, Async) else in_thread)


@pytest.fixture(params=list(KINDS.values()), ids=list(KINDS))
def given_handler(request: pytest.FixtureRequest, database_url: str) -> Register:
    """Makes a task whose block is on each kind of connection."""
    return lambda app, inside: register(app, database_url, request.param, inside)


async def test_the_writes_of_the_application_and_the_end_of_the_job_commit_together(
    async_app: PgQueue, look: Look, given_handler: Register
) -> None:
    seen: list[Any] = []

    def inside(ctx: JobContext, tx: Any) -> None:
        set_result(ctx, tx)
        seen.append((look.state(ctx.id), written_by(look)))

    job = given_handler(async_app, inside).enqueue()
    worker = await burst(async_app)
    assert seen == [("running", [])]
    assert (look.state(job.id), written_by(look)) == ("succeeded", [job.id])
    assert await job.aresult(timeout=0) == {"by": job.id}
    assert worker._parts.finisher.counts == {"succeeded": 1}


async def test_an_exception_takes_back_what_the_application_wrote(
    async_app: PgQueue, look: Look, given_handler: Register
) -> None:
    def inside(ctx: JobContext, tx: Any) -> None:
        raise ValueError("no")

    job = given_handler(async_app, inside).enqueue()
    await burst(async_app)
    assert (written_by(look), look.state(job.id), error_of(look, job.id)) == ([], "failed", "ValueError")


async def test_what_was_written_for_a_job_that_is_lost_is_rolled_back(
    async_app: PgQueue, look: Look, given_handler: Register
) -> None:
    given_handler(async_app, lambda ctx, tx: look.rows(STEAL + " returning id")).enqueue()
    async with working(async_app) as worker:
        await stale_outcome(worker)
    assert written_by(look) == []


async def test_a_refused_commit_is_the_failure_of_the_attempt(async_app: PgQueue, look: Look, given_handler: Register) -> None:
    look.rows("alter table public.written add unique (job_id) deferrable initially deferred")
    look.rows("insert into public.written (job_id) select generate_series(1, 9)")
    job = given_handler(async_app, set_result).enqueue()
    await burst(async_app)
    assert (look.state(job.id), len(written_by(look))) == ("failed", 9)
    assert error_of(look, job.id).rpartition(".")[2] in ("UniqueViolation", "UniqueViolationError", "IntegrityError")


@pytest.mark.parametrize("end", ["commit", "rollback"])
@pytest.mark.parametrize("kind", [ASYNC["AsyncSession on asyncpg"], SYNC["Session"]], ids=["async", "thread"])
async def test_a_transaction_that_the_handler_ends_itself_completes_nothing(
    async_app: PgQueue, look: Look, database_url: str, kind: Async | Sync, end: str
) -> None:
    @async_app.task(retry=0)
    async def ends_it(ctx: JobContext) -> None:
        async with AsyncSession(async_engine(database_url)) as session, ctx.transaction(session):
            await getattr(session, end)()

    @async_app.task(retry=0)
    def ends_it_in_a_thread(ctx: JobContext) -> None:
        with Session(engine(database_url)) as session, ctx.transaction(session):
            getattr(session, end)()

    job = (ends_it if isinstance(kind, Async) else ends_it_in_a_thread).enqueue()
    await burst(async_app)
    assert look.state(job.id) == "failed"
    assert "was ended inside ctx.transaction()" in look.value("select error_message from dead_letters where id = %s", job.id)


async def test_a_session_in_autocommit_mode_completes_nothing(async_app: PgQueue, look: Look, database_url: str) -> None:
    @async_app.task(retry=0)
    def with_autocommit(ctx: JobContext) -> None:
        with Session(engine(database_url, isolation_level="AUTOCOMMIT")) as session, ctx.transaction(session):
            pass

    job = with_autocommit.enqueue()
    await burst(async_app)
    assert look.state(job.id) == "failed"
    assert "turn autocommit off" in look.value("select error_message from dead_letters where id = %s", job.id)


@pytest.mark.parametrize("name", ["psycopg", "asyncpg"])
async def test_a_connection_in_a_transaction_is_refused(async_app: PgQueue, look: Look, database_url: str, name: str) -> None:
    refused: list[Exception] = []

    @async_app.task(retry=0)
    async def nested(ctx: JobContext) -> None:
        async with ASYNC[name].open(database_url) as connection, connection.transaction():
            with pytest.raises(WrongConnection, match="begin it by the block") as error:
                async with ctx.transaction(connection):
                    raise AssertionError
            refused.append(error.value)
        assert not ctx.is_in_block

    job = nested.enqueue()
    await burst(async_app)
    assert (look.state(job.id), len(refused)) == ("succeeded", 1)


async def test_atomic_around_the_block_is_refused(async_app: PgQueue, look: Look, database_url: str) -> None:
    from django.db import transaction

    @async_app.task(retry=0)
    def nested(ctx: JobContext) -> None:
        refused = pytest.raises(WrongConnection, match=r"no block or atomic\(\) around")
        with SYNC["Django"].open(database_url) as connection, transaction.atomic(), refused, ctx.transaction(connection):
            raise AssertionError

    job = nested.enqueue()
    await burst(async_app)
    assert look.state(job.id) == "succeeded"


async def test_what_a_session_did_before_the_block_is_part_of_it(async_app: PgQueue, look: Look, database_url: str) -> None:
    @async_app.task(retry=0)
    async def around(ctx: JobContext, ends_well: bool) -> None:
        async with AsyncSession(async_engine(database_url)) as session, session.begin():
            await session.execute(sa.text(INSERT.format(ctx.id)))
            async with ctx.transaction(session):
                if not ends_well:
                    raise ValueError

    well, badly = around.enqueue(True), around.enqueue(False)
    await burst(async_app)
    assert (look.state(well.id), look.state(badly.id), written_by(look)) == ("succeeded", "failed", [well.id])


async def test_a_session_is_flushed_before_the_job_is_locked(async_app: PgQueue, look: Look, database_url: str) -> None:
    """A flush may wait for rows of the application, and nobody shall wait for a job meanwhile."""
    locked: list[int] = []

    @async_app.task(retry=0)
    def flushes(ctx: JobContext) -> None:
        with Session(engine(database_url)) as session, ctx.transaction(session):
            session.flush = lambda objects=None: locked.append(  # type: ignore[method-assign]
                look.value("select count(*) from (select from job where id = %s for update nowait) j", ctx.id)
            )

    flushes.enqueue()
    await burst(async_app)
    assert locked[0] == 1


async def test_a_flush_that_waits_ends_with_the_timeout_of_the_job(async_app: PgQueue, look: Look, database_url: str) -> None:
    @async_app.task(retry=0, timeout=0.3)
    async def flushes(ctx: JobContext) -> None:
        async with AsyncSession(async_engine(database_url)) as session, ctx.transaction(session):
            session.flush = lambda objects=None: asyncio.sleep(4)  # type: ignore[method-assign]

    job = flushes.enqueue()
    began = time.monotonic()
    await burst(async_app)
    assert look.rows("select state, reason from jobs where id = %s", job.id) == [{"state": "failed", "reason": "timeout"}]
    assert time.monotonic() - began < 3


@pytest.mark.parametrize("is_async", [True, False], ids=["async", "thread"])
async def test_a_commit_that_the_application_refuses_itself_is_a_rollback_at_once(
    async_app: PgQueue, look: Look, database_url: str, monkeypatch: pytest.MonkeyPatch, is_async: bool
) -> None:
    """The transaction, and our lock on the job in it, would last until the session is closed."""
    monkeypatch.setattr("pgqueue.transaction.ending.ASK_WITHIN", 1.0)

    @sa.event.listens_for(kept := sessionmaker(), "before_commit")
    def refuse(session: Session) -> None:
        raise ValueError("not today")

    @async_app.task(retry=0)
    async def refused(ctx: JobContext) -> None:
        async with AsyncSession(async_engine(database_url), sync_session_class=kept.class_) as session, ctx.transaction(session):
            await session.execute(sa.text(INSERT.format(ctx.id)))

    @async_app.task(retry=0)
    def refused_in_a_thread(ctx: JobContext) -> None:
        with kept(bind=engine(database_url)) as session, ctx.transaction(session):
            session.execute(sa.text(INSERT.format(ctx.id)))

    job = (refused if is_async else refused_in_a_thread).enqueue()
    await burst(async_app)
    assert (look.state(job.id), written_by(look)) == ("failed", [])
    assert "nothing was committed" in look.value("select error_message from dead_letters where id = %s", job.id)


@pytest.mark.parametrize("has_committed", [True, False])
async def test_after_an_unanswered_commit_the_database_says_what_became_of_it(
    async_app: PgQueue, look: Look, database_url: str, monkeypatch: pytest.MonkeyPatch, has_committed: bool
) -> None:
    commit = Session.commit

    def break_off(session: Session) -> None:
        if has_committed:
            commit(session)
        session.invalidate()
        raise sa.exc.OperationalError("COMMIT", None, psycopg.OperationalError("the connection is lost"))

    @async_app.task(retry=0)
    def breaks(ctx: JobContext) -> None:
        with Session(engine(database_url)) as session, ctx.transaction(session) as tx:
            session.execute(sa.text(INSERT.format(ctx.id)))
            tx.result = "committed"

    monkeypatch.setattr(Session, "commit", break_off)
    job = breaks.enqueue()
    worker = await burst(async_app)
    expected = ("succeeded", [job.id]) if has_committed else ("failed", [])
    assert (look.state(job.id), written_by(look)) == expected
    assert worker._parts.finisher.counts["succeeded"] == has_committed
    if not has_committed:
        assert error_of(look, job.id).endswith("Disconnected")


async def test_steps_and_children_in_the_block_vanish_with_it(async_app: PgQueue, look: Look, database_url: str) -> None:
    @async_app.task(retry=0)
    async def child() -> None: ...

    @async_app.task(retry=0)
    async def parent(ctx: JobContext, ends_well: bool) -> None:
        async with AsyncSession(async_engine(database_url)) as session, ctx.transaction(session):
            await child.using(connection=session).aenqueue()
            await ctx.step("once", int)
            if not ends_well:
                raise ValueError

    parent.enqueue(False)
    await burst(async_app)
    assert look.rows("select id from jobs where task = 'child'") == []
    job = parent.enqueue(True)
    await burst(async_app)
    assert look.state(job.id) == "succeeded"
    assert len(look.rows("select id from jobs where task = 'child'")) == 1


async def test_only_a_connection_for_this_kind_of_code_is_taken(async_app: PgQueue, database_url: str) -> None:
    said: list[str] = []

    @async_app.task
    async def wrong(ctx: JobContext) -> None:
        for connection in (object(), engine(database_url), Session(engine(database_url))):
            with pytest.raises(WrongConnection) as error:
                async with ctx.transaction(connection):
                    raise AssertionError
            said.append(str(error.value))
        with pytest.raises(PgQueueError, match="in async code"), ctx.transaction(Session(engine(database_url))):
            raise AssertionError

    job = wrong.enqueue()
    await burst(async_app)
    assert (await job.arefresh()).status == "succeeded"
    assert ["not valid" in one for one in said] == [True] * 3


def test_a_context_made_by_hand_has_no_transaction_of_a_session(database_url: str) -> None:
    from tests.worker.jobs import job

    with pytest.raises(OutsideWorker):
        job().transaction(Session(engine(database_url)))
