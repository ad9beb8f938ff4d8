"""Blocks of ctx.transaction() that lose their job, their connection or their worker, before COMMIT or in it."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from pgqueue import JobContext, PgQueue
from pgqueue._steps import Steps
from pgqueue.errors import LeaseLost
from pgqueue.transaction.block import Block
from pgqueue.transaction.services import Services
from pgqueue.worker import Worker
from pgqueue.worker.slots import Slots
from tests.faults.proxy import Cut, Proxy
from tests.looking import Look
from tests.waiting import auntil
from tests.worker.blocks import (
    BACKENDS,
    INSERT,
    STEAL,
    Register,
    error_of,
    held_commit,
    set_result,
    stale_outcome,
    written_by,
)
from tests.worker.conftest import burst, working
from tests.worker.jobs import job as made_by_hand

pytestmark = pytest.mark.usefixtures("written")


@pytest.fixture
async def behind(database_url: str, async_app: PgQueue) -> AsyncIterator[tuple[PgQueue, Proxy]]:
    """An app behind a proxy; its worker's heartbeats go directly."""
    with Proxy(database_url) as proxy:
        app = PgQueue(proxy.url, listen_url=database_url, transaction_pool_size=1)
        yield app, proxy
        app.close()
        await app.aclose()


def _at_commit(proxy: Proxy, cut: Cut, harm: Callable[[], Any] = lambda: None) -> list[str]:
    """What happens when the next block commits; what was asked of the database since."""
    asked: list[str] = []

    def decide(request: bytes) -> Cut:
        if b'"pgqueue".finished(' in request:
            asked.append("finished")
        if b"COMMIT" not in request or "COMMIT" in asked:
            return "pass"
        asked.append("COMMIT")
        harm()
        return cut

    proxy.decide = decide
    return asked


async def test_a_run_that_lost_its_job_inside_the_block_leaves_nothing(
    async_app: PgQueue, look: Look, handler: Register, caplog: pytest.LogCaptureFixture
) -> None:
    """Another has it by then: its writes and its end are the ones that count."""
    job = handler(async_app, lambda ctx, tx: look.rows(STEAL)).enqueue()
    async with working(async_app) as worker:
        await stale_outcome(worker)
        assert (written_by(look), look.state(job.id)) == ([], "running")
    assert "LeaseLost" in caplog.text


async def test_a_run_that_lost_its_lease_is_dropped_and_rolled_back_and_the_next_one_counts(
    database_url: str, look: Look
) -> None:
    app = PgQueue(database_url, lease=1)
    runs: list[str] = []

    @app.task
    async def work(ctx: JobContext) -> None:
        async with ctx.transaction() as tx:
            await tx.connection.execute(INSERT, (ctx.id,))
            runs.append(ctx.token)
            if len(runs) == 1:
                await tx.connection.execute("select pg_sleep(60)")

    job = work.enqueue()
    async with working(app) as worker:
        await auntil(lambda: runs, "the first run")
        look.rows("update worker set state = 'lost', heartbeat_at = now() - interval '1 hour'")
        await auntil(lambda: look.state(job.id) == "succeeded", "the second run")
        await auntil(lambda: worker._parts.finisher.counts["succeeded"], "its outcome")
        assert (written_by(look), len(runs)) == ([job.id], 2)
        assert worker._parts.finisher.counts == {"succeeded": 1}
    await app.aclose()


async def test_a_thread_whose_worker_lost_its_lease_cannot_commit_any_more(database_url: str, look: Look) -> None:
    """Nobody can stop it; the database refuses it."""
    app = PgQueue(database_url, lease=1)
    runs: list[str] = []
    ended: list[BaseException] = []
    second_is_done = threading.Event()

    @app.task
    def work(ctx: JobContext) -> None:
        runs.append(ctx.token)
        try:
            with ctx.transaction() as tx:
                tx.connection.execute(INSERT, (ctx.id,))
                if len(runs) == 1:
                    second_is_done.wait(30)
        except LeaseLost as error:
            ended.append(error)

    job = work.enqueue()
    async with working(app):
        await auntil(lambda: runs, "the first run")
        look.rows("update worker set state = 'lost', heartbeat_at = now() - interval '1 hour'")
        await auntil(lambda: look.state(job.id) == "succeeded", "the second run")
        second_is_done.set()
        await auntil(lambda: ended, "the end of the first run")
    assert written_by(look) == [job.id]
    await app.aclose()


async def test_a_commit_whose_answer_was_lost_is_found_out(behind: tuple[PgQueue, Proxy], look: Look, handler: Register) -> None:
    app, proxy = behind
    job = handler(app, set_result, lambda ctx: None).enqueue()
    asked = _at_commit(proxy, "after commit")
    worker = await burst(app)
    assert (look.state(job.id), written_by(look)) == ("succeeded", [job.id])
    assert look.job(job.id)["errors"] is None
    assert worker._parts.finisher.counts == {"succeeded": 1}
    assert (asked, proxy.cuts) == (["COMMIT", "finished"], 1)


