"""SAQ for the benchmarks: `… install|work|produce URL`.

Its documentation (saq-py.readthedocs.io) names `concurrency`, 10 by default, and the extra `hiredis`: 100 jobs at once, as for
the others, with hiredis and uvloop. Each takes its job by a connection of its own. Results stay for ten minutes, its default.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from typing import Any

import uvloop
from saq import Queue, Worker
from saq.queue.redis import RedisQueue

from benchmarks.recorder import JOURNAL_VARIABLE, Recorder
from benchmarks.systems.peers.answers import serve_async

CONCURRENCY = 100


async def work(queue: Queue) -> None:
    """Run a worker until SIGTERM."""
    logging.getLogger("saq").setLevel(logging.WARNING)
    recorder = Recorder()

    async def noop(context: Any, *, sent_at: float) -> None:
        if recorder.keeps_journal:
            await recorder.work(sent_at)
        else:
            recorder.note(sent_at)

    await Worker(queue, [("noop", noop)], concurrency=CONCURRENCY).start()


async def produce(queue: Queue) -> None:
    """Send; SAQ lets 20 calls be under way at once."""

    # A job whose worker has died is swept, and runs again only if it has retries left: by default it has one run.
    retries = {"retries": 3} if os.environ.get(JOURNAL_VARIABLE) else {}

    async def one(sent_at: float) -> None:
        await queue.enqueue("noop", sent_at=sent_at, **retries)

    async def many(count: int) -> None:
        await asyncio.gather(*(one(0.0) for _ in range(count)))

    await serve_async(many, one)


async def main(verb: str, url: str) -> None:
    """Connect, and do it."""
    queue = RedisQueue.from_url(url)
    await queue.connect()
    try:
        await {"work": work, "produce": produce}[verb](queue)
    finally:
        await queue.disconnect()


if __name__ == "__main__":
    if sys.argv[1] != "install":
        uvloop.run(main(*sys.argv[1:]))
