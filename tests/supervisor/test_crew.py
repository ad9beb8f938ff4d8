"""A crew keeps its places filled, and ends what it shall end."""

import asyncio
import logging
import os
import signal
import time
from contextlib import suppress

import psutil
import pytest

from tests.supervisor.conftest import NewCrew, puppet
from tests.waiting import auntil


async def test_a_process_that_dies_is_replaced_and_its_death_is_told(new_crew: NewCrew) -> None:
    watched = await new_crew()
    watched.crew.fill(1, puppet())
    await auntil(lambda: watched.state() == "ready", "ready")
    await auntil(lambda: watched.crew.statuses()[0].running == (7,), "a job that runs")
    await auntil(lambda: watched.crew.places()[1].rss > 0, "its memory")
    first = watched.pid()

    os.kill(first, signal.SIGKILL)

    await auntil(lambda: watched.state() == "ready" and watched.pid() != first, "another one")
    (death,) = watched.deaths
    assert death.worker_id == f"00000000-0000-0000-0000-{first:012}"
    assert (death.code, death.reason, death.running) == (-9, "killed", (7,))
    assert death.rss > 1_000_000
    assert str(death) == "its process was killed by signal SIGKILL"
    assert not psutil.pid_exists(first), "it is no zombie"


async def test_a_roll_starts_the_new_one_before_the_old_one_drains(new_crew: NewCrew) -> None:
    watched = await new_crew()
    watched.crew.fill(1, puppet("drain=0.3"))
    await auntil(lambda: watched.state() == "ready", "ready")
    old = watched.pid()

    rolled = watched.crew.roll(1, puppet("boot=0.1,jobs=3"))
    await auntil(lambda: len(watched.crew.pids()) == 2, "both")
    assert watched.pid() == old
    assert await rolled

    assert watched.pid() != old
    assert watched.crew.places()[1].status.done == 3
    assert watched.crew.places()[1].leaving == 1, "the old one drains, without a limit of time"
    await auntil(lambda: watched.crew.places()[1].leaving == 0, "its end")
    assert watched.deaths == []
    os.kill(watched.pid(), signal.SIGKILL)
    await auntil(lambda: len(watched.deaths) == 1 and watched.state() == "ready", "another one")
    assert watched.crew.places()[1].status.done == 3, "of the new launch"


