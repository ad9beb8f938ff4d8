"""Graphile Worker (npm graphile-worker), set up as its performance page says.

That is a local queue of 500, 24 jobs at once, batched completions. It deletes finished jobs: no history. The
worker is graphile_worker.mjs beside this file. Jobs are enqueued from Python by its SQL functions, in the
very statements of its own JavaScript calls.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import psycopg

from benchmarks.errors import BenchmarkError
from benchmarks.node import FOLDER, install_packages, node
from benchmarks.options import Handler
from benchmarks.worker import Command

SCRIPT = Path(__file__).with_name("graphile_worker.mjs")
URL_VARIABLE = "BENCHMARK_GRAPHILE_URL"

ADD_JOB = "SELECT * FROM graphile_worker.add_job(identifier => 'noop', payload => %s::json)"
ADD_JOBS = (
    "SELECT * FROM graphile_worker.add_jobs("
    " array(SELECT json_populate_recordset(null::graphile_worker.job_spec, %s::json)), false)"
)
INSERT = (
    "INSERT INTO graphile_worker._private_jobs (task_id, payload, run_at, max_attempts, priority)"
    " VALUES (%s, %s::json, now(), 25, 0) RETURNING *"
)
TASK = (
    "INSERT INTO graphile_worker._private_tasks (identifier) VALUES ('noop')"
    " ON CONFLICT (identifier) DO UPDATE SET identifier = excluded.identifier RETURNING id"
)


class _Producer:
    def __init__(self, connection: psycopg.AsyncConnection, task_id: int) -> None:
        self._connection = connection
        self._task_id = task_id

    async def enqueue_many(self, count: int) -> None:
        specs = [{"identifier": "noop", "payload": {"sent_at": 0}}] * count
        await self._connection.execute(ADD_JOBS, (json.dumps(specs),))

    async def enqueue(self, sent_at: float) -> None:
        await self._connection.execute(ADD_JOB, (json.dumps({"sent_at": sent_at}),))

    async def insert_row(self) -> None:
        await self._connection.execute(INSERT, (self._task_id, json.dumps({"sent_at": 0})))


class _Graphile:
    name = "graphile"
    history = False
    concurrency = 24
    enqueue_batch: int | None = None
    most_jobs: int | None = None
    benchmarks = frozenset(
        {"throughput", "processes", "together", "latency", "enqueue", "pinned", "memory", "recovery-kill", "recovery-crash"}
    )
    unfinished_query = "SELECT count(*) FROM graphile_worker._private_jobs"

    def version(self) -> str:
        install_packages("graphile-worker")
        package = FOLDER / "node_modules" / "graphile-worker" / "package.json"
        return str(json.loads(package.read_text())["version"])

    async def install(self, url: str) -> None:
        process = await asyncio.create_subprocess_exec(node(), SCRIPT, "migrate", url)
        if await process.wait():
            raise BenchmarkError("Graphile Worker could not create its schema")

    def commands(self, url: str, processes: int, handler: Handler) -> Sequence[Command]:
        return [Command([node(), str(SCRIPT), "work", url])] * processes

    @asynccontextmanager
    async def producer(self, url: str) -> AsyncIterator[_Producer]:
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
            row = await (await connection.execute(TASK)).fetchone()
            if row is None:
                raise BenchmarkError("Graphile Worker lost its task")
            yield _Producer(connection, row[0])


SYSTEM = _Graphile()
