"""Where the time of one job goes: the processor time of everybody who takes part in a drain, for each job."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.errors import BenchmarkError
from benchmarks.figures import Figures
from benchmarks.fleet.usage import process_seconds, roles_of, server_seconds
from benchmarks.run import Run
from benchmarks.sampler import SAMPLES_VARIABLE
from benchmarks.worker import Command, Worker

JOBS = 200_000
FROM, TO = 0.2, 0.9
"""Shares of the jobs between which is measured."""

DRAIN_SECONDS = 600
POSTMASTER = "SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1)::int"
TRACK = "ALTER DATABASE \"{}\" SET track_functions = 'pl'"
IN_FUNCTIONS = (
    "SELECT coalesce(sum(total_time) FILTER (WHERE funcname = 'claim'), 0),"
    " coalesce(sum(total_time) FILTER (WHERE funcname = 'finish'), 0)"
    " FROM pg_stat_user_functions WHERE schemaname = 'pgqueue'"
)


@dataclass(frozen=True)
class Reading:
    """All that counts up, at a moment: jobs that have run, seconds of processor time by role, samples by step."""

    jobs: int
    roles: dict[str, float]
    samples: dict[str, int]


async def measure(run: Run) -> Figures:
    """Drain with one worker process; read what everybody has used at the beginning and at the end."""
    jobs = run.options.jobs or JOBS
    async with run.database() as database:
        with run.server.connect() as connection:
            row = connection.execute(POSTMASTER.encode()).fetchone()
            assert row is not None
            connection.execute(TRACK.format(database).encode())
        await run.preload(database, jobs)
        commands = run.system.commands(run.server.url(database), run.options.processes, run.options.handler)
        sampled = [Command(it.arguments, {**it.environment, SAMPLES_VARIABLE: "1"}) for it in commands]
        with Worker(sampled) as worker:
            run.steps.phase("draining", jobs)
            first = await _at(run, worker, row[0], database, round(jobs * FROM))
            last = await _at(run, worker, row[0], database, round(jobs * TO))
        with run.server.connect(database) as connection:
            times = connection.execute(IN_FUNCTIONS.encode()).fetchone()
    if times is None or not all(times):
        raise BenchmarkError("the server has not counted the time in its functions")
    return figures(first, last, *times)


async def _at(run: Run, worker: Worker, postmaster: int, database: str, count: int) -> Reading:
    """What everybody has used when so many jobs have started."""
    await worker.wait_for(count, DRAIN_SECONDS)
    roles = roles_of(postmaster, database)
    roles["server"] = server_seconds(postmaster)
    roles["python"] = sum(process_seconds(pid) for pid in worker.job_pids())
    run.steps.reach(count)
    return Reading(worker.done(), roles, worker.samples())


def figures(first: Reading, last: Reading, claiming: float, finishing: float) -> Figures:
    """Microseconds for each job: of the backends, by how long they were in which function; of Python, by the samples.

    A version that takes no samples has no steps of Python.
    """
    jobs = last.jobs - first.jobs
    used = {role: 1e6 * (seconds - first.roles.get(role, 0)) / jobs for role, seconds in last.roles.items()}
    samples = {step: count - first.samples.get(step, 0) for step, count in last.samples.items()}
    all_samples = sum(samples.values())
    backends, python = used["backends"], used["python"]
    others = max(0.0, used["server"] - backends - used["wal_writer"])
    return {
        "jobs": jobs,
        "total_us": used["server"] + python,
        "claiming_us": backends * claiming / (claiming + finishing),
        "finishing_us": backends * finishing / (claiming + finishing),
        "wal_writer_us": used["wal_writer"],
        "others_us": others,
        "python_us": python,
        **{f"python_{step}_us": python * count / all_samples for step, count in samples.items() if all_samples},
    }