async def test_a_commit_that_goes_on_without_us_is_waited_for(
    behind: tuple[PgQueue, Proxy], look: Look, handler: Register
) -> None:
    """While it does, the job looks as if it ran under our token: who took that for a rollback would report a failure."""
    app, proxy = behind
    let_go = held_commit(look)
    job = handler(app, set_result).enqueue()
    asked = _at_commit(proxy, "before reply")
    run = asyncio.create_task(burst(app))
    await auntil(lambda: asked.count("finished") > 2, "one question after the other")
    let_go()
    worker = await run
    assert (look.state(job.id), written_by(look)) == ("succeeded", [job.id])
    assert worker._parts.finisher.counts == {"succeeded": 1}


async def test_a_commit_that_never_arrived_was_a_rollback(behind: tuple[PgQueue, Proxy], look: Look, handler: Register) -> None:
    app, proxy = behind

    def kill() -> None:
        assert look.value(BACKENDS) == 1
        while look.value(BACKENDS):
            pass

    job = handler(app, set_result).enqueue()
    asked = _at_commit(proxy, "pass", kill)
    worker = await burst(app)
    assert (look.state(job.id), written_by(look)) == ("failed", [])
    assert error_of(look, job.id) == "pgqueue.errors.Disconnected"
    assert worker._parts.finisher.counts == {"failed": 1, "dead_letter": 1}
    assert asked[:2] == ["COMMIT", "finished"]


async def test_a_commit_that_never_arrived_of_a_job_that_was_lost_meanwhile(
    behind: tuple[PgQueue, Proxy], look: Look, handler: Register, caplog: pytest.LogCaptureFixture
) -> None:
    app, proxy = behind

    def kill_and_steal() -> None:
        while look.value(BACKENDS):
            pass
        look.rows(STEAL)

    handler(app, set_result).enqueue()
    _at_commit(proxy, "pass", kill_and_steal)
    async with working(app) as worker:
        await stale_outcome(worker)
        assert written_by(look) == []
    assert "LeaseLost" in caplog.text


async def test_a_connection_that_is_broken_before_the_commit_is_sent_committed_nothing(
    async_app: PgQueue, look: Look, handler: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    """psycopg leaves its transaction without an error then."""
    complete = Block._complete

    def complete_and_break(block: Block, connection: Any) -> Steps:
        completed = yield from complete(block, connection)
        connection.pgconn.finish()
        return completed

    monkeypatch.setattr(Block, "_complete", complete_and_break)
    job = handler(async_app, set_result).enqueue()
    worker = await burst(async_app)
    assert (look.state(job.id), written_by(look)) == ("failed", [])
    assert error_of(look, job.id) == "pgqueue.errors.Disconnected"
    assert worker._parts.finisher.counts == {"failed": 1, "dead_letter": 1}


async def test_a_run_that_is_dropped_while_it_commits_has_committed(
    async_app: PgQueue, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker stops without grace in the middle of a COMMIT, which goes on until the run is dropped."""
    let_go, drop = held_commit(look), Slots.drop

    async def drop_and_let_go(slots: Slots) -> None:
        dropping = asyncio.create_task(drop(slots))
        await asyncio.sleep(0)
        let_go()
        await dropping

    monkeypatch.setattr(Slots, "drop", drop_and_let_go)
    went_on: list[int] = []

    @async_app.task
    async def work(ctx: JobContext) -> None:
        async with ctx.transaction() as tx:
            await tx.connection.execute(INSERT, (ctx.id,))
        went_on.append(ctx.id)

    job = work.enqueue()
    worker: Worker
    async with working(async_app, grace=0) as worker:
        committing = "select count(*) from pg_stat_activity where application_name = 'pgqueue transaction' and query = 'COMMIT'"
        await auntil(lambda: look.value(committing + " and state = 'active'"), "the COMMIT")
    assert (look.state(job.id), written_by(look)) == ("succeeded", [job.id])
    assert worker._parts.finisher.counts == {"succeeded": 1}
    assert went_on == []


async def test_a_run_that_is_dropped_in_the_block_gives_its_connection_back(async_app: PgQueue, look: Look) -> None:
    """Once its statement runs; before, a cancellation does not reach it, and the connection is thrown away."""
    services = Services(async_app)
    ctx = made_by_hand()
    ctx._services = services

    async def work() -> None:
        async with ctx.transaction() as tx:
            await tx.connection.execute("select pg_sleep(60)")

    run = asyncio.create_task(work())
    await auntil(lambda: look.value("select count(*) from pg_stat_activity where wait_event = 'PgSleep'"), "the statement")
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    pool = await services.async_transactions.pool()
    assert pool.get_stats()["pool_available"] == pool.get_stats()["pool_size"] == 1
    async with pool.connection() as connection:
        await connection.execute("select 1")
    await services.close()
