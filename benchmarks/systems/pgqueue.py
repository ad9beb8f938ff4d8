"""pgqueue itself: its own worker process, `--concurrency 100`, everything else by default.

Worker processes import `app` from this module; the environment says which kind of handler it registers.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import psycopg

from benchmarks.options import CONCURRENCY, PRELOAD_BATCH, Handler
from benchmarks.recorder import Recorder
from benchmarks.systems import Calls
from benchmarks.systems import Producer as AnyProducer
from benchmarks.systems.sql_worker import sql_worker
from benchmarks.worker import Command
from pgqueue import PgQueue, Task, __version__

URL_VARIABLE = "PGQUEUE_DATABASE_URL"
HANDLER_VARIABLE = "BENCHMARK_PGQUEUE_HANDLER"
INSERT = (
    "INSERT INTO pgqueue.job (run_at, created_at, state, priority, max_attempts, queue, task, args)"
    " VALUES (clock_timestamp(), clock_timestamp(), 'ready', 0, 4, 'default', 'noop', %s) RETURNING id"
)


def build(url: str | None, handler: Handler) -> tuple[PgQueue, Task[[float], Any]]:
    """An app with the no-op task, and the two of a chain whose link is timed."""
    app = PgQueue(url)
    recorder = Recorder()

    @app.task(name="first")
    async def first(number: int) -> None:
        recorder.note(0.0)
        recorder.end_first(number)

    @app.task(name="second")
    async def second(number: int) -> None:
        recorder.begin_second(number)
        recorder.note(0.0)

    if recorder.keeps_journal:

        @app.task(name="noop")
        async def work(sent_at: float) -> None:
            await recorder.work(sent_at)

        return app, work

    if handler is Handler.ASYNC:

        @app.task(name="noop")
        async def noop(sent_at: float) -> None:
            recorder.note(sent_at)

        return app, noop

    @app.task(name="noop")
    def noop_in_thread(sent_at: float) -> None:
        recorder.note(sent_at)

    return app, noop_in_thread


class Producer:
    """Enqueues by the app, from async code."""

    def __init__(self, task: Task[[float], Any], connection: psycopg.AsyncConnection) -> None:
        self._task = task
        self._connection = connection

    async def enqueue_many(self, count: int) -> None:
        """One statement for all."""
        await self._task.aenqueue_many([(0.0,)] * count)

    async def enqueue(self, sent_at: float) -> None:
        """One job."""
        await self._task.aenqueue(sent_at)

    async def insert_row(self) -> None:
        """The row that `enqueue` writes."""
        await self._connection.execute(INSERT, ('{"sent_at":0.0}',))


@asynccontextmanager
async def _producer(url: str) -> AsyncIterator[Producer]:
    app, task = build(url, Handler.ASYNC)
    connect = psycopg.AsyncConnection.connect(url, autocommit=True, prepare_threshold=None)
    async with await connect as connection:
        try:
            yield Producer(task, connection)
        finally:
            await app.aclose()


class PgQueueSystem:
    """The system under test."""

    name = "pgqueue"
    history = True
    concurrency: int | None = CONCURRENCY
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
            "schedules",
            "backlog",
            "memory",
            "recovery-kill",
            "recovery-crash",
            "observers",
            "dashboards",
            "workflows",
            "releases",
            "limits",
            "limits-processes",
            "limits-pinned",
            "server",
            "shares",
        }
    )
    unfinished_query = "SELECT count(*) FROM pgqueue.job"

    def version(self) -> str:
        """The version of the package."""
        return __version__

    async def install(self, url: str) -> None:
        """Migrate. Imported here, for a worker that imports this module is not to carry Alembic in its memory."""
        from pgqueue.migrate import migrate

        await asyncio.to_thread(migrate, url)

    def commands(self, url: str, processes: int, handler: Handler) -> Sequence[Command]:
        """One command; it starts its worker processes itself."""
        options = ["--concurrency", str(CONCURRENCY), "--processes", str(processes)]
        environment = {URL_VARIABLE: url, HANDLER_VARIABLE: handler.value}
        return [Command([sys.executable, "-m", "pgqueue.worker", f"{__name__}:app", *options], environment)]

    def producer(self, url: str) -> AbstractAsyncContextManager[AnyProducer]:
        """An app of its own, and a plain connection with its settings."""
        return _producer(url)

    async def fill(self, url: str, jobs: int) -> int:
        """Plain jobs."""
        async with self.producer(url) as producer:
            for start in range(0, jobs, PRELOAD_BATCH):
                await producer.enqueue_many(min(PRELOAD_BATCH, jobs - start))
        return jobs

    def calls(self, url: str) -> AbstractAsyncContextManager[Calls]:
        """The SQL functions by hand."""
        return sql_worker(url)


SYSTEM = PgQueueSystem()
app, _ = build(None, Handler(os.environ.get(HANDLER_VARIABLE, Handler.ASYNC)))
