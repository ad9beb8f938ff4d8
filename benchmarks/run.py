"""One run of one system, and the steps that several measurements share."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import cached_property

from benchmarks.errors import BenchmarkError
from benchmarks.figures import Figures
from benchmarks.options import (
    ENQUEUE_BATCH,
    PRELOAD_BATCH,
    REFILL_BACKLOG,
    SAMPLE_SECONDS,
    WARM_UP_SECONDS,
    Options,
)
from benchmarks.progress import Steps
from benchmarks.redis_server import RedisServer
from benchmarks.server import Server
from benchmarks.store import Store, Usage
from benchmarks.systems import IN_REDIS, Producer, System
from benchmarks.worker import Sample, Worker

WARM_UP_SHARE = 0.15
"""Of a short queue, at most so much is spent on warming up."""

DRAINED_SHARE = 0.98
"""Measuring ends here at the latest: the last jobs of a queue come in ever smaller claims."""

AHEAD_SHARE = 0.02
AHEAD_JOBS = 2_000
"""Handlers may run ahead of their recorded ends by what a batch of finishes holds, not by more."""


@dataclass
class Run:
    """What a measurement needs: a system, a server, the wishes of the command line, the progress bar."""

    system: System
    server: Server
    options: Options
    steps: Steps

    @cached_property
    def store(self) -> Store:
        """Where the system keeps its jobs: the PostgreSQL server of all, or a Redis server of its own."""
        return RedisServer() if self.system.name in IN_REDIS else self.server

    def url(self, database: str) -> str:
        """What the system connects to."""
        return self.store.url(database)

    def jobs(self, default: int) -> int:
        """How many jobs to prepare: what the command line or the benchmark says, and no more than the system can do."""
        wanted = self.options.jobs or default
        most = self.system.most_jobs
        return wanted if most is None else min(wanted, most)

    @asynccontextmanager
    async def database(self) -> AsyncIterator[str]:
        """A fresh database with the system's schema; yields its name."""
        with self.store.fresh_database(self.system.name) as name:
            await self.system.install(self.url(name))
            yield name

    def worker(self, database: str) -> Worker:
        """The worker processes, started when the context is entered."""
        options = self.options
        return Worker(self.system.commands(self.url(database), options.processes, options.handler))

    async def preload(self, database: str, jobs: int) -> None:
        """Fill the queue and let the server digest it."""
        self.steps.phase("preloading", jobs)
        async with self.system.producer(self.url(database)) as producer:
            for start in range(0, jobs, PRELOAD_BATCH):
                await producer.enqueue_many(min(PRELOAD_BATCH, jobs - start))
                self.steps.reach(start + PRELOAD_BATCH)
        self.store.settle(database)

    async def watch(self, worker: Worker, seconds: float, jobs: int | None = None) -> list[Sample]:
        """Samples of steady work after the warm-up.

        They end after so many seconds, or when so many preloaded jobs are all but drained.
        """
        await worker.wait_for(1)
        with suppress(TimeoutError):
            async with asyncio.timeout(WARM_UP_SECONDS):
                await worker.wait_for(sys.maxsize if jobs is None else round(jobs * WARM_UP_SHARE))
        self.steps.phase("measuring", seconds)
        samples = [worker.sample()]
        while not _complete(samples, seconds, jobs):
            await asyncio.sleep(SAMPLE_SECONDS)
            worker.check()
            samples.append(worker.sample())
            self.steps.reach(samples[-1].at - samples[0].at)
        return samples

    def finished(self, database: str, enqueued: int) -> int:
        """How many jobs the database itself calls finished."""
        return enqueued - self.store.count(database, self.system.unfinished_query)

    def check(self, samples: list[Sample], finished: int) -> None:
        """Raise if handlers ran far ahead of recorded ends: the count would not be one of finished jobs.

        To be called with what was finished right after the last sample, while the worker still runs.
        """
        counted = samples[-1].done
        if finished < counted * (1 - AHEAD_SHARE) - AHEAD_JOBS:
            raise BenchmarkError(f"{self.system.name}: {counted} jobs ran, only {finished} are finished")


def _complete(samples: list[Sample], seconds: float, jobs: int | None) -> bool:
    enough = samples[-1].at - samples[0].at >= seconds
    return enough or (jobs is not None and samples[-1].done >= jobs * DRAINED_SHARE)


def cost(before: Usage | None, after: Usage | None, finished: int) -> Figures:
    """Commits and WAL of a whole run, from the start of its worker to its end, for each finished job; of PostgreSQL alone."""
    if before is None or after is None:
        return {}
    usage = after.since(before)
    return {
        "commits_per_job": usage.commits / finished,
        "wal_bytes_per_job": usage.wal_bytes / finished,
    }


class Refill:
    """A producer beside a worker: enqueues in batches, and pauses while enough jobs wait."""

    def __init__(self, producer: Producer, worker: Worker) -> None:
        self._producer = producer
        self._worker = worker
        self.enqueued = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Refill in the background."""
        task = asyncio.create_task(self._refill())
        try:
            yield
            if task.done():
                task.result()
        finally:
            self._ended = True
            await asyncio.gather(task, return_exceptions=True)

    _ended = False

    async def _refill(self) -> None:
        while not self._ended:
            if self.enqueued - self._worker.done() < REFILL_BACKLOG:
                await self._producer.enqueue_many(ENQUEUE_BATCH)
                self.enqueued += ENQUEUE_BATCH
            else:
                await asyncio.sleep(0.002)
