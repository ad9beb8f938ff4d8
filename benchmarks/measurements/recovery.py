"""Recovery: what becomes of jobs whose worker is killed, and of a drain whose server crashes and comes back."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.errors import BenchmarkError
from benchmarks.figures import Figures
from benchmarks.journal import Runs, read
from benchmarks.recorder import JOURNAL_VARIABLE, SECONDS_VARIABLE
from benchmarks.redis_server import APPENDING, RedisServer
from benchmarks.run import Run
from benchmarks.worker import START_SECONDS, Worker

TEXT = """\
A worker with 50 jobs of 5 s (or twice as many as it runs at once) is killed by `kill -9` with all its processes, and another
one is started at once: seconds from the kill until all of the interrupted jobs run again, and until the first does, jobs that
are gone, and jobs done to the end more than once. Then a drain of jobs of 0.25 s, in whose first third the server crashes and
is started again (`pg_ctl restart -m immediate`): how long it was away, the longest time from the crash on in which no job
started for the first time, the time until all jobs were done, and how often the worker ended over it and was started again.
Redis runs with `appendonly yes`, as it advises; the last column says how many of 1,000 waiting jobs a crash takes with its defaults."""

LIMIT = 90.0
"""So long is waited, in seconds; what is not back by then is said not to be."""

JOBS = 50
AT_ONCE = 100
"""Taken for a system that has no such number."""

KILLED_SECONDS = 5.0
"""What a job takes whose worker is killed."""

DRAINED_SECONDS = 0.25
DRAINED_ROUNDS = 40
"""A drain that the server's crash interrupts: so many jobs one after the other in each place of the worker, 10 s."""

SNAPSHOT_JOBS = 1_000
CRASH_AT = 0.25  # of the drain
QUIET = 2.0  # seconds without another start: the worker runs all that it runs at once
SETTLED = 3.0  # seconds after the last job, in which a second run would show itself
LOOK = 0.02


@dataclass(frozen=True)
class Scene:
    """One database with jobs whose runs are noted."""

    run: Run
    database: str
    journal: Path
    jobs: int
    seconds: float

    @contextmanager
    def worker(self) -> Iterator[Worker]:
        """A worker, as whatever supervises it would start it."""
        noted = {JOURNAL_VARIABLE: str(self.journal), SECONDS_VARIABLE: str(self.seconds)}
        url = self.run.url(self.database)
        commands = self.run.system.commands(url, 1, self.run.options.handler)
        with Worker([replace(it, environment={**it.environment, **noted}) for it in commands]) as worker:
            yield worker

    def runs(self) -> Runs:
        """What has been noted so far."""
        return read(self.journal)

    def lost(self, runs: Runs) -> int:
        """Jobs that were not done and that the system does not know any more."""
        unfinished = self.jobs - self.run.finished(self.database, self.jobs)
        return max(0, self.jobs - len(runs.ends) - unfinished)


async def measure(run: Run) -> Figures:
    """Both, one after the other, each in a database of its own.

    Redis first loses what it loses with its defaults, and then runs with the settings that it advises against that.
    """
    if not isinstance(run.store, RedisServer):
        return {**await _killed(run), **await _crashed(run)}
    lost = await _forgotten(run)
    appending = replace(run)
    appending.store = RedisServer(APPENDING)
    return {**await _killed(appending), **await _crashed(appending), "snapshots_lost": lost}


@asynccontextmanager
async def _scene(run: Run, jobs: int, seconds: float) -> AsyncIterator[Scene]:
    """A database in which so many jobs wait; a job carries its number, negative, where others carry a time."""
    with tempfile.TemporaryDirectory(prefix="benchmark-recovery-") as directory:
        journal = Path(directory, "runs")
        async with run.database() as database:
            run.steps.phase("enqueueing", jobs)
            async with run.system.producer(run.url(database)) as producer:
                for number in range(1, jobs + 1):
                    await producer.enqueue(-float(number))
            yield Scene(run, database, journal, jobs, seconds)


async def _killed(run: Run) -> Figures:
    """Kill a worker in the middle of its jobs, start another, and see when they run again."""
    jobs = min(JOBS, 2 * (run.system.concurrency or JOBS))
    async with _scene(run, jobs, KILLED_SECONDS) as scene:
        with scene.worker() as worker:
            await _started(scene, worker)
            worker.kill()
            at = time.time()
        hit = scene.runs().running()
        with scene.worker():
            run.steps.phase("waiting for the jobs of a killed worker", LIMIT)
            runs = await _done(scene, at)
        back = [runs.back(job, at) for job in hit]
        lost = scene.lost(runs)
    known = [seconds for seconds in back if seconds is not None]
    return {
        "interrupted": len(hit),
        **({"back_first_seconds": min(known)} if known else {}),
        **({"back_seconds": max(known)} if len(known) == len(hit) else {}),
        "kill_lost": lost,
        "kill_twice": runs.twice(),
    }


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
    """The runs when all jobs have been done and nothing more happens, or when the limit is over."""
    while len(scene.runs().ends) < scene.jobs and time.time() < since + LIMIT:
        await asyncio.sleep(LOOK)
        scene.run.steps.reach(time.time() - since)
    await asyncio.sleep(SETTLED)
    return scene.runs()


async def _crashed(run: Run) -> Figures:
    """Crash the server in the middle of a drain; a worker that ends over it is started again, as systemd would."""
    jobs = DRAINED_ROUNDS * (run.system.concurrency or AT_ONCE)
    async with _scene(run, jobs, DRAINED_SECONDS) as scene:
        supervisor = asyncio.create_task(_supervise(scene))
        try:
            await _reached(scene, supervisor, round(CRASH_AT * jobs))
            at = time.time()
            await asyncio.to_thread(run.store.crashed, scene.database)
            down = time.time() - at
            run.steps.phase("waiting for the drain to go on", LIMIT)
            runs = await _done(scene, at)
        finally:
            supervisor.cancel()
            starts = await supervisor
        lost = scene.lost(runs)
    pause, all_done = runs.pause(at), len(runs.ends) == jobs
    return {
        "down_seconds": down,
        **({"pause_seconds": pause} if pause is not None else {}),
        **({"done_seconds": runs.last_end() - at} if all_done else {}),
        "crash_lost": lost,
        "crash_twice": runs.twice(),
        "worker_restarts": starts - 1,
    }


async def _forgotten(run: Run) -> int:
    """How many of the waiting jobs a Redis with its defaults does not know after a crash."""
    async with _scene(run, SNAPSHOT_JOBS, 0) as scene:
        run.store.crashed(scene.database)
        return run.finished(scene.database, SNAPSHOT_JOBS)


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
