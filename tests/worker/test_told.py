"""A worker says what it has done, and hears when people tell it to drain or to restart."""

import asyncio
import os

import pytest

from pgqueue import PgQueue
from tests.looking import Look
from tests.waiting import auntil
from tests.worker.conftest import ENDS_WITHIN, new_worker, working

ITS = "select {} from worker_status"


@pytest.mark.parametrize("what", ["drain", "restart"])
async def test_a_worker_that_is_told_ends_when_its_handlers_have(async_app: PgQueue, look: Look, what: str) -> None:
    gate, started = asyncio.Event(), asyncio.Event()

    @async_app.task
    async def work() -> None:
        started.set()
        await gate.wait()

    worker = new_worker(async_app, grace=0.0)
    run = asyncio.create_task(worker.run())
    job = work.enqueue()
    await started.wait()
    await auntil(lambda: look.value(ITS.format("wake_mode")) == "notify", "a worker that listens")

    look.value("select tell_worker(id, %s, 'ann') from worker", what)

    await auntil(lambda: look.value(ITS.format("status")) == "DRAINING", "the word of the worker", 1.0)  # not a third of a lease
    assert not run.done()
    gate.set()
    async with asyncio.timeout(ENDS_WITHIN):
        await run
    assert look.state(job.id) == "succeeded"
    assert worker.is_recycled is (what == "restart")
    assert look.value("select count(*) from worker") == 0


async def test_the_last_word_counts(async_app: PgQueue, look: Look) -> None:
    gate = asyncio.Event()

    @async_app.task
    async def work() -> None:
        await gate.wait()

    async with working(async_app) as worker:
        work.enqueue()
        for what, restart in (("drain", False), ("restart", True), ("drain", False)):
            await auntil(lambda: worker.status().running, "the job")
            look.value("select tell_worker(id, %s) from worker", what)
            await auntil(lambda restart=restart: worker.status().restart is restart, what)  # type: ignore[misc]
            await auntil(lambda: worker.status().state == "draining", what)
        gate.set()


async def test_a_worker_that_hears_no_notification_is_told_with_its_heartbeat(
    database_url: str, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pgqueue.worker.liveness.TOLD", "what nobody sends")
    app = PgQueue(database_url, lease=1.0)
    app.task(name="nothing")(lambda: None)
    worker = new_worker(app)
    run = asyncio.create_task(worker.run())
    await auntil(lambda: look.value("select count(*) from worker where wake_mode <> 'starting'"), "a worker")
    look.value("select tell_worker(id, 'drain') from worker")
    async with asyncio.timeout(ENDS_WITHIN):
        await run
    await app.aclose()


async def test_a_heartbeat_tells_what_the_worker_has_done(database_url: str, look: Look) -> None:
    app = PgQueue(database_url, lease=1.0, app_version="2026.11")

    @app.task(retry=0)
    async def maybe(fail: bool) -> None:
        if fail:
            raise ValueError("no \x00 such thing")

    async with working(app):
        maybe.enqueue_many([(False,), (False,), (True,)])
        await auntil(lambda: look.value(ITS.format("done")) == 2 and look.value(ITS.format("failed")) == 1, "its figures")
        (row,) = look.rows("select * from worker_status")
    assert row["last_error"] == "ValueError: no \ufffd such thing"
    assert row["app_version"] == "2026.11"
    assert 0 < row["cpu_seconds"] < 1000
    assert row["memory"] > 10_000_000
    assert 0 < row["cores"] <= (os.cpu_count() or 1)
    await app.aclose()
