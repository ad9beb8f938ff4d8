"""Processes for handlers, without a worker: what crosses, and what becomes of one that dies or is dropped."""

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from pgqueue.errors import ProcessDied, RemoteError
from tests.waiting import auntil
from tests.worker import process_jobs
from tests.worker.processes import handler_processes, processes, run_in, runs


async def test_arguments_context_results_and_outcomes_cross_as_json() -> None:
    async with processes() as pool:
        outcome = await run_in(pool, process_jobs.echo, value={"a": [1, "ü"]}, times=2)
        args = {"value": {"a": [1, "ü"]}, "times": 2}
        assert outcome["state"] == "succeeded"
        assert outcome["result"] == [[{"a": [1, "ü"]}] * 2, 1, "handler", 1, None, args, True, outcome["token"]]
        assert "result" not in await run_in(pool, process_jobs.answer, kind="none")
        assert (await run_in(pool, process_jobs.answer, kind="snooze"))["delay"] == 60
        assert (await run_in(pool, process_jobs.answer, kind="cancel"))["error"]["message"] == "no"
        again = await run_in(pool, process_jobs.answer, kind="retry")
        assert (again["state"], again["delay"], again["error"]["message"]) == ("failed", 60, "later")
        assert (await run_in(pool, process_jobs.Reports.build))["result"] == "built"


async def test_what_a_handler_raises_arrives_as_text_and_its_process_goes_on() -> None:
    async with processes() as pool:
        first = (await run_in(pool, process_jobs.where))["result"]
        with pytest.raises(RemoteError, match=r"process_jobs.Odd: of kind") as caught:
            await run_in(pool, process_jobs.fail, kind="kind")
        assert caught.value.message == "of kind \ufffd"
        assert caught.value.types[:2] == ["tests.worker.process_jobs.Odd", "Exception"]
        assert "raise Odd" in str(caught.value.traceback)
        with pytest.raises(RemoteError, match="SystemExit: 3"):
            await run_in(pool, process_jobs.fail, kind="exit")
        unstorable = await run_in(pool, process_jobs.answer, kind="set")
        assert (unstorable["state"], unstorable["error"]["type"]) == ("failed", "TypeError")
        with pytest.raises(RemoteError, match="KeyError: 'unknown'"):
            await run_in(pool, process_jobs.answer, kind="unknown")
        assert (await run_in(pool, process_jobs.where))["result"] == first
        assert first[0] in handler_processes()
    assert not handler_processes()


@pytest.mark.parametrize(
    ("how", "said"), [(3, "ended with exit code 3"), (0, "ended with exit code 0"), (-9, "was killed by SIGKILL")]
)
async def test_a_process_that_dies_fails_its_own_run_and_is_replaced(how: int, said: str) -> None:
    async with processes(size=2) as pool:
        other = asyncio.create_task(run_in(pool, process_jobs.slow, mark=os.devnull, seconds=1))
        with pytest.raises(ProcessDied, match=said):
            await run_in(pool, process_jobs.die, how=how)
        assert (await run_in(pool, process_jobs.where))["result"][0] in handler_processes()
        assert (await other)["result"] == "ended"


async def test_a_process_that_dies_while_it_has_nothing_to_do_is_replaced() -> None:
    async with processes() as pool:
        (before, parent) = (await run_in(pool, process_jobs.where))["result"]
        assert parent == os.getpid()
        os.kill(before, signal.SIGKILL)
        with suppress(ChildProcessError):
            os.waitpid(before, 0)  # noqa: ASYNC222 whoever reaps it: an init process in a container does, too
        assert (await run_in(pool, process_jobs.where))["result"][0] != before


async def test_no_more_processes_run_than_the_pool_has_places(tmp_path: Path) -> None:
    async with processes(size=2) as pool:
        assert not handler_processes()
        runs = [asyncio.create_task(run_in(pool, process_jobs.slow, mark=os.devnull, seconds=0.2)) for _ in range(5)]
        await auntil(lambda: len(handler_processes()) == 2, "two processes")
        for run in runs:
            assert (await run)["result"] == "ended"
            assert len(handler_processes()) == 2


async def test_a_run_that_is_dropped_takes_its_process_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pgqueue.worker.spawned.LEAVE_WITHIN", 60.0)  # it is not asked to leave
    mark = tmp_path / "mark"
    async with processes() as pool:
        run = asyncio.create_task(run_in(pool, process_jobs.slow, mark=str(mark), seconds=60))
        await auntil(lambda: mark.exists() and mark.read_text(), "the run")
        pid = int(mark.read_text())
        run.cancel()
        with suppress(asyncio.CancelledError):
            await run
        await auntil(lambda: pid not in handler_processes(), "the end of the process", within=10.0)
        assert (await run_in(pool, process_jobs.where))["result"][0] != pid
    assert mark.read_text() == str(pid)


@pytest.mark.parametrize("how", ["dropped", "killed"])
async def test_the_programs_of_a_run_end_with_its_process(tmp_path: Path, how: str) -> None:
    mark = tmp_path / "mark"
    async with processes() as pool:
        run = asyncio.create_task(run_in(pool, process_jobs.program, mark=str(mark), seconds=60))
        await auntil(lambda: mark.exists() and mark.read_text(), "the program")
        program = int(mark.read_text())
        if how == "dropped":
            run.cancel()
        else:
            os.kill(psutil.Process(program).ppid(), signal.SIGKILL)
        with pytest.raises((asyncio.CancelledError, ProcessDied)):
            await run
        await auntil(lambda: not runs(program), "the end of the program", within=10.0)


async def test_the_signals_of_a_terminal_reach_neither_the_handler_nor_hold_for_the_programs_it_starts() -> None:
    async with processes() as pool:
        assert (await run_in(pool, process_jobs.deaf, mark=""))["result"] == -signal.SIGTERM


async def test_the_app_in_the_process_uses_the_database_of_the_worker() -> None:
    async with processes() as pool:
        outcome = await run_in(pool, process_jobs.settings)
    assert outcome["result"] == ["postgresql://of/worker", "of_worker"]


async def test_large_arguments_and_results_cross_and_the_largest_result_is_that_of_the_app() -> None:
    text = "x" * 3_000_000
    async with processes() as pool:
        assert (await run_in(pool, process_jobs.echo, value=text))["result"][0] == [text]
        outcome = await run_in(pool, process_jobs.echo, value="x" * 4_000_000)
    assert (outcome["state"], outcome["error"]["type"]) == ("failed", "pgqueue.errors.ResultTooLarge")
    assert "max_result_bytes is 7000000" in outcome["error"]["message"]


async def test_idle_processes_end_by_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pgqueue.worker.spawned.LEAVE_WITHIN", 60.0)
    async with processes(size=2) as pool:
        await asyncio.gather(*(run_in(pool, process_jobs.slow, mark=os.devnull, seconds=0.2) for _ in range(2)))
        assert len(handler_processes()) == 2
    assert not handler_processes()
