"""Releases: how soon a child starts after its parent, and what one end costs that releases many, or the many that release one."""

from __future__ import annotations

import asyncio
import json
import time
from typing import cast

import psycopg

from benchmarks.errors import BenchmarkError
from benchmarks.figures import Figures, percentile
from benchmarks.run import Run
from benchmarks.systems import CallableSystem, Producer
from benchmarks.systems.workflows import add, chord, fan_out

SECONDS = 20.0
PAIRS_PER_SECOND = 50
WARM_UP_PAIRS = 50
CHILDREN = 10_000
PARENTS = (1_000, 10_000)
BATCH = 100
CHAIN = "SELECT pgqueue.enqueue_workflow(%s::jsonb)"
READY = "SELECT count(*) FROM pgqueue.job WHERE state = 'ready'"


async def measure(run: Run) -> Figures:
    """Latency through the worker; the large releases by the worker's SQL calls, because only those say when they are done."""
    smaller, larger = [await _fan_in(run, parents) for parents in PARENTS]
    return {
        **await _latencies(run),
        "fan_out_ms": await _fan_out(run) * 1000,
        "fan_in_ms": larger * 1000,
        "fan_in_growth": larger / smaller,
    }


async def _latencies(run: Run) -> Figures:
    """Plain jobs and chains of two in turns: from enqueue to start, and from the first node's end to the second one's start."""
    pairs = round(PAIRS_PER_SECOND * (run.options.seconds or SECONDS))
    async with run.database() as database, run.system.producer(run.server.url(database)) as producer:
        connect = psycopg.AsyncConnection.connect(run.server.url(database), autocommit=True)
        with run.worker(database) as worker:
            async with await connect as connection:
                await _send(run, producer, connection, WARM_UP_PAIRS)
                await worker.wait_for(3 * WARM_UP_PAIRS)
                await _send(run, producer, connection, pairs)
                await worker.wait_for(3 * (WARM_UP_PAIRS + pairs))
            plain, released = (worker.latencies(kind)[WARM_UP_PAIRS:] for kind in ("latency", "release"))
    figures = {"pairs": float(pairs)}
    for name, share in (("p50", 0.50), ("p99", 0.99)):
        figures[f"plain_{name}_ms"] = percentile(plain, share) * 1000
        figures[f"release_{name}_ms"] = percentile(released, share) * 1000
        figures[f"added_{name}_ms"] = figures[f"release_{name}_ms"] - figures[f"plain_{name}_ms"]
    return figures


async def _send(run: Run, producer: Producer, connection: psycopg.AsyncConnection, pairs: int) -> None:
    """Half a turn apart, so that the worker is idle before each."""
    run.steps.phase("sending", pairs)
    start = time.perf_counter()
    for number in range(2 * pairs):
        await asyncio.sleep(start + number / (2 * PAIRS_PER_SECOND) - time.perf_counter())
        if number % 2:
            await producer.enqueue(time.time())
        else:
            first = {"task": "first", "args": {"number": number}}
            await connection.execute(CHAIN, (json.dumps([first, {**first, "task": "second", "after": [1]}]),))
        if number % 100 == 0:
            run.steps.reach(number // 2)


async def _fan_out(run: Run) -> float:
    """Seconds of the finish that releases all children: when it returns, they are ready."""
    system = cast(CallableSystem, run.system)
    async with run.database() as database:
        await add(run.server.url(database), fan_out(CHILDREN))
        run.server.settle(database)
        async with system.calls(run.server.url(database)) as calls:
            await calls.claim(1)
            start = time.perf_counter()
            await calls.finish()
            seconds = time.perf_counter() - start
        _expect_ready(run, database, CHILDREN)
    return seconds


async def _fan_in(run: Run, parents: int) -> float:
    """Seconds for 1,000 parents of one child, their finishes alone, in batches."""
    system = cast(CallableSystem, run.system)
    seconds = 0.0
    async with run.database() as database:
        await add(run.server.url(database), chord(parents))
        run.server.settle(database)
        async with system.calls(run.server.url(database)) as calls:
            for _ in range(0, parents, BATCH):
                await calls.claim(BATCH)
                start = time.perf_counter()
                await calls.finish()
                seconds += time.perf_counter() - start
        _expect_ready(run, database, 1)
    return seconds * 1000 / parents


def _expect_ready(run: Run, database: str, count: int) -> None:
    with run.server.connect(database) as connection:
        row = connection.execute(READY).fetchone()
    if row != (count,):
        raise BenchmarkError(f"{row} jobs are ready, not {count}")
