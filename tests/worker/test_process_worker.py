"""Workers with handlers in processes: they run like others, and one that dies costs one attempt."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from pgqueue import PgQueue, Retry
from tests.looking import Look
from tests.waiting import auntil, until
from tests.worker import process_jobs
from tests.worker.conftest import burst, new_worker, working
from tests.worker.processes import InProcess, handler_processes, is_handler_process, runs

AT_ONCE = Retry(2, backoff="fixed", delay=0, jitter=False)


async def test_a_worker_runs_them_beside_the_others(async_app: PgQueue, look: Look, in_process: InProcess) -> None:
    echo = in_process(async_app, process_jobs.echo)

    @async_app.task
    async def here() -> int:
        return os.getpid()

    jobs = [echo.using(meta={"m": 1}).enqueue("x"), here.enqueue()]
    await burst(async_app)
    remote, local = [await job.aresult(timeout=0) for job in jobs]
    assert local == os.getpid()
    assert remote[:6] == [["x"], jobs[0].id, "echo", 1, {"m": 1}, {"value": "x"}]
    assert not handler_processes()


@pytest.mark.parametrize("how", [7, -9])
async def test_a_job_whose_process_died_runs_again_by_its_policy(
    async_app: PgQueue, look: Look, in_process: InProcess, how: int
) -> None:
    die = in_process(async_app, process_jobs.die, retry=AT_ONCE)
    job = die.enqueue(how)
    await burst(async_app)
    assert await job.aresult(timeout=0) == "alive"
    (error,) = look.job(job.id)["errors"]
    assert error["type"] == "pgqueue.errors.ProcessDied"
    assert ("exit code 7" if how == 7 else "SIGKILL") in error["message"]


async def test_a_failed_handler_is_kept_with_its_own_class_and_traceback(
    async_app: PgQueue, look: Look, in_process: InProcess
) -> None:
    fail = in_process(async_app, process_jobs.fail, retry=Retry(3, never=["tests.worker.process_jobs.Odd"]))
    job = fail.enqueue("a worker")
    await burst(async_app)
    row = look.job(job.id)
    assert (row["state"], row["attempt"]) == ("failed", 1)
    assert row["errors"][0]["type"] == "tests.worker.process_jobs.Odd"
    assert "raise Odd" in row["errors"][0]["traceback"]


async def test_a_stop_lets_a_process_end_within_the_grace_and_kills_it_afterwards(
    async_app: PgQueue, look: Look, in_process: InProcess, tmp_path: Path
) -> None:
    slow = in_process(async_app, process_jobs.slow)
    short, long = slow.enqueue(str(tmp_path / "short"), 1), slow.enqueue(str(tmp_path / "long"), 60)
    worker = new_worker(async_app, grace=2.0, concurrency=2)
    run = asyncio.create_task(worker.run())
    await auntil(lambda: all((tmp_path / name).exists() for name in ("short", "long")), "both jobs")
    worker.stop()
    await run
    assert look.state(short.id) == "succeeded"
    assert (look.state(long.id), look.job(long.id)["attempt"]) == ("ready", 0)
    await auntil(lambda: not handler_processes(), "the end of the process")  # its handler had 60 s to go


async def test_a_lost_lease_kills_the_process(database_url: str, look: Look, in_process: InProcess, tmp_path: Path) -> None:
    app = PgQueue(database_url, lease=1, process_pool_size=1)
    mark = tmp_path / "mark"
    job = in_process(app, process_jobs.slow).enqueue(str(mark), 60)
    async with working(app, grace=0.0):
        await auntil(lambda: mark.exists() and mark.read_text(), "the first run")
        first = mark.read_text()
        look.value("update worker set state = 'lost', heartbeat_at = now() - interval '1 hour'")
        await auntil(lambda: int(first) not in handler_processes(), "the end of the process")
        assert look.state(job.id) != "succeeded"
    await app.aclose()
    app.close()


WORKER = """
import asyncio, sys
from pgqueue import PgQueue
from pgqueue.worker import Worker, WorkerOptions
from tests.worker import process_jobs

