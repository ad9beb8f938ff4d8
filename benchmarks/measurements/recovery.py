"""Recovery: what becomes of jobs whose worker is killed, and of a drain whose server crashes and comes back."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from unittest.mock import patch

from benchmarks.errors import BenchmarkError
from benchmarks.figures import Figures
from benchmarks.journal import Runs, read
from benchmarks.recorder import JOURNAL_VARIABLE, SECONDS_VARIABLE
from benchmarks.redis_server import APPENDING, RedisServer
from benchmarks.run import Run
from benchmarks.worker import START_SECONDS, Worker

LIMIT = 90.0
"""So long is waited, in seconds; what is not back by then is said not to be."""

JOBS = 50
AT_ONCE = 100
"""Taken for a system that has no such number, or a larger one."""

KILLED_SECONDS = 5.0
"""What a job takes whose worker is killed."""

DRAINED_SECONDS = 0.25
DRAINED_ROUNDS = 40
"""A drain that the server's crash interrupts: so many jobs one after the other in each place of the worker, 10 s."""

CRASH_AT = 0.25  # of the drain
SNAPSHOT_JOBS = 1_000
QUIET = 2.0  # seconds without another start: the worker runs all that it runs at once
SETTLED = 3.0  # seconds after the last job, in which a second run would show itself
LOOK = 0.02
ASK = 1.0  # seconds between two questions to the server


@dataclass(frozen=True)
class Scene:
    """One database with jobs whose runs are noted."""

    run: Run
    database: str
    journal: Path
    jobs: int

    @contextmanager
    def worker(self) -> Iterator[Worker]:
        """A worker, as whatever supervises it would start it."""
        with Worker(self.run.system.commands(self.run.url(self.database), 1, self.run.options.handler)) as worker:
            yield worker

    def runs(self) -> Runs:
        """What has been noted so far."""
        return read(self.journal)

    def held(self) -> int:
        """Jobs that are unfinished for the system, whether their handlers have ended or not."""
        return self.jobs - self.run.finished(self.database, self.jobs)


async def kill(run: Run) -> Figures:
    """Kill a worker in the middle of its jobs, start another, and see when they run again."""
    async with _scene(_lasting(run), min(JOBS, 2 * (run.system.concurrency or JOBS)), KILLED_SECONDS) as scene:
        with scene.worker() as worker:
            await _started(scene, worker)
            worker.kill()
            at = time.time()
        hit = scene.runs().running()
        with scene.worker():
            run.steps.phase("waiting for the jobs of a killed worker", LIMIT)
            runs = await _done(scene, at)
            counts = _counts(scene, runs, at)
    back = [runs.back(job, at) for job in hit]
    known = [seconds for seconds in back if seconds is not None]
    return {
        "interrupted": len(hit),
        **({"back_seconds": max(known)} if len(known) == len(hit) else {}),
        **({"first_seconds": min(known)} if known else {}),
        **counts,
    }


async def crash(run: Run) -> Figures:
    """Crash the server in the middle of a drain; a worker that ends over it is started again, as systemd would."""
    places = min(AT_ONCE, run.system.concurrency or AT_ONCE)
    async with _scene(_lasting(run), DRAINED_ROUNDS * places, DRAINED_SECONDS) as scene:
        supervisor = asyncio.create_task(_supervise(scene))
        try:
            await _reached(scene, supervisor, round(CRASH_AT * scene.jobs))
            at = time.time()
            await asyncio.to_thread(scene.run.store.crashed, scene.database)
            down = time.time() - at
            run.steps.phase("waiting for the drain to go on", LIMIT)
            runs = await _done(scene, at)
            counts = _counts(scene, runs, at)
        finally:
            supervisor.cancel()
            starts = await supervisor
    pause = runs.pause(at)
    return {
        "down_seconds": down,
        **({} if pause is None else {"pause_seconds": pause}),
        **({"done_seconds": runs.last_end() - at} if len(runs.ends) == scene.jobs else {}),
        **counts,
        "worker_ends": starts - 1,
        **await _forgotten(run),
    }


