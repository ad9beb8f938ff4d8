"""arq for the benchmarks: `… install|work|produce URL`.

The reference of arq.Worker in its documentation names the settings but advises none for throughput: 100 jobs at once, as for the
others, on uvloop. A worker looks for jobs each `poll_delay`, half a second by default, and takes at most five times what may run
at once: no more than 1,000 a second, and a quarter of a second late. Here it is 10 ms. Results stay for an hour, its default.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import Any

import uvloop
from arq import create_pool
from arq.connections import RedisSettings
from arq.worker import Worker, func

from benchmarks.recorder import Recorder
from benchmarks.systems.peers.answers import serve_async

CONCURRENCY = 100
POLL_SECONDS = 0.01
CALLS_AT_ONCE = 20
"""enqueue_job is one transaction for one job; so many of them are under way at once."""


async def work(settings: RedisSettings) -> None:
    """Run a worker until SIGTERM."""
    logging.getLogger("arq").setLevel(logging.WARNING)
    recorder = Recorder()

    async def noop(context: dict[Any, Any], sent_at: float) -> None:
        if recorder.keeps_journal:
            await recorder.work(sent_at)
        else:
            recorder.note(sent_at)

    worker = Worker([func(noop, name="noop")], redis_settings=settings, max_jobs=CONCURRENCY, poll_delay=POLL_SECONDS)
    try:
        await worker.async_run()
    except asyncio.CancelledError:  # what it makes of a SIGTERM
        await worker.close()


async def produce(settings: RedisSettings) -> None:
    """Send."""
    pool = await create_pool(settings)

    async def one(sent_at: float) -> None:
        await pool.enqueue_job("noop", sent_at)

    async def several(count: int) -> None:
        for _ in range(count):
            await one(0.0)

    async def many(count: int) -> None:
        shares = [count // CALLS_AT_ONCE + (number < count % CALLS_AT_ONCE) for number in range(CALLS_AT_ONCE)]
        await asyncio.gather(*(several(share) for share in shares))

    await serve_async(many, one)
    await pool.aclose()


if __name__ == "__main__":
    verb, url = sys.argv[1:]
    if verb != "install":
        uvloop.run({"work": work, "produce": produce}[verb](RedisSettings.from_dsn(url)))
