"""Latency: from before the enqueue call to the first line of the handler, with an idle worker."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from benchmarks.figures import Figures, latency_figures
from benchmarks.run import Run
from benchmarks.systems import Producer

JOBS_PER_SECOND = 200
SECONDS = 10.0
WARM_UP_JOBS = 200


async def measure(run: Run) -> Figures:
    """Single enqueues at a fixed pace; each job carries the time of the clock that all processes share."""
    seconds = run.options.seconds or SECONDS
    async with run.database() as database, run.system.producer(run.url(database)) as producer:
        with run.worker(database) as worker:
            await _send(run, producer, "warming up", WARM_UP_JOBS, clock=lambda: 0.0)
            await worker.wait_for(WARM_UP_JOBS)
            jobs = round(JOBS_PER_SECOND * seconds)
            await _send(run, producer, "sending", jobs, clock=time.time)
            await worker.wait_for(WARM_UP_JOBS + jobs)
            latencies = worker.latencies()
    return {"jobs": len(latencies), "seconds": seconds, **latency_figures(latencies)}


async def _send(run: Run, producer: Producer, phase: str, jobs: int, clock: Callable[[], float]) -> None:
    """Enqueue at a fixed pace: a call that took long does not slow down the ones behind it.

    A worker records the latency of a job whose clock is not 0.
    """
    run.steps.phase(phase, jobs)
    start = time.perf_counter()
    for number in range(jobs):
        await asyncio.sleep(start + number / JOBS_PER_SECOND - time.perf_counter())
        await producer.enqueue(clock())
        if number % JOBS_PER_SECOND == 0:
            run.steps.reach(number)
