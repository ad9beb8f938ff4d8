"""PgQueuer (PyPI pgqueuer) on asyncpg, batches of 100; its log table keeps the history.

Its guide "Performance Tuning" (docs, guides/performance-tuning) has larger batches than the default of 10 for short jobs, one
connection for a worker, and `pgq autovac` after the install. PgQueuer refuses a limit of concurrent jobs below twice the batch
size, so the worker runs without one: its default. The worker process is this module: `python -m benchmarks.systems.pgqueuer`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import version

import asyncpg
import uvloop
from pgqueuer import PgQueuer
from pgqueuer.db import AsyncpgDriver
from pgqueuer.models import Job
from pgqueuer.queries import Queries

from benchmarks.options import Handler
from benchmarks.recorder import Recorder
from benchmarks.worker import Command

BATCH = 100
URL_VARIABLE = "BENCHMARK_PGQUEUER_URL"
HANDLER_VARIABLE = "BENCHMARK_PGQUEUER_HANDLER"
INSERT = (
    "INSERT INTO pgqueuer (priority, entrypoint, payload, execute_after, headers, status)"
    " VALUES (0, 'noop', $1, now(), 'null', 'queued') RETURNING id"
)


class _Producer:
    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection
        self._queries = Queries(AsyncpgDriver(connection))

    async def enqueue_many(self, count: int) -> None:
        await self._queries.enqueue(["noop"] * count, [b"0"] * count, [0] * count)

    async def enqueue(self, sent_at: float) -> None:
        await self._queries.enqueue("noop", repr(sent_at).encode())

    async def insert_row(self) -> None:
        await self._connection.fetch(INSERT, b"0")


class _PgQueuer:
    name = "pgqueuer"
    history = True
    concurrency = None
    enqueue_batch: int | None = None
    most_jobs: int | None = None
    benchmarks = frozenset(
        {
            "throughput",
            "processes",
            "sync",
            "together",
            "latency",
            "enqueue",
            "pinned",
            "memory",
            "recovery-kill",
            "recovery-crash",
        }
    )
    unfinished_query = "SELECT count(*) FROM pgqueuer"

    def version(self) -> str:
        return version("pgqueuer")

    async def install(self, url: str) -> None:
        connection = await asyncpg.connect(url)
        try:
            queries = Queries(AsyncpgDriver(connection))
            await queries.install()
            await queries.optimize_autovacuum()  # `pgq autovac`
        finally:
            await connection.close()

    def commands(self, url: str, processes: int, handler: Handler) -> Sequence[Command]:
        environment = {URL_VARIABLE: url, HANDLER_VARIABLE: handler.value}
        return [Command([sys.executable, "-m", __name__], environment)] * processes

    @asynccontextmanager
    async def producer(self, url: str) -> AsyncIterator[_Producer]:
        connection = await asyncpg.connect(url)
        try:
            yield _Producer(connection)
        finally:
            await connection.close()


async def _work(url: str, handler: Handler) -> None:
    """Run one worker until SIGTERM."""
    recorder = Recorder()
    connection = await asyncpg.connect(url)
    queue = PgQueuer(AsyncpgDriver(connection))
    if recorder.keeps_journal:

        @queue.entrypoint("noop")
        async def work(job: Job) -> None:
            await recorder.work(float(job.payload or b"0"))

    elif handler is Handler.ASYNC:

        @queue.entrypoint("noop")
        async def noop(job: Job) -> None:
            recorder.note(float(job.payload or b"0"))
    else:

        @queue.entrypoint("noop")
        async def noop_in_thread(job: Job) -> None:
            await asyncio.to_thread(recorder.note, float(job.payload or b"0"))

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, queue.shutdown.set)
    await queue.run(batch_size=BATCH)
    await connection.close()


SYSTEM = _PgQueuer()

if __name__ == "__main__":
    uvloop.run(_work(os.environ[URL_VARIABLE], Handler(os.environ[HANDLER_VARIABLE])))
