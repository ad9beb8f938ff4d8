"""Enqueueing alone: jobs per second in bulk, and one call beside a plain INSERT of the same row."""

from __future__ import annotations

import time
from collections.abc import Awaitable
from statistics import median

from benchmarks.errors import Unavailable
from benchmarks.figures import Figures
from benchmarks.options import ENQUEUE_BATCH
from benchmarks.run import Run
from benchmarks.systems import Producer

JOBS = 500_000
PAIRS = 2_000
WARM_UP_PAIRS = 100


async def measure(run: Run) -> Figures:
    """No worker runs. Calls and plain inserts alternate, so that both meet the same disk."""
    jobs = run.jobs(run.system.enqueue_batch or JOBS)
    async with run.database() as database, run.system.producer(run.url(database)) as producer:
        await producer.enqueue_many(ENQUEUE_BATCH)
        seconds = await _bulk(run, producer, jobs)
        single, row = await _single(run, producer)
    return {
        "jobs": jobs,
        "seconds": seconds,
        "jobs_per_second": jobs / seconds,
        "single_p50_ms": median(single) * 1000,
        **_beside(median(single), row),
    }


def _beside(single: float, row: list[float]) -> Figures:
    """The plain INSERT, for systems with SQL."""
    return {"insert_p50_ms": median(row) * 1000, "single_to_insert": single / median(row)} if row else {}


async def _bulk(run: Run, producer: Producer, jobs: int) -> float:
    run.steps.phase("enqueueing in bulk", jobs)
    start = time.perf_counter()
    batch = run.system.enqueue_batch or ENQUEUE_BATCH
    for done in range(0, jobs, batch):
        await producer.enqueue_many(min(batch, jobs - done))
        run.steps.reach(done)
    return time.perf_counter() - start


async def _single(run: Run, producer: Producer) -> tuple[list[float], list[float]]:
    """Seconds of each single enqueue and of each plain insert, if the system has one."""
    run.steps.phase("enqueueing one by one", PAIRS)
    calls: list[float] = []
    inserts: list[float] = []
    rows = await _has_rows(producer)
    for number in range(WARM_UP_PAIRS + PAIRS):
        calls.append(await _timed(producer.enqueue(time.time())))
        if rows:
            inserts.append(await _timed(producer.insert_row()))
        if number % 100 == 0:
            run.steps.reach(number)
    return calls[WARM_UP_PAIRS:], inserts[WARM_UP_PAIRS:]


async def _has_rows(producer: Producer) -> bool:
    try:
        await producer.insert_row()
    except Unavailable:
        return False
    return True


async def _timed(call: Awaitable[float | None]) -> float:
    """The seconds that the call says it took, or else those that passed here."""
    start = time.perf_counter()
    said = await call
    return time.perf_counter() - start if said is None else said
