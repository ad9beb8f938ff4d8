"""Chancy's side: `python -m benchmarks.systems.peers.chancy install|work|produce URL`.

Its reference (chancy.executors.asyncex) has the async executor for many small jobs that wait, and (chancy.queue) eager_polling,
which asks for more as soon as a job is done, for queues that always have some; without it a full queue is looked at once in a
polling interval. The plugins are its defaults, and so is LISTEN. Ends are written in batches, at once or a second later.
"""

from __future__ import annotations

import logging
import sys

import uvloop
from chancy import Chancy, Queue, Worker, job

from benchmarks.options import CONCURRENCY
from benchmarks.recorder import Recorder
from benchmarks.systems.peers.answers import serve_async

RECORDER = Recorder()


@job(queue="default")
async def noop(*, sent_at: float) -> None:
    """The job; a worker finds it as `__main__.noop`, in this same script."""
    if RECORDER.keeps_journal:
        await RECORDER.work(sent_at)
    else:
        RECORDER.note(sent_at)


async def install(app: Chancy) -> None:
    """Create the schema, and declare the queue."""
    await app.migrate()
    queue = Queue("default", concurrency=CONCURRENCY, executor=Chancy.Executor.Async, polling_interval=1, eager_polling=True)
    await app.declare(queue, upsert=True)


async def work(app: Chancy) -> None:
    """Run a worker until SIGTERM."""
    async with Worker(app) as worker:
        await worker.wait_for_shutdown()


async def produce(app: Chancy) -> None:
    """Enqueue what stdin asks for."""

    async def many(count: int) -> None:
        async for _ in app.push_many([noop.job.with_kwargs(sent_at=0.0)] * count, batch_size=count):
            pass

    # A job has one attempt by default, and one that a lost connection interrupts has failed: what must be done has more.
    call = noop.job.with_max_attempts(3) if RECORDER.keeps_journal else noop.job

    async def one(sent_at: float) -> None:
        await app.push(call.with_kwargs(sent_at=sent_at))

    await serve_async(many, one)


async def main(verb: str, url: str) -> None:
    """Run one sub-command."""
    log = logging.getLogger("chancy")
    log.setLevel(logging.WARNING)
    async with Chancy(url, log=log) as app:
        await {"install": install, "work": work, "produce": produce}[verb](app)


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
