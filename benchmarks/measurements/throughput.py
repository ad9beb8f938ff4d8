"""Draining: how fast a worker empties a queue that was filled before."""

from __future__ import annotations

from benchmarks.figures import Figures, rate
from benchmarks.run import Run, cost

JOBS = 1_000_000
SECONDS = 10.0


async def measure(run: Run) -> Figures:
    """Preload, start the worker, watch the counters of its handlers, compare with the database at the end."""
    jobs = run.jobs(JOBS)
    async with run.database() as database:
        await run.preload(database, jobs)
        before = run.store.usage(database)
        with run.worker(database) as worker:
            samples = await run.watch(worker, run.options.seconds or SECONDS, jobs)
            run.check(samples, run.finished(database, jobs))
            memory = worker.memory_mib(peak=True)
        after = run.store.usage(database)
        finished = run.finished(database, jobs)
    return {
        "jobs": samples[-1].done - samples[0].done,
        "seconds": samples[-1].at - samples[0].at,
        "jobs_per_second": rate(samples),
        **cost(before, after, finished),
        **({} if memory is None else {"peak_rss_mib": memory}),
    }
