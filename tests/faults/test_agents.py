"""FAULTS 8: any process of a pool is killed at any moment: nothing is lost, and the wanted number is back."""

import os
import random
import signal
import time
from collections.abc import Callable

import pytest

from tests.cli.conftest import Process
from tests.faults.audit import Findings
from tests.looking import Look
from tests.pools.agents import Pool, is_running
from tests.waiting import until

Enqueue = Callable[..., list[int]]
WANTED = 3


def _hunt(pool: Pool, look: Look, findings: Findings, enqueue: Enqueue, dice: random.Random, seconds: float) -> None:
    pool.make(WANTED, app="tests.faults.tasks:app")
    agents = {name: pool.agent(WANTED, "--name", name) for name in ("one", "two")}
    pool.serves(WANTED, 60)
    ids: list[int] = []
    kills = 0
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        ids += enqueue("slow", 20, seconds=0.05, options={"retry": 100})
        time.sleep(dice.uniform(0.2, 1.5))  # not a wait for anything: the moment of death is random
        kills += _kill_one(pool, agents, dice)
    assert kills
    pool.serves(WANTED, 60)
    until(lambda: look.live() == 0, "the end of all jobs", within=90)
    findings.assert_all_done(ids)
    crashed = "select count(*) from jobs where state = 'failed' and reason::text not in ('crashed', 'memory')"
    assert look.value(crashed) == 0
    assert look.value("select count(*) from pool_slot") == WANTED


def _kill_one(pool: Pool, agents: dict[str, Process], dice: random.Random) -> int:
    """Kill an agent, which its service manager starts again, or a worker."""
    workers = [pid for pid in pool.served().values() if is_running(pid)]
    name = dice.choice([*agents, None, None])
    if name is not None:
        os.kill(agents[name].pid, signal.SIGKILL)
        agents[name].ends()
        agents[name] = pool.agent(WANTED, "--name", name)
    elif workers:
        os.kill(dice.choice(workers), signal.SIGKILL)
    return bool(name or workers)


def test_any_process_of_a_pool_may_be_killed(
    pool: Pool, look: Look, findings: Findings, enqueue: Enqueue, dice: random.Random
) -> None:
    _hunt(pool, look, findings, enqueue, dice, seconds=1.5)


@pytest.mark.slow
def test_any_process_of_a_pool_may_be_killed_again_and_again(
    pool: Pool, look: Look, findings: Findings, enqueue: Enqueue, dice: random.Random
) -> None:
    _hunt(pool, look, findings, enqueue, dice, seconds=120)