def _lasting(run: Run) -> Run:
    """The run with the settings by which a server keeps what it has accepted; PostgreSQL has them anyway."""
    if not isinstance(run.store, RedisServer):
        return run
    lasting = replace(run)
    lasting.store = RedisServer(APPENDING)
    return lasting


@asynccontextmanager
async def _scene(run: Run, jobs: int, seconds: float) -> AsyncIterator[Scene]:
    """A database in which so many jobs wait; a job carries its number, negative, where others carry a time."""
    with tempfile.TemporaryDirectory(prefix="benchmark-recovery-") as directory:
        journal = Path(directory, "runs")
        with patch.dict(os.environ, {JOURNAL_VARIABLE: str(journal), SECONDS_VARIABLE: str(seconds)}):
            async with run.database() as database:
                run.steps.phase("enqueueing", jobs)
                async with run.system.producer(run.url(database)) as producer:
                    for number in range(1, jobs + 1):
                        await producer.enqueue(-float(number))
                yield Scene(run, database, journal, jobs)


async def _started(scene: Scene, worker: Worker) -> None:
    """Wait until a worker runs as many of the jobs as it runs at once."""
    deadline, count, changed = time.monotonic() + START_SECONDS, 0, time.monotonic()
    while not count or time.monotonic() < changed + QUIET:
        worker.check()
        if time.monotonic() > deadline:
            raise BenchmarkError(f"no job was started within {START_SECONDS} s")
        await asyncio.sleep(LOOK)
        if len(scene.runs().starts) > count:
            count, changed = len(scene.runs().starts), time.monotonic()


async def _done(scene: Scene, since: float) -> Runs:
    """The runs when all jobs have been done and recorded and nothing more happens, or when the limit is over."""
    while len(scene.runs().ends) < scene.jobs and time.time() < since + LIMIT:
        await asyncio.sleep(LOOK)
        scene.run.steps.reach(time.time() - since)
    while scene.held() and time.time() < since + LIMIT:  # what was done and not recorded will run once more
        await asyncio.sleep(ASK)
        scene.run.steps.reach(time.time() - since)
    await asyncio.sleep(SETTLED)
    return scene.runs()


def _counts(scene: Scene, runs: Runs, since: float) -> Figures:
    """What went wrong: jobs that are gone without being done, that are still held, that were done more than once.

    What runs again at the end is not lost, whether or not the system counts it among the unfinished.
    """
    held, again = scene.held(), sum(runs.back(job, since) is not None for job in runs.running())
    return {"lost": max(0, scene.jobs - len(runs.ends) - held - again), "held": held, "twice": runs.twice()}


async def _supervise(scene: Scene) -> int:
    """Keep a worker running until cancelled; how often one was started."""
    starts = 0
    try:
        while True:
            with scene.worker() as worker:
                starts += 1
                while not worker.ended():  # noqa: ASYNC110 - it can only be asked
                    await asyncio.sleep(LOOK)
    except asyncio.CancelledError:
        return starts


async def _reached(scene: Scene, supervisor: asyncio.Task[int], count: int) -> None:
    """Wait until so many jobs have started."""
    deadline = time.monotonic() + START_SECONDS
    while len(scene.runs().starts) < count:
        if supervisor.done() or time.monotonic() > deadline:
            raise BenchmarkError(f"only {len(scene.runs().starts)} of {count} jobs were started within {START_SECONDS} s")
        await asyncio.sleep(LOOK)


async def _forgotten(run: Run) -> Figures:
    """How many waiting jobs a Redis with its defaults does not know after a crash."""
    if not isinstance(run.store, RedisServer):
        return {}
    async with _scene(run, SNAPSHOT_JOBS, 0) as scene:
        run.store.crashed(scene.database)
        return {"snapshots_lost": SNAPSHOT_JOBS - scene.held()}
