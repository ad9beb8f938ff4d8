"""`pgqueue agent`: as many workers as are wanted, whoever dies."""

import os
import signal
import socket
import time
from pathlib import Path

import psutil
import pytest

from ..waiting import until
from .agents import LEASE, Pool, is_running


def test_agents_share_the_wanted_number_and_follow_it(pool: Pool) -> None:
    pool.make(2)
    first, second = pool.agent(4, "--name", "one"), pool.agent(4, "--name", "two")
    pool.serves(2)

    pool.scale(3)
    assert set(pool.serves(3)) == {1, 2, 3}
    pool.scale(1)
    pool.serves(1)

    until(lambda: len(pool.processes()) == 1, "the others have ended")
    until(lambda: pool.look.value("select count(*) from pool_slot") == 1, "their slots are gone")
    for agent in (first, second):
        agent.signal(signal.SIGTERM)
    assert (first.ends(), second.ends()) == (0, 0)
    assert pool.look.value("select count(*) from agent") == pool.look.value("select count(*) from worker") == 0


def test_a_worker_that_is_not_wanted_any_more_ends_after_its_job(pool: Pool) -> None:
    pool.make(1)
    agent = pool.agent(1, "--grace", "0.1")
    pool.serves(1)
    id = pool.start_job(1.5)

    pool.look.value("select pause_pool('mail')")

    until(lambda: not pool.processes(), "the worker has ended")
    assert pool.look.state(id) == "succeeded"
    assert is_running(agent.pid)
    pool.look.value("select resume_pool('mail')")
    pool.serves(1)


def kill_an_agent(pool: Pool, within: float) -> None:
    """Of two agents with a worker each one dies, and the other one makes up for it within so many seconds."""
    pool.make(2)
    agents = {name: pool.agent(2, "--name", name) for name in ("one", "two")}
    pool.serves(2)
    until(lambda: len(pool.look.rows("select from agent")) == 2, "two agents")
    dies = agents[pool.look.value("select a.name from agent a join pool_slot s on s.agent_id = a.id and s.slot = 1")]
    its = {process.pid for process in psutil.Process(dies.pid).children()}

    os.kill(dies.pid, signal.SIGKILL)
    killed, began = pool.look.value("select clock_timestamp()"), time.monotonic()

    pool.serves_without(its, 2, within)
    taken = pool.look.value("select extract(epoch from at - %s)::float8 from pool_event where kind = 'agent_lost'", killed)
    print(f"slots were taken after {taken:.2f} s, workers ran after {time.monotonic() - began:.2f} s")
    assert taken <= LEASE + 2


def test_slots_of_a_killed_agent_are_taken_within_its_lease_and_two_seconds(pool: Pool) -> None:
    kill_an_agent(pool, within=30)


@pytest.mark.alone
def test_the_wanted_number_runs_again_within_the_lease_and_two_seconds(pool: Pool) -> None:
    kill_an_agent(pool, within=LEASE + 2)


def test_a_killed_worker_is_replaced(pool: Pool) -> None:
    pool.make(2)
    pool.agent(2)
    before = pool.serves(2)

    os.kill(before[1], signal.SIGKILL)

    until(lambda: pool.served().get(1, before[1]) != before[1], "slot 1 has another worker")
    assert pool.serves(2)[2] == before[2]


def test_workers_of_a_killed_agent_end_after_their_jobs(pool: Pool) -> None:
    pool.make(1)
    agent = pool.agent(1)
    (pid,) = pool.serves(1).values()
    id = pool.start_job(1.0)

    os.kill(agent.pid, signal.SIGKILL)

    until(lambda: not is_running(pid), "the worker has ended")
    assert pool.look.state(id) == "succeeded"


def test_an_agent_that_stops_hands_its_slots_to_another_at_once(pool: Pool, tmp_path: Path) -> None:
    pool.make(1)
    first = pool.agent(1, "--grace", "30", "--name", "one", lease=60)
    (pid,) = pool.serves(1).values()
    pool.agent(1, "--name", "two", lease=60)
    until(lambda: len(pool.look.rows("select from agent")) == 2, "two agents")
    id = pool.start_held_job(tmp_path / "end")

    first.signal(signal.SIGTERM)

    until(lambda: pool.served() and pid not in pool.served().values(), "another worker")
    assert is_running(pid)
    (tmp_path / "end").touch()
    assert first.ends() == 0
    assert pool.look.state(id) == "succeeded"
    assert [row["name"] for row in pool.look.rows("select name from agent")] == ["two"]


