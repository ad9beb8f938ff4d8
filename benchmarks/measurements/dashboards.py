"""Open dashboards: what they cost a draining worker, and whether twenty cost the database more than two."""

from __future__ import annotations

import asyncio
import time
from statistics import median

import psycopg

from benchmarks.api.server import served
from benchmarks.figures import Figures
from benchmarks.measurements.observers import rate
from benchmarks.run import Run
from benchmarks.viewers import looking

JOBS = 2_000_000
SECONDS = 6.0
PAIRS = 3
WARM_UP_SECONDS = 3
MANY, FEW = 20, 2
PAGE = "/"
CHANGE_EVERY = 0.2  # seconds, while the database's work for viewers is counted
COMMITS = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"


async def measure(run: Run) -> Figures:
    """One drain, in turns with and without open pages; then the commits of few and of many viewers while nothing drains."""
    jobs = run.options.jobs or JOBS
    seconds = run.options.seconds or SECONDS
    rates: dict[bool, list[float]] = {False: [], True: []}
    looks = 0
    async with run.database() as database:
        await run.preload(database, jobs)
        with served(run.server.url(database)) as port:
            with run.worker(database) as worker:
                await worker.wait_for(1)
                await asyncio.sleep(WARM_UP_SECONDS)
                run.steps.phase("measuring", 2 * PAIRS * seconds)
                for turn in range(2 * PAIRS):
                    is_watched = bool(turn % 2)
                    async with looking(port, PAGE, MANY if is_watched else 0) as viewers:
                        rates[is_watched].append(await rate(worker, seconds))
                    looks += sum(viewer.looks for viewer in viewers)
                    run.steps.reach((turn + 1) * seconds)
                if worker.done() >= jobs:
                    raise ValueError(f"all {jobs} jobs are drained; prepare more with --jobs")
            url = run.server.url(database)
            idle, few, many = [await _commits(url, port, viewers, seconds) for viewers in (0, FEW, MANY)]
    watched, alone = median(rates[True]), median(rates[False])
    return {
        "jobs_per_second": watched,
        "unobserved": alone,
        "kept": watched / alone,
        "looks_per_second": looks / (PAIRS * seconds * MANY),
        "commits_of_2": few - idle,
        "commits_of_20": many - idle,
        "fan_out": (many - idle) / max(few - idle, 0.01),
    }


async def _commits(url: str, port: int, viewers: int, seconds: float) -> float:
    """Transactions a second while something changes all the time and so many look."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection, looking(port, PAGE, viewers):
        await asyncio.sleep(1.5)  # the statistics of a session are a second late
        before, began = await _committed(connection), time.perf_counter()
        while time.perf_counter() < began + seconds:
            await connection.execute("SELECT pgqueue.enqueue('noop', '{\"number\": 1}', queue => 'elsewhere')")
            await asyncio.sleep(CHANGE_EVERY)
        await asyncio.sleep(1.5)
        return (await _committed(connection) - before) / (time.perf_counter() - began)


async def _committed(connection: psycopg.AsyncConnection) -> int:
    row = await (await connection.execute(COMMITS.encode())).fetchone()
    assert row is not None
    return int(row[0])
