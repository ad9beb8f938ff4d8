"""Handlers in processes: they run like others, and one that dies costs one attempt."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from pgqueue import INJECTED, Inject, JobContext, PgQueue, Retry, Task
from pgqueue.errors import ConfigurationError, ProcessDied, RemoteError
from pgqueue.worker.process import Processes, Setup
from tests.looking import Look
from tests.waiting import auntil, until
from tests.worker import process_jobs
from tests.worker.conftest import burst, new_worker, working
from tests.worker.jobs import job, said

AT_ONCE = Retry(2, backoff="fixed", delay=0, jitter=False)


@asynccontextmanager
async def processes(size: int = 1) -> AsyncIterator[Processes]:
    """Processes without a worker."""
    pool = Processes(size, Setup("postgresql://of/worker", "of_worker", None))
    yield pool
    async with asyncio.timeout(20):
        await pool.close()


async def _run(pool: Processes, function: Callable[..., Any], **args: Any) -> dict[str, Any]:
    async with asyncio.timeout(30):
        return said(await pool.run(job(**args), function))


def _children() -> set[int]:
    return {child.pid for child in psutil.Process().children() if _is_handler_process(child)}


def _is_handler_process(child: psutil.Process) -> bool:
    try:
        return "spawn_main" in " ".join(child.cmdline())
    except psutil.Error:  # it has just ended
        return False


async def test_arguments_context_results_and_outcomes_cross_as_json() -> None:
    async with processes() as pool:
        outcome = await _run(pool, process_jobs.echo, value={"a": [1, "ü"]}, times=2)
        args = {"value": {"a": [1, "ü"]}, "times": 2}
        assert outcome["state"] == "succeeded"
        assert outcome["result"] == [[{"a": [1, "ü"]}] * 2, 1, "handler", 1, None, args, True, outcome["token"]]
        assert "result" not in await _run(pool, process_jobs.answer, kind="none")
        assert (await _run(pool, process_jobs.answer, kind="snooze"))["delay"] == 60
        assert (await _run(pool, process_jobs.answer, kind="cancel"))["error"]["message"] == "no"
        again = await _run(pool, process_jobs.answer, kind="retry")
        assert (again["state"], again["delay"], again["error"]["message"]) == ("failed", 60, "later")
        assert (await _run(pool, process_jobs.Reports.build))["result"] == "built"


async def test_what_a_handler_raises_arrives_as_text_and_its_process_goes_on() -> None:
    async with processes() as pool:
        first = (await _run(pool, process_jobs.where))["result"]
        with pytest.raises(RemoteError, match=r"process_jobs.Odd: of kind") as caught:
            await _run(pool, process_jobs.fail, kind="kind")
        assert caught.value.message == "of kind \ufffd"
        assert caught.value.types[:2] == ["tests.worker.process_jobs.Odd", "Exception"]
        assert "raise Odd" in str(caught.value.traceback)
        with pytest.raises(RemoteError, match="SystemExit: 3"):
            await _run(pool, process_jobs.fail, kind="exit")
        unstorable = await _run(pool, process_jobs.answer, kind="set")
        assert (unstorable["state"], unstorable["error"]["type"]) == ("failed", "TypeError")
        with pytest.raises(RemoteError, match="KeyError: 'unknown'"):
            await _run(pool, process_jobs.answer, kind="unknown")
        assert (await _run(pool, process_jobs.where))["result"] == first
        assert first[0] in _children()
    assert not _children()


@pytest.mark.parametrize(
    ("how", "said"), [(3, "ended with exit code 3"), (0, "ended with exit code 0"), (-9, "was killed by SIGKILL")]
)
async def test_a_process_that_dies_fails_its_own_run_and_is_replaced(how: int, said: str) -> None:
    async with processes(size=2) as pool:
        other = asyncio.create_task(_run(pool, process_jobs.slow, mark=os.devnull, seconds=1))
        with pytest.raises(ProcessDied, match=said):
            await _run(pool, process_jobs.die, how=how)
        assert (await _run(pool, process_jobs.where))["result"][0] in _children()
        assert (await other)["result"] == "ended"


async def test_a_process_that_dies_while_it_has_nothing_to_do_is_replaced() -> None:
    async with processes() as pool:
        (before, parent) = (await _run(pool, process_jobs.where))["result"]
        assert parent == os.getpid()
        os.kill(before, signal.SIGKILL)
        with suppress(ChildProcessError):
            os.waitpid(before, 0)  # noqa: ASYNC222 whoever reaps it: an init process in a container does, too
        assert (await _run(pool, process_jobs.where))["result"][0] != before


async def test_no_more_processes_run_than_the_pool_has_places(tmp_path: Path) -> None:
    async with processes(size=2) as pool:
        assert not _children()
        runs = [asyncio.create_task(_run(pool, process_jobs.slow, mark=os.devnull, seconds=0.2)) for _ in range(5)]
        await auntil(lambda: len(_children()) == 2, "two processes")
        for run in runs:
            assert (await run)["result"] == "ended"
            assert len(_children()) == 2


async def test_a_run_that_is_dropped_takes_its_process_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pgqueue.worker.process.LEAVE_WITHIN", 60.0)  # it is not asked to leave
    mark = tmp_path / "mark"
    async with processes() as pool:
        run = asyncio.create_task(_run(pool, process_jobs.slow, mark=str(mark), seconds=60))
        await auntil(lambda: mark.exists() and mark.read_text(), "the run")
        pid = int(mark.read_text())
        run.cancel()
        with suppress(asyncio.CancelledError):
            await run
        await auntil(lambda: pid not in _children(), "the end of the process", within=10.0)
        assert (await _run(pool, process_jobs.where))["result"][0] != pid
    assert mark.read_text() == str(pid)


async def test_the_signals_of_a_terminal_reach_neither_the_handler_nor_hold_for_the_programs_it_starts() -> None:
    async with processes() as pool:
        assert (await _run(pool, process_jobs.deaf, mark=""))["result"] == -signal.SIGTERM


async def test_the_app_in_the_process_uses_the_database_of_the_worker() -> None:
    async with processes() as pool:
        outcome = await _run(pool, process_jobs.settings.function)
    assert outcome["result"] == ["postgresql://of/worker", "of_worker"]


async def test_a_worker_runs_them_beside_the_others(async_app: PgQueue, look: Look) -> None:
    echo = async_app.task(executor="process")(process_jobs.echo)

    @async_app.task
    async def here() -> int:
        return os.getpid()

    jobs = [echo.using(meta={"m": 1}).enqueue("x"), here.enqueue()]
    await burst(async_app)
    remote, local = [await job.aresult(timeout=0) for job in jobs]
    assert local == os.getpid()
    assert remote[:6] == [["x"], jobs[0].id, "echo", 1, {"m": 1}, {"value": "x"}]
    assert not _children()


@pytest.mark.parametrize("how", [7, -9])
async def test_a_job_whose_process_died_runs_again_by_its_policy(async_app: PgQueue, look: Look, how: int) -> None:
    die = async_app.task(executor="process", retry=AT_ONCE)(process_jobs.die)
    job = die.enqueue(how)
    await burst(async_app)
    assert await job.aresult(timeout=0) == "alive"
    (error,) = look.job(job.id)["errors"]
    assert error["type"] == "pgqueue.errors.ProcessDied"
    assert ("exit code 7" if how == 7 else "SIGKILL") in error["message"]


async def test_a_failed_handler_is_kept_with_its_own_class_and_traceback(async_app: PgQueue, look: Look) -> None:
    fail = async_app.task(executor="process", retry=Retry(3, never=["tests.worker.process_jobs.Odd"]))(process_jobs.fail)
    job = fail.enqueue("a worker")
    await burst(async_app)
    row = look.job(job.id)
    assert (row["state"], row["attempt"]) == ("failed", 1)
    assert row["errors"][0]["type"] == "tests.worker.process_jobs.Odd"
    assert "raise Odd" in row["errors"][0]["traceback"]


async def test_a_stop_lets_a_process_end_within_the_grace_and_kills_it_afterwards(
    async_app: PgQueue, look: Look, tmp_path: Path
) -> None:
    slow = async_app.task(executor="process")(process_jobs.slow)
    short, long = slow.enqueue(str(tmp_path / "short"), 1), slow.enqueue(str(tmp_path / "long"), 60)
    worker = new_worker(async_app, grace=2.0, concurrency=2)
    run = asyncio.create_task(worker.run())
    await auntil(lambda: all((tmp_path / name).exists() for name in ("short", "long")), "both jobs")
    worker.stop()
    await run
    assert look.state(short.id) == "succeeded"
    assert (look.state(long.id), look.job(long.id)["attempt"]) == ("ready", 0)
    await auntil(lambda: not _children(), "the end of the process", within=1.0)


async def test_a_lost_lease_kills_the_process(database_url: str, look: Look, tmp_path: Path) -> None:
    app = PgQueue(database_url, lease=1, process_pool_size=1)
    mark = tmp_path / "mark"
    job = app.task(executor="process")(process_jobs.slow).enqueue(str(mark), 60)
    async with working(app, grace=0.0):
        await auntil(lambda: mark.exists() and mark.read_text(), "the first run")
        first = mark.read_text()
        look.value("update worker set state = 'lost', heartbeat_at = now() - interval '1 hour'")
        await auntil(lambda: int(first) not in _children(), "the end of the process")
        assert look.state(job.id) != "succeeded"
    await app.aclose()
    app.close()


WORKER = """
import asyncio, sys
from pgqueue import PgQueue
from pgqueue.worker import Worker, WorkerOptions
from tests.worker import process_jobs