def test_a_roll_replaces_every_worker(pool: Pool) -> None:
    pool.make(2)
    pool.agent(2)
    before = pool.serves(2)

    pool.look.value("select roll_pool('mail')")

    until(lambda: not set(pool.served().values()) & set(before.values()), "none of the old ones")
    pool.serves(2)
    assert {row["generation"] for row in pool.look.rows("select generation from pool_slot")} == {2}


def test_an_agent_ends_with_its_pool(pool: Pool) -> None:
    pool.make(1)
    agent = pool.agent(1)
    pool.serves(1)

    pool.look.value("select delete_pool('mail')")

    assert agent.ends() == 0
    assert pool.look.value("select count(*) from pool") == 0
    assert "the pool mail is deleted" in agent.log()


def test_an_agent_that_stood_still_begins_anew_without_its_slots(pool: Pool) -> None:
    pool.make(1)
    first = pool.agent(1, "--name", "one")
    pool.serves(1)
    first.signal(signal.SIGSTOP)
    pool.agent(1, "--name", "two")
    holder = "select a.name from agent a join pool_slot s on s.agent_id = a.id"
    until(lambda: pool.look.value(holder) == "two", "the other one has its slot")

    first.signal(signal.SIGCONT)

    first.says("it begins anew without slots")
    until(lambda: len(pool.look.rows("select from agent")) == 2, "it is back")
    until(lambda: len(pool.processes()) == 1, "its worker has ended")
    assert pool.look.value(holder) == "two"
    pool.serves(1)


def test_an_agent_refuses_an_app_that_it_is_not_for(pool: Pool) -> None:
    pool.make(1)

    agent = pool.agent(1, "--app", "shop.jobs:app")

    assert agent.ends() == 2
    assert "the pool mail runs tests.cli.jobs:app, and this agent only shop.jobs:app" in agent.log()
    assert pool.look.value("select count(*) from worker") == 0


def test_an_agent_of_no_pool_ends_with_code_3(pool: Pool) -> None:
    agent = pool.agent(1)

    assert agent.ends() == 3
    assert "there is no pool 'mail'" in agent.log()


def test_an_app_that_cannot_start_is_an_event_with_its_reason(pool: Pool) -> None:
    pool.make(1, app="tests.cli.jobs:no_app")
    agent = pool.agent(1)

    until(lambda: "cannot_start" in pool.events(), "the event")

    (row,) = pool.look.rows("select reason from pool_event where kind = 'cannot_start'")
    assert "tests.cli.jobs:no_app is a str" in row["reason"]
    assert "ConfigurationError(" not in row["reason"]
    assert is_running(agent.pid)


def test_a_second_signal_ends_an_agent_at_once(pool: Pool) -> None:
    pool.make(1)
    agent = pool.agent(1, "--grace", "60")
    (pid,) = pool.serves(1).values()
    pool.start_job(60)

    agent.signal(signal.SIGTERM)
    agent.says("stopping 1 workers")
    agent.signal(signal.SIGTERM)

    assert agent.ends() == 128 + signal.SIGTERM
    assert not is_running(pid)


def test_a_worker_that_was_told_to_drain_is_replaced(pool: Pool) -> None:
    pool.make(1)
    pool.agent(1)
    before = pool.serves(1)

    pool.look.value("select tell_worker((select id from worker), 'drain')")

    until(lambda: pool.served() and pool.served() != before, "another worker")


def test_an_agent_scales_its_pool_when_it_is_time(pool: Pool) -> None:
    """Its own workers are what the figures count, and what the decision starts."""
    pool.make(1, maximum=2, concurrency=1)
    pool.agent(2, "--grace", "0.1")
    pool.serves(1)
    pool.look.value(
        "select enqueue_many('sleep', (select jsonb_agg(jsonb_build_object('seconds', 60)) from generate_series(1, 9)))"
    )
    rules = '{"depth_up": 5, "depth_down": 1, "latency": null, "check_every": 1, "cooldown_up": 1}'

    pool.look.value("select set_autoscale('mail', true, %s::jsonb)", rules)

    pool.serves(2)
    assert "scaled_up" in pool.events()
    assert pool.look.value("select by from pool_event where kind = 'scaled_up'") == socket.gethostname()
