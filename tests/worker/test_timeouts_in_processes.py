"""Handlers in processes: a timeout ends the process with everything that it has started."""

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
import uuid
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from pgqueue import JobContext, PgQueue, Timeout
from pgqueue.worker.process import Processes
from pgqueue.worker.spawned import Child
from pgqueue.worker.tree import kill_all, kill_tree
from tests.looking import Look
from tests.waiting import auntil, until
from tests.worker import process_jobs
from tests.worker.conftest import working
from tests.worker.jobs import timed_job
from tests.worker.processes import InProcess, handler_processes, processes, run_in, runs
from tests.worker.timed import time_out


def _pids(mark: Path) -> list[int]:
    return [int(pid) for pid in mark.read_text().split()] if mark.exists() else []


async def test_the_whole_family_of_a_run_is_killed_at_its_timeout(
    async_app: PgQueue, look: Look, in_process: InProcess, tmp_path: Path
) -> None:
    family = in_process(async_app, process_jobs.family, retry=0)
    mark = tmp_path / "mark"
    job = family.enqueue(str(mark), 600)
    look.rows("""update job set terms = '{"timeout": 3600}'""")
    async with working(async_app) as worker:
        await auntil(lambda: len(_pids(mark)) == 3, "the family")
        assert all(map(runs, _pids(mark)))
        time_out(worker._parts.slots.timeouts)
        await auntil(lambda: look.state(job.id) == "failed", "the outcome")
        assert not any(map(runs, _pids(mark))), "they are dead before the job may run again"
        assert not worker._parts.slots.abandoned._slots
    row = look.job(job.id)
    assert (row["reason"], row["errors"][0]["type"]) == ("timeout", "pgqueue.errors.Timeout")


@pytest.mark.parametrize("how", ["dropped", "died", "closed"])
async def test_the_whole_family_is_killed_however_a_process_is(tmp_path: Path, how: str) -> None:
    mark = tmp_path / "mark"
    async with processes() as pool:
        run = asyncio.create_task(run_in(pool, process_jobs.family, mark=str(mark), seconds=600))
        await auntil(lambda: len(_pids(mark)) == 3, "the family")
        if how == "died":  # what is left of it cannot be found by its parents any more
            psutil.Process(_pids(mark)[0]).kill()
        else:
            run.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await run
    first, *others = _pids(mark)
    assert not runs(first)
    if how == "died":
        kill_all([psutil.Process(pid) for pid in others])
    else:
        assert not any(map(runs, others))


