"""Observers: what it costs a draining worker that somebody looks at everything once a second."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from statistics import median

import psycopg

from benchmarks.figures import Figures
from benchmarks.run import Run
from benchmarks.worker import Worker

JOBS = 2_000_000
SECONDS = 5.0
PAIRS = 3
WARM_UP_SECONDS = 3
LOOKS = (
    "SELECT * FROM pgqueue.queue_stats",
    "SELECT * FROM pgqueue.queues",
    "SELECT * FROM pgqueue.task_stats",
    "SELECT * FROM pgqueue.throughput_per_minute",
    "SELECT * FROM pgqueue.limit_status",
    "SELECT * FROM pgqueue.worker_status",
    "SELECT * FROM pgqueue.metrics()",
    "SELECT * FROM pgqueue.metric_series('1 minute', clock_timestamp() - interval '1 hour')",
)


async def measure(run: Run) -> Figures:
    """One drain, in turns with and without an observer, so that both have the same backlog."""
    jobs = run.options.jobs or JOBS
    seconds = run.options.seconds or SECONDS
    rates: dict[bool, list[float]] = {False: [], True: []}
    looks: list[float] = []
    async with run.database() as database:
        await run.preload(database, jobs)
        with run.worker(database) as worker:
            await worker.wait_for(1)
            await asyncio.sleep(WARM_UP_SECONDS)
            run.steps.phase("measuring", 2 * PAIRS * seconds)
            for turn in range(2 * PAIRS):
                is_watched = bool(turn % 2)
                observer = asyncio.create_task(_observe(run.server.url(database), looks)) if is_watched else None
                rates[is_watched].append(await rate(worker, seconds))
                if observer is not None:
                    observer.cancel()
                    with suppress(asyncio.CancelledError):
                        await observer
                run.steps.reach((turn + 1) * seconds)
            if worker.done() >= jobs:
                raise ValueError(f"all {jobs} jobs are drained; prepare more with --jobs")
    watched, alone = median(rates[True]), median(rates[False])
    return {"jobs_per_second": watched, "unobserved": alone, "kept": watched / alone, "look_ms": median(looks)}


async def rate(worker: Worker, seconds: float) -> float:
    """Jobs a second that a worker does in so many seconds."""
    begin = worker.sample()
    await asyncio.sleep(seconds)
    worker.check()
    end = worker.sample()
    return (end.done - begin.done) / (end.at - begin.at)


async def _observe(url: str, looks: list[float]) -> None:
    """Read all of it once a second. `looks`: where the milliseconds of each turn go."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        while True:
            began = time.perf_counter()
            for look in LOOKS:
                cursor = await connection.execute(look.encode())
                await cursor.fetchall()
            looks.append((time.perf_counter() - began) * 1000)
            await asyncio.sleep(max(1 - (time.perf_counter() - began), 0))
