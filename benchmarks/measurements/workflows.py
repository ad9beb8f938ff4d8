"""Draining workflows: what it costs that jobs wait for each other, beside as many plain jobs."""

from __future__ import annotations

from typing import cast

from benchmarks.figures import Figures, rate
from benchmarks.run import DRAINED_SHARE, Run
from benchmarks.systems import ShapedSystem
from benchmarks.worker import Sample, Worker

JOBS = 200_000
WARM_UP_JOBS = 20_000
"""Plain jobs in front of the measured ones: those are measured from the first to the last, whole workflows."""

DRAIN_SECONDS = 600


async def measure(run: Run) -> Figures:
    """Fill the queue, start the worker, take the time and the WAL between the end of the warm-up and all but the last jobs."""
    system = cast(ShapedSystem, run.system)
    async with run.database() as database:
        await run.preload(database, WARM_UP_JOBS)
        run.steps.phase("filling", 1)
        jobs = await system.fill(run.server.url(database), run.options.jobs or JOBS)
        run.server.settle(database)
        with run.worker(database) as worker:
            run.steps.phase("draining", jobs)
            start, wal = await _at(run, worker, WARM_UP_JOBS)
            end, wal_at_end = await _at(run, worker, WARM_UP_JOBS + round(jobs * DRAINED_SHARE))
            run.check([start, end], run.finished(database, WARM_UP_JOBS + jobs))
            memory = worker.memory_mib(peak=True)
    done = end.done - start.done
    return {
        "jobs": done,
        "seconds": end.at - start.at,
        "jobs_per_second": rate([start, end]),
        "wal_bytes_per_job": (wal_at_end - wal) / done,
        **({} if memory is None else {"peak_rss_mib": memory}),
    }


async def _at(run: Run, worker: Worker, count: int) -> tuple[Sample, int]:
    """When so many handlers have started, and the bytes of WAL by then."""
    await worker.wait_for(count, DRAIN_SECONDS)
    sample = worker.sample()
    return sample, run.server.wal_bytes()
