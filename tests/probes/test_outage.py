"""A database that is away makes a worker unready, and never stuck: a restart would not bring it back."""

import asyncio
import time
from contextlib import ExitStack

import pytest

from pgqueue import PgQueue
from pgqueue.database.backoff import LONGEST, Backoff
from pgqueue.probes.seen import LIVE_WITHIN, Seen
from tests.faults.proxy import Proxy
from tests.waiting import auntil
from tests.worker.conftest import ENDS_WITHIN, new_worker

WITHIN = 1.0  # seconds, for 60 in the field


async def test_an_outage_of_the_database_makes_a_worker_unready_and_not_stuck(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert 2 * LONGEST < LIVE_WITHIN, "a try that fails is progress"
    monkeypatch.setattr(Backoff.__init__, "__defaults__", (LONGEST * WITHIN / LIVE_WITHIN,))
    monkeypatch.setattr("pgqueue.worker.ending.FLUSH_WITHIN", 0.2)
    with ExitStack() as up:
        app = PgQueue(up.enter_context(Proxy(database_url)).url, lease=1.0)
        app.task(name="nothing")(lambda: None)
        worker = new_worker(app, grace=0.0)
        running = asyncio.create_task(worker.run())

        def seen() -> Seen:
            return Seen([worker.status()])

        await auntil(lambda: not seen().unready(), "a worker that is ready")
        up.close()
        await auntil(lambda: "process 1 has no connection to the database" in seen().unready(), "that it notices")
        until = time.monotonic() + 2.5 * WITHIN  # its lease ends meanwhile, too
        while time.monotonic() < until:
            assert seen().stuck(WITHIN) == []
            await asyncio.sleep(0.05)
        worker.stop()
        assert seen().unready() != []
        async with asyncio.timeout(ENDS_WITHIN):
            await running
        await app.aclose()


async def test_a_loop_that_is_blocked_is_stuck(database_url: str) -> None:
    app = PgQueue(database_url)
    app.task(name="nothing")(lambda: None)
    worker = new_worker(app, grace=0.0)
    running = asyncio.create_task(worker.run())
    await auntil(lambda: not Seen([worker.status()]).unready(), "a worker that is ready")
    worker.status()  # asks the loop
    time.sleep(1.2)  # noqa: ASYNC251 it is what a bad handler does
    assert "its event loop has been blocked" in Seen([worker.status()]).stuck(WITHIN)[0]
    await auntil(lambda: not Seen([worker.status()]).stuck(WITHIN), "a loop that goes on")
    worker.stop()
    async with asyncio.timeout(ENDS_WITHIN):
        await running
    await app.aclose()
