"""The connections that blocks of ctx.transaction() run on."""

import asyncio
import functools
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import psycopg_pool
import pytest

from pgqueue import JobContext, PgQueue
from tests.looking import Look
from tests.waiting import auntil
from tests.worker.blocks import BACKENDS, Register, error_of, set_result, written_by
from tests.worker.conftest import burst, working

pytestmark = pytest.mark.usefixtures("written")


async def test_the_connection_is_given_back_as_it_was(async_app: PgQueue, look: Look) -> None:
    seen: list[Any] = []

    @async_app.task(retry=0)
    async def work(ctx: JobContext) -> None:
        async with ctx.transaction() as tx:
            seen.append(tx.connection.info.backend_pid)
            cursor = await tx.connection.execute("select 7 as n")
            seen.append(await cursor.fetchone())
            tx.connection.row_factory = psycopg.rows.dict_row

    work.enqueue_many([()] * 2)
    await burst(async_app, concurrency=1)
    pid, row, again_pid, again_row = seen
    assert (pid, row) == (again_pid, again_row)


async def test_no_more_blocks_run_at_once_than_the_pool_has_connections(database_url: str, look: Look, handler: Register) -> None:
    app = PgQueue(database_url, transaction_pool_size=2)
    inside, may_end = threading.Semaphore(0), threading.Event()
    most: list[int] = []

    def hold(ctx: JobContext, tx: Any) -> None:
        inside.release()
        may_end.wait(30)
        most.append(look.value("select count(*) from pg_stat_activity where application_name = 'pgqueue transaction'"))

    ids = [job.id for job in handler(app, hold).enqueue_many([()] * 5)]
    async with working(app, concurrency=5) as worker:
        for _ in range(2):
            assert await asyncio.to_thread(inside.acquire, timeout=30)
        await auntil(lambda: len(worker._parts.slots.running) == 5, "all handlers")
        assert not inside.acquire(timeout=0.2)
        may_end.set()
        await auntil(lambda: look.count("succeeded") == 5, "all jobs")
    assert (written_by(look), max(most)) == (ids, 2)
    app.close()
    await app.aclose()


async def test_who_waits_too_long_for_a_connection_is_told_what_to_do(
    database_url: str, look: Look, handler: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = PgQueue(database_url, transaction_pool_size=1)
    inside, may_end = threading.Event(), threading.Event()

    def hold(ctx: JobContext, tx: Any) -> None:
        inside.set()
        may_end.wait(60)

    task = handler(app, hold)
    task.enqueue()
    async with working(app):
        await auntil(inside.is_set, "the one that has the connection")
        monkeypatch.setattr("pgqueue.transaction.block.POOL_WITHIN", 0.1)  # not before: to open it may take longer
        task.enqueue()
        await auntil(lambda: look.count("failed"), "the one that waited")
        may_end.set()
        await auntil(lambda: look.count("succeeded"), "the other")
    assert "all 1 of the pool are in use; raise transaction_pool_size" in look.value("select error_message from dead_letters")
    app.close()
    await app.aclose()


async def test_handlers_that_enqueue_on_the_app_s_connections_in_their_blocks_do_not_wait_for_each_other(
    database_url: str, look: Look, handler: Register
) -> None:
    app = PgQueue(database_url, transaction_pool_size=2, pool_size=1)
    both = threading.Barrier(2)

    @app.task
    async def child() -> None: ...

    def inside(ctx: JobContext, tx: Any) -> None:
        both.wait(30)
        child.enqueue()

    handler(app, inside).enqueue_many([()] * 2)
    await burst(app)
    assert look.count("succeeded") == 4
    app.close()
    await app.aclose()


async def test_a_connection_that_died_in_the_pool_is_replaced(async_app: PgQueue, look: Look, handler: Register) -> None:
    task = handler(async_app, set_result)
    async with working(async_app):
        for _ in range(2):
            job = task.enqueue()
            await auntil(
                functools.partial(look.value, "select true from jobs where id = %s and state = 'succeeded'", job.id), "the job"
            )
            look.rows(BACKENDS)
            await auntil(lambda: look.value(BACKENDS) == 0, "the end of the connection")
    assert look.count("succeeded") == 2


async def test_a_connection_that_breaks_in_the_block_fails_the_attempt(async_app: PgQueue, look: Look, handler: Register) -> None:
    job = handler(async_app, lambda ctx, tx: look.rows(BACKENDS)).enqueue()
    await burst(async_app)
    assert (look.state(job.id), written_by(look)) == ("failed", [])
    assert error_of(look, job.id) == "pgqueue.errors.Disconnected"


def test_of_threads_that_open_the_pool_at_once_all_get_the_same(app: PgQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    both = threading.Barrier(2)

    class Slow(psycopg_pool.ConnectionPool):
        def __init__(self, *args: Any, **options: Any) -> None:
            both.wait(30)
            super().__init__(*args, **options)

    monkeypatch.setattr("pgqueue.database.pools.ConnectionPool", Slow)
    with ThreadPoolExecutor(2) as threads:
        one, other = (future.result() for future in [threads.submit(app.database.pool) for _ in range(2)])
    assert one is other
    assert not one.closed
