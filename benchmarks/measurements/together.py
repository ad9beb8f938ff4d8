"""Enqueue and work at once: one producer, one worker, at the pace that both can keep."""

from __future__ import annotations

from benchmarks.figures import Figures, rate
from benchmarks.run import Refill, Run, cost

SECONDS = 10.0


async def measure(run: Run) -> Figures:
    """The producer keeps a bounded backlog, so that jobs leave as fast as they come."""
    async with run.database() as database:
        before = run.store.usage(database)
        with run.worker(database) as worker:
            async with run.system.producer(run.url(database)) as producer:
                refill = Refill(producer, worker)
                async with refill.running():
                    samples = await run.watch(worker, run.options.seconds or SECONDS)
                run.check(samples, run.finished(database, refill.enqueued))
            memory = worker.memory_mib(peak=True)
        after = run.store.usage(database)
        finished = run.finished(database, refill.enqueued)
    return {
        "jobs": samples[-1].done - samples[0].done,
        "seconds": samples[-1].at - samples[0].at,
        "jobs_per_second": rate(samples),
        **cost(before, after, finished),
        **({} if memory is None else {"peak_rss_mib": memory}),
    }
