"""Processes are replaced after jobs, by memory and after a time: one at a time, and never in a loop."""

import asyncio
import os
import time

import pytest

from pgqueue.errors import ConfigurationError
from pgqueue.supervisor.recycle import Limits, Recycling
from pgqueue.worker.status import Status
from tests.supervisor.conftest import NewCrew, puppet
from tests.waiting import PATIENCE, auntil


async def test_after_its_jobs_a_process_is_replaced_and_the_new_one_is_there_first(
    new_crew: NewCrew, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    watched = await new_crew(max_jobs=10)
    watched.crew.fill(1, puppet("jobs=10,boot=0.1"))
    await auntil(lambda: watched.state() == "ready", "ready")
    first, least = watched.pid(), 9
    deadline = time.monotonic() + PATIENCE
    while watched.pid() == first:
        assert time.monotonic() < deadline
        least = min(least, len(watched.crew.pids()))
        await asyncio.sleep(0.005)
    assert least >= 1
    assert "worker process 1 is replaced: it has run 10 jobs" in caplog.text
    assert watched.deaths == []


async def test_one_is_replaced_at_a_time(new_crew: NewCrew) -> None:
    watched = await new_crew(max_lifetime=0.2)
    for number in range(4):
        watched.crew.fill(number, puppet("boot=0.05,drain=0.1"))
    await auntil(lambda: all(watched.state(number) == "ready" for number in range(4)), "ready")
    first = {watched.pid(number) for number in range(4)}
    most = 4
    deadline = time.monotonic() + PATIENCE
    while first & {watched.pid(number) for number in range(4)}:
        assert time.monotonic() < deadline, "the ones that were replaced first come again before the others"
        most = max(most, len(watched.crew.pids()))
        await asyncio.sleep(0.002)
    assert most == 5


async def test_above_the_soft_limit_it_is_replaced_once_it_has_worked(
    new_crew: NewCrew, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    watched = await new_crew(max_memory=60_000_000, settle=0.1)
    watched.crew.fill(1, puppet("mb=100,jobs=1"))
    await auntil(lambda: watched.state() == "ready", "ready")
    first = watched.pid()
    await auntil(lambda: watched.pid() != first and watched.state() == "ready", "another one")
    assert "max_memory is 60 MB" in caplog.text


async def test_above_the_soft_limit_from_its_start_it_is_told_once_and_not_replaced_in_a_loop(
    new_crew: NewCrew, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    watched = await new_crew(max_memory=60_000_000, settle=0.1)
    for number in (1, 2):
        watched.crew.fill(number, puppet("mb=100"))
    await auntil(lambda: [watched.state(1), watched.state(2)] == ["ready"] * 2, "ready")
    pids = watched.crew.pids()
    await auntil(lambda: min(view.age for view in watched.crew.places().values()) > 0.5, "some time")
    assert watched.crew.pids() == pids
    assert caplog.text.count("before its first job; max_memory is 60 MB") == 1
    assert "is replaced" not in caplog.text


async def test_above_the_hard_limit_it_is_killed_at_once_and_the_death_says_so(new_crew: NewCrew) -> None:
    watched = await new_crew(max_memory_hard=60_000_000)
    watched.crew.fill(1, puppet("mb=100"))
    await auntil(lambda: watched.deaths, "its death")
    death = watched.deaths[0]
    assert (death.reason, death.code) == ("memory", -9)
    assert death.rss > 60_000_000
    assert str(death) == f"out of memory: {death.rss // 1_000_000} MB"


def test_the_limits_of_processes_differ_a_little_and_are_never_higher() -> None:
    recycling = Recycling(max_jobs=1000, max_lifetime=1000.0)
    reached = [min(n for n in range(1100) if Limits(recycling).exceeded(Status(done=n), 0, 0.0)) for _ in range(20)]
    assert 900 <= min(reached) < max(reached) <= 1000
    assert Limits(Recycling(max_jobs=1)).exceeded(Status(failed=1), 0, 0.0) == "it has run 1 jobs"
    assert Limits(recycling).exceeded(Status(), 0, 1000.0) == "it has run for 1000 s"
    assert Limits(Recycling()).exceeded(Status(done=10**9), 10**12, 1e9) is None


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"max_jobs": 0}, "max_jobs: 0 is not valid; use a value above 0"),
        ({"max_lifetime": float("nan")}, "max_lifetime: nan is not valid"),
        ({"boot_timeout": -1}, "boot_timeout: -1 is not valid"),
        ({"max_memory": 5, "max_memory_hard": 5}, "max_memory_hard: 5 is not above max_memory"),
    ],
)
def test_wrong_limits_are_refused(wrong: dict[str, float], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        Recycling(**wrong)  # type: ignore[arg-type]


def test_this_process_has_memory_and_one_that_is_gone_has_none() -> None:
    from pgqueue.worker.memory import rss

    assert rss(os.getpid()) > 1_000_000
    assert rss(2**22 + 1) == 0