def main():
    app = PgQueue()
    jobs = zip(sys.argv[1::2], map(float, sys.argv[2::2]))
    app.task(executor="process")(process_jobs.slow).enqueue_many(list(jobs))
    asyncio.run(Worker(app, WorkerOptions(concurrency=2, grace=20)).run())

if __name__ == "__main__":
    main()
"""


@pytest.fixture
def started(tmp_path: Path, database_url: str) -> Callable[..., subprocess.Popen[bytes]]:
    """Starts a worker as the leader of a process group, with a job `slow` for each mark and its seconds."""
    script = tmp_path / "run_worker.py"
    script.write_text(WORKER)

    def start(wait: bool = True, **seconds: float) -> subprocess.Popen[bytes]:
        given = [text for name, value in seconds.items() for text in (str(tmp_path / name), str(value))]
        environment = {**os.environ, "PGQUEUE_DATABASE_URL": database_url, "PYTHONPATH": os.pathsep.join(sys.path)}
        worker = subprocess.Popen([sys.executable, script, *given], env=environment, start_new_session=True)
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
    until(lambda: any(_is_handler_process(child) for child in psutil.Process(worker.pid).children()), "the process")
    os.killpg(worker.pid, number)
    assert worker.wait(30) == 0
    assert look.count("succeeded") == 1


async def test_large_arguments_and_results_cross() -> None:
    text = "x" * 3_000_000
    async with processes() as pool:
        assert (await _run(pool, process_jobs.echo, value=text))["result"][0] == [text]


async def test_idle_processes_end_by_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pgqueue.worker.process.LEAVE_WITHIN", 60.0)
    async with processes(size=2) as pool:
        await asyncio.gather(*(_run(pool, process_jobs.slow, mark=os.devnull, seconds=0.2) for _ in range(2)))
        assert len(_children()) == 2
    assert not _children()


def test_a_script_that_starts_a_worker_unguarded_is_told_so(tmp_path: Path, database_url: str, look: Look) -> None:
    """Each process imports the script that was started."""
    script = tmp_path / "unguarded.py"
    script.write_text(WORKER.replace('if __name__ == "__main__":\n    ', "").replace("grace=20", "burst=True, grace=1"))
    job = look.value('select enqueue(\'slow\', \'{"mark": "/dev/null", "seconds": 0}\')')
    environment = {**os.environ, "PGQUEUE_DATABASE_URL": database_url, "PYTHONPATH": os.pathsep.join(sys.path)}
    ran = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0
    assert "guard the start: if __name__" in ran.stderr
    assert look.job(job)["errors"][0]["type"] == "pgqueue.errors.ProcessDied"


def test_what_cannot_run_in_a_process_is_refused_when_it_is_declared(app: PgQueue) -> None:
    async def coroutine() -> None: ...

    def local() -> None: ...

    def in_main() -> None: ...

    in_main.__module__, in_main.__qualname__ = "__main__", "in_main"
    with pytest.raises(ConfigurationError, match=r"'coroutine' is async and cannot run in a process; make it a plain def"):
        app.task(executor="process")(coroutine)
    with pytest.raises(ConfigurationError, match=r"<locals>\.local' cannot be imported by its name; use a function at the top"):
        app.task(executor="process")(local)
    with pytest.raises(ConfigurationError, match=r"<lambda>' cannot be imported"):
        app.task(name="lambda", executor="process")(lambda: None)
    with pytest.raises(
        ConfigurationError, match=r"in the script that was started; move it to a module and start `pgqueue worker"
    ):
        app.task(executor="process")(in_main)
    assert app.tasks == {}


@pytest.mark.parametrize(("given", "allowed"), [("async", "'thread' or 'process'"), ("fork", "'process'")])
def test_an_executor_that_does_not_exist_or_fit_is_refused(app: PgQueue, given: Any, allowed: str) -> None:
    with pytest.raises(
        ConfigurationError, match=f"executor: '{given}' is not valid for task 'where'; use {allowed}, or leave it"
    ):
        app.task(executor=given)(process_jobs.where)


def _takes_injected(value: int, client: Inject[Task[..., Any]] = INJECTED) -> None: ...


def _hidden() -> None: ...


_hides = _hidden


@pytest.mark.parametrize("function", [_takes_injected, _hides])
async def test_what_no_process_could_call_is_refused_when_the_worker_starts(
    async_app: PgQueue, function: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    task = async_app.task(name="bad", executor="process")(function)
    monkeypatch.setattr(sys.modules[__name__], "_hidden", test_an_executor_that_does_not_exist_or_fit_is_refused)
    why = "remove the parameter 'client'" if task.parameters.injected else "finds something else under .*_hidden"
    with pytest.raises(ConfigurationError, match=f"task 'bad' runs in a process, .*{why}"):
        await new_worker(async_app).run()


def test_a_task_runs_where_its_function_belongs_unless_it_says_otherwise(app: PgQueue) -> None:
    async def coroutine(ctx: JobContext) -> None: ...

    assert app.task(coroutine).executor == "async"
    assert app.task(name="a", executor="thread")(process_jobs.where).executor == "thread"
    assert app.task(name="b", executor="process")(process_jobs.where).executor == "process"
