"""Limits: what they cost where they are far above the load, and how exactly they are kept where they are below it."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import cast

from benchmarks.figures import Figures, percentile, rate
from benchmarks.picture import drawn
from benchmarks.run import DRAINED_SHARE, Run
from benchmarks.starts import Starts
from benchmarks.systems import ShapedSystem
from benchmarks.systems.limits import ExactSystem
from benchmarks.systems.sql_worker import sql_worker
from benchmarks.worker import Sample, Worker

JOBS = 200_000
WARM_UP_SHARE = 0.1
DRAIN_SECONDS = 600
BATCH = 100
CLAIMS = 200
WARM_UP_CLAIMS = 20
CLAIM_OPTIONS = "-c synchronous_commit=off"
"""As a worker claims."""

EXACT_SECONDS = 20.0
EXACT_WORKERS = 2
CLAIMED = "SELECT extract(epoch FROM claimed_at)::float8 FROM pgqueue.jobs WHERE claimed_at IS NOT NULL ORDER BY 1"


async def measure(run: Run) -> Figures:
    """Claims by SQL calls, then the drain by the worker; or, for a rate below the load, all starts."""
    return await (_exact(run, run.system) if isinstance(run.system, ExactSystem) else _drain(run))


async def _drain(run: Run) -> Figures:
    """The time and the WAL between the end of the warm-up and all but the last jobs."""
    system = cast(ShapedSystem, run.system)
    async with run.database() as database:
        run.steps.phase("filling", 1)
        filled = await system.fill(run.server.url(database), run.options.jobs or JOBS)
        run.server.settle(database)
        claims = await _claims(run, database, min(CLAIMS, filled // BATCH // 4))
        run.server.settle(database)
        jobs = filled - run.finished(database, filled)
        with run.worker(database) as worker:
            run.steps.phase("draining", jobs)
            start, wal = await _at(run, worker, round(jobs * WARM_UP_SHARE))
            end, wal_at_end = await _at(run, worker, round(jobs * DRAINED_SHARE))
            run.check([start, end], run.finished(database, jobs))
            memory = worker.memory_mib(peak=True)
    done = end.done - start.done
    return {
        "jobs": done,
        "seconds": end.at - start.at,
        "jobs_per_second": rate([start, end]),
        "claim_p50_ms": percentile(claims, 0.50) * 1000,
        "claim_p99_ms": percentile(claims, 0.99) * 1000,
        "wal_bytes_per_job": (wal_at_end - wal) / done,
        **({} if memory is None else {"peak_rss_mib": memory}),
    }


async def _claims(run: Run, database: str, count: int) -> list[float]:
    """Seconds of single claims of a worker's size, whose jobs are then finished."""
    seconds = []
    run.steps.phase("claiming", count)
    async with sql_worker(run.server.url(database), CLAIM_OPTIONS) as worker:
        for number in range(WARM_UP_CLAIMS + count):
            start = time.perf_counter()
            token, rows = await worker.fetch(BATCH)
            seconds.append(time.perf_counter() - start)
            await worker.succeed(token, [row[0] for row in rows])
            run.steps.reach(number)
    return seconds[WARM_UP_CLAIMS:]


async def _at(run: Run, worker: Worker, count: int) -> tuple[Sample, int]:
    """When so many handlers have started, and the bytes of WAL by then."""
    await worker.wait_for(count, DRAIN_SECONDS)
    sample = worker.sample()
    return sample, run.server.wal_bytes()


async def _exact(run: Run, system: ExactSystem) -> Figures:
    """The starts of several workers together, by the clock of the database, in every window."""
    seconds = run.options.seconds or EXACT_SECONDS
    several = replace(run, options=replace(run.options, processes=max(EXACT_WORKERS, run.options.processes)))
    async with run.database() as database:
        enough = round(2 * (system.burst + system.rate * seconds))
        await system.fill(run.server.url(database), enough)
        run.server.settle(database)
        with several.worker(database) as worker:
            await several.watch(worker, seconds)
            with run.server.connect(database) as connection:
                times = [at for (at,) in connection.execute(CLAIMED.encode())]
    starts = Starts([at - times[0] for at in times], system.rate, system.burst)
    if run.options.picture is not None:
        run.options.picture.write_text(drawn(starts))
    return {
        "jobs": len(times),
        "seconds": seconds,
        "jobs_per_second": starts.within(seconds) / seconds,
        "used": starts.used(seconds),
        "violations": starts.violations(),
    }
