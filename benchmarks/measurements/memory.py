"""Memory of a worker over a million jobs: early, at the end, and its peak."""

from __future__ import annotations

import asyncio

from benchmarks.errors import BenchmarkError
from benchmarks.figures import Figures
from benchmarks.options import SAMPLE_SECONDS
from benchmarks.run import Run
from benchmarks.worker import Sample, Worker

JOBS = 1_000_000
EARLY_SHARE = 0.10
LATE_SHARE = 0.99


async def measure(run: Run) -> Figures:
    """Drain a preloaded queue; read the resident memory at a tenth of it and when it is all but done."""
    jobs = run.options.jobs or JOBS
    async with run.database() as database:
        await run.preload(database, jobs)
        with run.worker(database) as worker:
            run.steps.phase("draining", jobs)
            start = worker.sample()
            early = await _memory_at(run, worker, round(jobs * EARLY_SHARE))
            late = await _memory_at(run, worker, round(jobs * LATE_SHARE))
            end = worker.sample()
            peak = _known(worker.memory_mib(peak=True))
    return {
        "jobs": end.done,
        "seconds": end.at - start.at,
        "early_rss_mib": early,
        "late_rss_mib": late,
        "growth": late / early,
        "peak_rss_mib": peak,
    }


async def _memory_at(run: Run, worker: Worker, count: int) -> float:
    """Resident MiB when so many handlers have started; raises when nothing moves any more."""
    last: Sample = worker.sample()
    while last.done < count:
        await asyncio.sleep(SAMPLE_SECONDS)
        worker.check()
        now = worker.sample()
        if now.done == last.done and now.at - last.at > 60:
            raise BenchmarkError(f"the worker stands still at {now.done} jobs")
        last = now if now.done > last.done else last
        run.steps.reach(now.done)
    return _known(worker.memory_mib(peak=False))


def _known(memory: float | None) -> float:
    if memory is None:
        raise BenchmarkError("the memory of another process can be read only where there is /proc")
    return memory