def main():
    process_jobs.app.settings = PgQueue().settings
    handler, *given = sys.argv[1:]
    getattr(process_jobs, handler).enqueue_many(list(zip(given[::2], map(float, given[1::2]))))
    asyncio.run(Worker(process_jobs.app, WorkerOptions(concurrency=2, grace=20)).run())

if __name__ == "__main__":
    main()
"""


@pytest.fixture
def started(tmp_path: Path, database_url: str) -> Callable[..., subprocess.Popen[bytes]]:
    """Starts a worker as the leader of a process group, with a job for each mark and its seconds."""
    script = tmp_path / "run_worker.py"
    script.write_text(WORKER)

    def start(handler: str = "slow", wait: bool = True, **seconds: float) -> subprocess.Popen[bytes]:
        given = [text for name, value in seconds.items() for text in (str(tmp_path / name), str(value))]
        environment = {**os.environ, "PGQUEUE_DATABASE_URL": database_url, "PYTHONPATH": os.pathsep.join(sys.path)}
        worker = subprocess.Popen([sys.executable, script, handler, *given], env=environment, start_new_session=True)
        for name in seconds if wait else ():
            until(lambda name=name: (tmp_path / name).exists() and (tmp_path / name).read_text(), name)  # type: ignore[misc]
        return worker

    return start


def test_processes_do_not_outlive_a_killed_worker(started: Callable[..., subprocess.Popen[bytes]], tmp_path: Path) -> None:
    worker = started(idle=0, busy=60)
    until(lambda: (tmp_path / "idle").read_text() == "ended", "an idle process")
    children = psutil.Process(worker.pid).children()
    assert len(children) >= 2
    worker.kill()
    worker.wait()
    gone, alive = psutil.wait_procs(children, timeout=5)
    assert not alive
    assert int((tmp_path / "busy").read_text()) in {child.pid for child in gone}


def test_programs_of_handlers_do_not_outlive_a_killed_worker(
    started: Callable[..., subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    worker = started("program", mark=60)
    program = int((tmp_path / "mark").read_text())
    assert runs(program)
    worker.kill()
    worker.wait()
    until(lambda: not runs(program), "the end of the program", within=5.0)


def test_programs_with_a_session_of_their_own_do_not_outlive_a_killed_worker_either(
    started: Callable[..., subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    worker = started("family", mark=60)
    pids = [int(pid) for pid in (tmp_path / "mark").read_text().split()]
    assert all(map(runs, pids))
    worker.kill()
    worker.wait()
    until(lambda: not any(map(runs, pids)), "the end of the programs")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_the_whole_group_lets_handlers_in_processes_end(
    started: Callable[..., subprocess.Popen[bytes]], tmp_path: Path, look: Look, number: signal.Signals
) -> None:
    worker = started(one=2, two=2)
    os.killpg(worker.pid, number)
    assert worker.wait(30) == 0
    assert look.count("succeeded") == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_the_whole_group_does_not_end_a_process_that_starts(
    started: Callable[..., subprocess.Popen[bytes]], look: Look, number: signal.Signals
) -> None:
    worker = started(wait=False, one=0.1)
    until(lambda: any(is_handler_process(child) for child in psutil.Process(worker.pid).children()), "the process")
    os.killpg(worker.pid, number)
    assert worker.wait(30) == 0
    assert look.count("succeeded") == 1


def test_a_script_that_starts_a_worker_unguarded_is_told_so(tmp_path: Path, database_url: str, look: Look) -> None:
    """Each process imports the script that was started."""
    script = tmp_path / "unguarded.py"
    script.write_text(WORKER.replace('if __name__ == "__main__":\n    ', "").replace("grace=20", "burst=True, grace=1"))
    job = look.value('select enqueue(\'slow\', \'{"mark": "/dev/null", "seconds": 0}\')')
    environment = {**os.environ, "PGQUEUE_DATABASE_URL": database_url, "PYTHONPATH": os.pathsep.join(sys.path)}
    ran = subprocess.run(
        [sys.executable, script, "slow"], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == 0
    assert "guard the start: if __name__" in ran.stderr
    assert look.job(job)["errors"][0]["type"] == "pgqueue.errors.ProcessDied"