@pytest.mark.parametrize("code", ["crash", "refused"])
async def test_a_roll_to_what_cannot_start_leaves_the_old_one_at_work(
    new_crew: NewCrew, caplog: pytest.LogCaptureFixture, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pgqueue.supervisor.crew.MOST_TRIES", 2)
    watched = await new_crew()
    watched.crew.fill(1, puppet())
    await auntil(lambda: watched.state() == "ready", "ready")
    old = watched.pid()

    assert await watched.crew.roll(1, puppet("boot=crash" if code == "crash" else "ends=2")) is (code == "refused")

    if code == "crash":
        assert watched.pid() == old
        assert watched.state() == "ready"
        assert "the one to replace it ended (ValueError('no such table') (exit code 1)); the old one works on" in caplog.text


async def test_a_place_is_left_at_once_or_when_its_handlers_have_ended(new_crew: NewCrew) -> None:
    watched = await new_crew()
    for number in (1, 2, 3):
        watched.crew.fill(number, puppet("drain=0.4"))
    await auntil(lambda: [watched.state(number) for number in (1, 2, 3)] == ["ready"] * 3, "ready")
    began = time.monotonic()

    watched.crew.leave(1, "drain")
    watched.crew.leave(2, "now")
    await auntil(lambda: 2 not in watched.crew.places(), "the end of the second")
    assert 1 in watched.crew.places()
    await auntil(lambda: 1 not in watched.crew.places(), "the end of the first")

    assert time.monotonic() - began >= 0.4
    assert sorted(watched.ended) == [(1, 0), (2, 0)]
    assert watched.state(3) == "ready"
    watched.crew.fill(1, puppet())
    await auntil(lambda: watched.state(1) == "ready", "it is filled again")


async def test_one_that_hears_no_signal_is_killed_after_the_grace(new_crew: NewCrew) -> None:
    watched = await new_crew()
    watched.crew.fill(1, puppet("deaf"))
    await auntil(lambda: watched.state() == "ready", "ready")

    watched.crew.leave(1, "now")
    async with asyncio.timeout(20):
        await watched.crew.until_empty()

    assert [death.reason for death in watched.deaths] == ["late"]


async def test_one_that_is_never_ready_is_killed_and_another_is_tried(
    new_crew: NewCrew, caplog: pytest.LogCaptureFixture
) -> None:
    watched = await new_crew(boot_timeout=0.3)
    watched.crew.fill(1, puppet("boot=never"))
    await auntil(lambda: len(watched.deaths) >= 2, "two deaths")
    assert {death.reason for death in watched.deaths} == {"boot"}
    assert "was not ready within boot_timeout, 0.3 s; it is killed" in caplog.text


async def test_waiting_for_the_database_does_not_count_as_booting(new_crew: NewCrew) -> None:
    watched = await new_crew()
    watched.crew.fill(1, puppet("away"))
    watched.crew.fill(2, puppet("boot=never"))
    await auntil(lambda: len(watched.crew.statuses()) == 2 and watched.crew.statuses()[0].worker, "the word of the first")
    away, never = (watched.crew._places[number].process for number in (1, 2))
    before = away._booted_for
    await auntil(lambda: never._booted_for > before + 0.3, "the time of the other")
    assert away._booted_for == before


@pytest.mark.parametrize("how", ["stopped", "silent", "turned=1000"])
async def test_one_that_gives_no_sign_of_life_is_killed(new_crew: NewCrew, how: str) -> None:
    watched = await new_crew(stuck_after=0.5)
    watched.crew.fill(1, puppet(how if how != "stopped" else ""))
    await auntil(lambda: watched.crew.has_worked, "ready")
    if how == "stopped":
        os.kill(watched.pid(), signal.SIGSTOP)
    await auntil(lambda: watched.deaths, "its death")
    assert (watched.deaths[0].reason, watched.deaths[0].code) == ("stuck", -9)


async def test_one_that_was_told_to_drain_leaves_its_place_empty_and_one_that_was_told_to_restart_does_not(
    new_crew: NewCrew, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    watched = await new_crew()
    watched.crew.fill(1, puppet("ends=0,told"))
    watched.crew.fill(2, puppet("ends=75,told,restart"))
    await auntil(lambda: watched.ended == [(1, 0)], "the first place is empty")
    await auntil(lambda: caplog.text.count("process 2 ended because it was told to restart; another starts at once") >= 2, "anew")
    assert 2 in watched.crew.places()
    assert watched.deaths == []


@pytest.mark.parametrize("code", [0, 2, 75])
@pytest.mark.parametrize("burst", [False, True])
async def test_a_handler_that_ends_its_process_ends_nothing_else_whatever_exit_code_it_uses(
    new_crew: NewCrew, code: int, burst: bool
) -> None:
    """2 would stop the whole fleet, 0 end the burst, and its jobs would wait for the lease."""
    watched = await new_crew()
    watched.crew.fill(1, puppet(f"ends={code},cut", burst=burst))
    await auntil(lambda: len(watched.deaths) >= 2, "two deaths")
    assert watched.ended == []
    assert (watched.deaths[0].code, watched.deaths[0].reason) == (code, "exited")
    assert watched.crew.places()[1].failures >= 1


@pytest.mark.parametrize("by", ["the crew", "others"])
async def test_programs_of_handlers_end_with_a_process_that_is_killed(new_crew: NewCrew, by: str) -> None:
    """Its jobs run again at once, and must not meet what their first run has started."""
    watched = await new_crew(stuck_after=0.5)
    watched.crew.fill(1, puppet("program,silent" if by == "the crew" else "program"))
    await auntil(lambda: watched.crew.statuses() and watched.crew.statuses()[0].running == (7,), "its job")
    (program,) = psutil.Process(watched.pid()).children()
    if by == "others":
        os.kill(watched.pid(), signal.SIGKILL)
    await auntil(lambda: watched.deaths, "its death")
    await auntil(lambda: not program.is_running() or program.status() == psutil.STATUS_ZOMBIE, "the end of the program")


async def test_a_look_that_fails_is_not_the_last_one(
    new_crew: NewCrew, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("pgqueue.supervisor.crew.FAILED_PAUSE", 0.01)
    watched = await new_crew()
    watched.crew.fill(1, puppet())
    await auntil(lambda: watched.state() == "ready", "ready")
    first = watched.pid()

    def broken(number: int, death: object) -> None:
        raise KeyError(number)

    watched.crew._on_death = broken
    os.kill(first, signal.SIGKILL)
    await auntil(lambda: watched.state() == "ready" and watched.pid() != first, "another one")
    watched.crew._on_death = lambda number, death: None
    assert "the look at the worker processes failed" in caplog.text


async def test_one_that_ends_although_nobody_has_told_it_is_replaced(new_crew: NewCrew) -> None:
    watched = await new_crew()
    watched.crew.fill(1, puppet())
    await auntil(lambda: watched.state() == "ready", "ready")
    first = watched.pid()
    os.kill(first, signal.SIGTERM)
    await auntil(lambda: watched.state() == "ready" and watched.pid() != first, "another one")


async def test_a_burst_ends_with_its_processes(new_crew: NewCrew) -> None:
    watched = await new_crew()
    for number in (1, 2):
        watched.crew.fill(number, puppet("ends=0", burst=True))
    async with asyncio.timeout(20):
        await watched.crew.until_empty()
    assert sorted(watched.ended) == [(1, 0), (2, 0)]


async def test_few_processes_boot_at_once(new_crew: NewCrew, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pgqueue.supervisor.crew.whole_cores", lambda: 2)
    watched, most = await new_crew(), 0
    for number in range(8):
        watched.crew.fill(number, puppet("boot=0.05"))
    deadline = time.monotonic() + 20
    while not all(watched.state(number) == "ready" for number in range(8)) and time.monotonic() < deadline:
        most = max(most, sum(watched.state(number) == "booting" for number in range(8)))
        await asyncio.sleep(0.005)
    assert len(watched.crew.pids()) == 8
    assert most <= 2


async def test_processes_share_no_socket_and_no_pipe_with_others(new_crew: NewCrew) -> None:
    watched = await new_crew()
    for number in (1, 2):
        watched.crew.fill(number, puppet())
    await auntil(lambda: [watched.state(1), watched.state(2)] == ["ready"] * 2, "ready")

    def opened(pid: int) -> set[str]:
        links = set()
        for fd in os.listdir(f"/proc/{pid}/fd"):
            with suppress(FileNotFoundError):  # the one of the listing itself
                if int(fd) > 2:  # stdin to stderr are for all
                    links.add(os.readlink(f"/proc/{pid}/fd/{fd}"))
        return {link for link in links if link.startswith(("socket:", "pipe:"))}

    ours, first, second = opened(os.getpid()), opened(watched.pid(1)), opened(watched.pid(2))
    assert first.isdisjoint(second)
    assert {link for link in first | second if link.startswith("socket:")} == set()
    assert len(first - ours) == 0, "only the two pipes to the crew"


async def test_stacks_are_asked_of_all_that_are_ready(new_crew: NewCrew, capfd: pytest.CaptureFixture[str]) -> None:
    watched = await new_crew()
    watched.crew.fill(1, puppet())
    await auntil(lambda: watched.state(1) == "ready", "ready")
    watched.crew.fill(2, puppet("boot=never"))
    watched.crew.look()
    pids = set(watched.crew.pids())
    watched.crew.dump()
    said = ""

    def has_said() -> bool:
        nonlocal said
        said += capfd.readouterr().err
        return f"stacks of {watched.pid(1)}" in said

    await auntil(has_said, "its stacks")
    assert set(watched.crew.pids()) == pids, "the signal has ended none"
