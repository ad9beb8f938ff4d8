"""Where the time of one job goes: the processor time of everybody who takes part in a drain, for each job."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmarks.errors import BenchmarkError
from benchmarks.figures import Figures
from benchmarks.fleet.usage import process_seconds, server_roles
from benchmarks.run import Run
from benchmarks.worker import Command, Worker

SAMPLER = Path(__file__).parents[1] / "sampler.py"
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
        with Worker([_sampled(command) for command in commands]) as worker:
            run.steps.phase("draining", jobs)
            first = await _at(run, worker, row[0], database, round(jobs * FROM))
            last = await _at(run, worker, row[0], database, round(jobs * TO))
        with run.server.connect(database) as connection:
            times = connection.execute(IN_FUNCTIONS.encode()).fetchone()
    if times is None or not all(times):
        raise BenchmarkError("the server has not counted the time in its functions")
    return figures(first, last, *times)


def _sampled(command: Command) -> Command:
    """The same command under the sampler."""
    python, option, *module = command.arguments
    if option != "-m":
        raise BenchmarkError(f"{' '.join(command.arguments)} is no module that could be sampled")
    return Command([python, str(SAMPLER), *module], command.environment)


async def _at(run: Run, worker: Worker, postmaster: int, database: str, count: int) -> Reading:
    """What everybody has used when so many jobs have started."""
    await worker.wait_for(count, DRAIN_SECONDS)
    roles = server_roles(postmaster, database)
    roles["python"] = sum(process_seconds(pid) for pid in worker.busy_pids())
    run.steps.reach(count)
    return Reading(worker.done(), roles, worker.samples())


def figures(first: Reading, last: Reading, claiming: float, finishing: float) -> Figures:
    """Microseconds for each job: of the sessions, by how long they were in which function; of Python, by the samples."""
    jobs = last.jobs - first.jobs
    used = {role: 1e6 * (seconds - first.roles.get(role, 0)) / jobs for role, seconds in last.roles.items()}
    samples = {step: count - first.samples.get(step, 0) for step, count in last.samples.items()}
    all_samples = sum(samples.values())
    sessions, python = used["sessions"], used["python"]
    return {
        "jobs": jobs,
        "total_us": sum(used.values()),
        "claiming_us": sessions * claiming / (claiming + finishing),
        "finishing_us": sessions * finishing / (claiming + finishing),
        "wal_writer_us": used["wal_writer"],
        "others_us": used["others"],
        "python_us": python,
        **{f"python_{step}_us": python * count / all_samples for step, count in samples.items() if all_samples},
    }
