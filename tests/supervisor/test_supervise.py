"""The supervisor: it passes signals on, gives up loudly, and takes strangers for strangers."""

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pgqueue.supervisor import supervise
from pgqueue.supervisor.recycle import Recycling
from pgqueue.supervisor.supervise import Supervisor
from tests.supervisor.conftest import NewCrew, puppet
from tests.waiting import PATIENCE, auntil

Handlers = dict[int, Callable[[], None]]


@pytest.fixture
def handlers(monkeypatch: pytest.MonkeyPatch, new_crew: NewCrew) -> Handlers:
    """What the supervisor does at a signal; the test run keeps its own handlers."""
    found: Handlers = {}

    def add(loop: asyncio.AbstractEventLoop, number: int, call: Callable[..., None], *given: object) -> None:
        found[number] = lambda: call(*given)

    monkeypatch.setattr(asyncio.SelectorEventLoop, "add_signal_handler", add)
    return found


async def ends(running: "asyncio.Task[int]") -> int:
    async with asyncio.timeout(PATIENCE):
        return await running


async def test_it_gives_up_with_the_reason_when_no_process_becomes_ready(
    handlers: Handlers, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(supervise, "MOST_CRASHES", 2)
    running = asyncio.create_task(Supervisor(puppet("boot=crash"), 2).run())
    assert await ends(running) == 1
    assert (
        "giving up: no worker process becomes ready; each has ended 2 times: ValueError('no such table') (exit code 1)"
        in caplog.text
    )


async def test_it_says_that_none_was_ready_in_time(
    handlers: Handlers, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(supervise, "MOST_CRASHES", 1)
    running = asyncio.create_task(Supervisor(puppet("boot=never"), 1, Recycling(boot_timeout=0.2)).run())
    assert await ends(running) == 1
    assert "each has ended 1 times: its process did not become ready within boot_timeout and was killed" in caplog.text


async def test_it_does_not_give_up_once_a_process_was_ready(handlers: Handlers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervise, "MOST_CRASHES", 2)
    supervisor = Supervisor(puppet("ends=1"), 1)
    running = asyncio.create_task(supervisor.run())
    await auntil(lambda: supervisor._crew and any(v.failures > 3 for v in supervisor._crew.places().values()), "failures")
    assert not running.done()
    handlers[signal.SIGTERM]()
    assert await ends(running) == 0


async def test_it_ends_when_a_task_of_it_has_failed(
    handlers: Handlers, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Else probes would answer for ever what was true at that moment."""
    supervisor = Supervisor(puppet(), 1)

    def broken(*given: object) -> None:
        raise ValueError("what the processes say")

    monkeypatch.setattr(supervisor.published, "put", broken)
    assert await ends(asyncio.create_task(supervisor.run())) == 1
    assert "a task of the supervisor has ended" in caplog.text


async def test_what_no_process_can_run_ends_all_with_exit_code_2(handlers: Handlers) -> None:
    assert await ends(asyncio.create_task(Supervisor(puppet("ends=2"), 2).run())) == 2


async def test_sighup_replaces_all_one_after_another(handlers: Handlers, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    supervisor = Supervisor(puppet("boot=0.05,drain=0.05"), 3)
    running = asyncio.create_task(supervisor.run())
    await auntil(lambda: supervisor._crew and [s.state for s in supervisor._crew.statuses()] == ["ready"] * 3, "ready")
    assert supervisor._crew is not None
    crew, before, most = supervisor._crew, set(supervisor._crew.pids()), 0
    handlers[signal.SIGHUP]()
    while "all worker processes were replaced" not in caplog.text:
        assert not running.done()
        most = max(most, len(crew.pids()))
        await asyncio.sleep(0.002)
    await auntil(lambda: len(crew.pids()) == 3, "the end of the last old one")
    assert most == 4, "one after another"
    assert before.isdisjoint(crew.pids())
    handlers[signal.SIGTERM]()
    assert await ends(running) == 0


async def test_a_changed_file_replaces_all(handlers: Handlers, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "pgqueue.supervisor")
    file = tmp_path / "jobs.py"
    supervisor = Supervisor(puppet("boot=0.05"), 2, watched=[tmp_path])
    running = asyncio.create_task(supervisor.run())
    await auntil(lambda: supervisor._crew and [s.state for s in supervisor._crew.statuses()] == ["ready"] * 2, "ready")
    crew = supervisor._crew
    assert crew is not None
    before = set(crew.pids())

    def is_rolled() -> bool:
        file.write_text(f"# {time.monotonic()}")  # again and again until it is seen: watching begins a moment later
        return "jobs.py changed: rolling" in caplog.text

    await auntil(is_rolled, "the change is seen")
    await auntil(lambda: not before & set(crew.pids()) and len(crew.pids()) == 2, "others")
    (tmp_path / "notes.txt").write_text("of no interest")

    handlers[signal.SIGTERM]()
    assert await ends(running) == 0
    assert "notes.txt" not in caplog.text


async def test_a_signal_before_its_processes_have_started_starts_none(handlers: Handlers) -> None:
    supervisor = Supervisor(puppet(), 2)
    supervisor.stop()
    assert await ends(asyncio.create_task(supervisor.run())) == 0


async def test_a_second_signal_kills_what_drains(handlers: Handlers) -> None:
    supervisor = Supervisor(puppet("deaf", grace=60), 1, Recycling())
    running = asyncio.create_task(supervisor.run())
    await auntil(lambda: supervisor._crew and [s.state for s in supervisor._crew.statuses()] == ["ready"], "ready")
    handlers[signal.SIGTERM]()
    handlers[signal.SIGINT]()
    assert await ends(running) == 128 + signal.SIGINT


def test_strangers_are_reaped_and_own_processes_are_left_to_their_owners() -> None:
    """In a process of its own: this one has children of others."""
    code = """
import subprocess, time
from pgqueue.supervisor.reaper import is_first, reap_strangers
stranger, ours = subprocess.Popen(["true"]), subprocess.Popen(["sh", "-c", "exit 7"])
deadline = time.monotonic() + 20
reaped = 0
while ours.returncode is None or reaped == 0:
    assert time.monotonic() < deadline
    reaped += reap_strangers(lambda pid: pid == ours.pid)
    ours.poll()
print(reaped, ours.returncode, is_first(), reap_strangers(lambda pid: False))
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "1 7 False 0\n"
