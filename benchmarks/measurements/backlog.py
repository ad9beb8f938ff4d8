"""A long backlog: do claim and finish cost the same whether a thousand or a million jobs are ready?"""

from __future__ import annotations

import time
from collections.abc import Awaitable
from statistics import median
from typing import cast

from benchmarks.figures import Figures
from benchmarks.run import Run
from benchmarks.systems import CallableSystem

SIZES = (1_000, 100_000, 1_000_000)
BATCH = 100
PAIRS = 300
WARM_UP_PAIRS = 20


async def measure(run: Run) -> Figures:
    """The SQL calls of a worker, without one; what a pair of calls takes out is put back: the size stays."""
    figures: Figures = {}
    for size in (size for size in SIZES if size <= (run.options.jobs or max(SIZES))):
        claims, finishes = await _pairs(run, size)
        figures[f"claim_{size}_ms"] = median(claims) * 1000
        figures[f"finish_{size}_ms"] = median(finishes) * 1000
    return figures


async def _pairs(run: Run, size: int) -> tuple[list[float], list[float]]:
    """Seconds of each claim and each finish at a backlog of that size."""
    system = cast(CallableSystem, run.system)
    claims: list[float] = []
    finishes: list[float] = []
    async with run.database() as database:
        await run.preload(database, size)
        url = run.server.url(database)
        run.steps.phase(f"claiming with {size:,} ready", PAIRS)
        async with system.producer(url) as producer, system.calls(url) as calls:
            for number in range(WARM_UP_PAIRS + PAIRS):
                claims.append(await _timed(calls.claim(BATCH)))
                finishes.append(await _timed(calls.finish()))
                await producer.enqueue_many(BATCH)
                run.steps.reach(number)
    return claims[WARM_UP_PAIRS:], finishes[WARM_UP_PAIRS:]


async def _timed(call: Awaitable[None]) -> float:
    start = time.perf_counter()
    await call
    return time.perf_counter() - start