async def test_what_a_handler_has_left_behind_ends_with_its_process(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    async with processes() as pool:
        await run_in(pool, process_jobs.leave, mark=str(mark))
        assert all(map(runs, _pids(mark))), "it may work on while the process is kept"
    until(lambda: not any(map(runs, _pids(mark))), "the end of the program")


async def test_the_kill_does_not_wait_for_the_threads_of_the_loop(tmp_path: Path) -> None:
    """Handlers may hold all of them."""
    mark = tmp_path / "mark"
    gate = threading.Event()
    async with processes() as pool:
        run = asyncio.create_task(run_in(pool, process_jobs.slow, mark=str(mark), seconds=600))
        await auntil(lambda: mark.exists() and mark.read_text(), "the run")
        holding = [asyncio.get_running_loop().run_in_executor(None, gate.wait, 60) for _ in range(100)]
        run.cancel()
        with suppress(asyncio.CancelledError):
            await run
        assert int(mark.read_text()) not in handler_processes()
        gate.set()
        await asyncio.gather(*holding)


async def test_a_run_that_is_cancelled_again_still_waits_for_the_end_of_its_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that has passed its timeout is cancelled every half second, and a kill may take longer."""
    mark, gate, kill = tmp_path / "mark", threading.Event(), Child.kill
    monkeypatch.setattr(Child, "kill", lambda child: (gate.wait(60), kill(child)))
    async with processes() as pool:
        run = asyncio.create_task(run_in(pool, process_jobs.slow, mark=str(mark), seconds=600))
        await auntil(lambda: mark.exists() and mark.read_text(), "the run")
        for _ in range(3):
            run.cancel()
            await asyncio.sleep(0.05)
            assert not run.done()
        gate.set()
        with suppress(asyncio.CancelledError):
            await run
        assert not runs(int(mark.read_text()))


async def test_the_clock_starts_when_the_process_is_ready(tmp_path: Path) -> None:
    """Neither the wait for a free process nor its start counts, nor the import of the handler."""
    started: list[int] = []
    async with processes() as pool:
        pool._on_started = lambda job: started.append(job.id)
        mark = tmp_path / "mark"
        first = asyncio.create_task(
            pool.run(timed_job(1, args={"mark": str(mark), "seconds": 1}, timeout=60), process_jobs.slow.function)
        )
        second = asyncio.create_task(pool.run(timed_job(2, timeout=60), process_jobs.where.function))
        assert started == []
        await auntil(lambda: mark.exists(), "the first one")
        assert started == [1]
        await first
        await second
        assert started == [1, 2]


async def test_a_handler_in_a_process_knows_how_much_time_is_left() -> None:
    async with processes() as pool:

        def start(job: JobContext) -> None:
            job.clock_at = time.perf_counter()

        pool._on_started = start
        assert 0 < float(await _result(pool, timed_job(timeout=60))) <= 60
        pool._on_started = lambda job: None
        assert await _result(pool, timed_job(schedule="nightly")) == "null"


async def _result(pool: Processes, job: JobContext) -> str:
    outcome = await pool.run(job, process_jobs.time_left.function)
    return json.dumps(json.loads(outcome.json).get("result"))


async def test_a_job_whose_deadline_passes_while_it_waits_for_a_process_does_not_start(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    async with processes() as pool:
        pool._on_started = lambda job: setattr(job, "timed_out", True)
        with pytest.raises(Timeout, match="the deadline of job 1 passed while it waited"):
            await pool.run(timed_job(args={"mark": str(mark), "seconds": 1}, left=0), process_jobs.slow.function)
    assert not mark.exists()


async def test_a_job_does_not_wait_for_a_process_beyond_its_deadline(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    async with processes() as pool:
        first = asyncio.create_task(run_in(pool, process_jobs.slow, mark=str(mark), seconds=600))
        await auntil(lambda: mark.exists(), "the first one")
        late = timed_job(2, left=0.1)
        with pytest.raises(Timeout, match="the deadline of job 2 passed while it waited"):
            async with asyncio.timeout(20):
                await pool.run(late, process_jobs.where.function)
        assert late.timed_out
        first.cancel()
        with suppress(asyncio.CancelledError):
            await first
        await run_in(pool, process_jobs.where)  # the place is free


def test_the_group_of_another_process_with_the_same_number_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    killed: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "killpg", lambda *group: killed.append(group))
    program = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    try:
        ended = psutil.Process(program.pid)
        ended._ident = (program.pid, 1.0)  # it was started long before
        assert kill_tree(ended, lambda: None)
        assert killed == []
        assert runs(program.pid)
    finally:
        program.kill()
        program.wait()


def _marked(mark: str) -> list[psutil.Process]:
    """The processes that run with this mark in their command."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        if mark in " ".join(process.info["cmdline"] or ()) and runs(process.pid):
            found.append(process)
    return found


def test_a_program_that_starts_others_all_the_time_is_killed_with_all_of_them() -> None:
    mark = f"storm {uuid.uuid4()}"
    forks = (
        f"# {mark}\nimport os, time\nprint('up', flush=True)\n"
        "while True:\n    if os.fork() == 0:\n        os.setsid(); time.sleep(60); os._exit(0)\n    time.sleep(0.001)"
    )
    program = subprocess.Popen([sys.executable, "-c", forks], start_new_session=True, stdout=subprocess.PIPE)
    assert program.stdout is not None
    program.stdout.readline()
    root = psutil.Process(program.pid)
    until(lambda: len(root.children()) > 20, "its children")
    try:
        assert kill_tree(root, program.kill)
        program.wait(10)
        assert _marked(mark) == []
    finally:
        kill_all(_marked(mark))
    program.stdout.close()
    assert kill_tree(root, program.kill), "what is gone is no error"
