"""A worker that obeys a pause, and says so."""

import logging
import time
from functools import partial

import pytest

from pgqueue import PgQueue
from tests.looking import Look
from tests.waiting import auntil
from tests.worker.conftest import burst, working


def said(caplog: pytest.LogCaptureFixture, text: str) -> int:
    return sum(text in record.getMessage() for record in caplog.records)


async def test_a_worker_that_starts_on_a_paused_queue_takes_nothing_and_says_why(
    async_app: PgQueue, look: Look, caplog: pytest.LogCaptureFixture
) -> None:
    @async_app.task(queue="mail")
    async def send() -> None: ...

    send.enqueue()
    async_app.pause("mail", by="ann", reason="down")
    async_app.pause("other", by="ann")
    with caplog.at_level(logging.INFO, "pgqueue.worker"):
        async with working(async_app):
            await auntil(lambda: said(caplog, "queue mail is paused by ann: down; jobs that run go on"), "the log line")
            assert look.count("ready") == 1
            async_app.resume("mail")
            await auntil(lambda: look.count("succeeded") == 1, "the job")
            await auntil(lambda: said(caplog, "queue mail is no longer paused"), "the other line")
    assert said(caplog, "is paused by") == 1


async def test_a_pause_is_said_once_and_soon(async_app: PgQueue, look: Look, caplog: pytest.LogCaptureFixture) -> None:
    @async_app.task
    async def send() -> None: ...

    with caplog.at_level(logging.INFO, "pgqueue.worker"):
        async with working(async_app):
            await auntil(lambda: said(caplog, "wake-ups by notify"), "the listener")
            took = []
            for n in range(5):
                before = time.monotonic()
                async_app.pause(everything=True, reason=str(n))
                await auntil(partial(said, caplog, f": {n}; jobs that run go on"), "the log line")
                took.append(time.monotonic() - before)
            send.enqueue()
            async_app.resume(everything=True)
            await auntil(lambda: look.count("succeeded") == 1, "the job")
    assert said(caplog, "everything is paused") == 5
    assert min(took) < 0.05


async def test_a_burst_ends_although_paused_jobs_are_ready(async_app: PgQueue, look: Look) -> None:
    @async_app.task
    async def send() -> None: ...

    send.enqueue()
    async_app.pause(task="send")
    await burst(async_app)
    assert look.count("ready") == 1
