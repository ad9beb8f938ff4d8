"""FAULTS 8 to 13 under a supervisor, where it says something new: what it replaces, buries, and leaves alone."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.audit import Findings
from tests.faults.supervised import Supervisors, kill
from tests.looking import Look
from tests.pools.agents import is_running
from tests.waiting import until

Enqueue = Callable[..., list[int]]
LEASE = 1.0
LONG = 60.0  # seconds of a lease that ends no test


@pytest.fixture
def supervisors(database_url: str, look: Look, findings: Findings, tmp_path: Path) -> Iterator[Supervisors]:
    """No supervisor yet; those that a test starts are gone after it, with their processes."""
    supervisors = Supervisors(database_url, look, tmp_path)
    yield supervisors
    supervisors.end()


def _all_done(look: Look, within: float = 60.0) -> None:
    until(lambda: look.live() == 0, "the end of all jobs", within=within)


def _process_of(look: Look, job: int) -> int:
    pid: int = until(
        lambda: look.value("select w.pid from job j join worker w on w.id = j.worker_id where j.id = %s", job), "its worker"
    )
    return pid


def _kill_again_and_again(supervisors: Supervisors, look: Look, findings: Findings, enqueue: Enqueue, times: int) -> None:
    """FAULTS 8: with a lease that never ends, only the supervisor can have given the jobs to others."""
    supervisor = supervisors.start(2, "--concurrency", 5, lease=LONG)
    for _ in range(times):
        supervisors.are_ready(supervisor, 2, within=60)
        ids = enqueue("brief", 40, seconds=0.05) + enqueue("brief", 2, seconds=0.5)
        victim = _process_of(look, ids[-1])
        kill(victim)
        _all_done(look)
        findings.assert_all_done(ids)
        assert look.value("select count(*) from jobs where id = any (%s) and state <> 'succeeded'", ids) == 0
    findings.assert_no_overlap()
    findings.assert_a_token_for_each_run()


def test_jobs_of_a_killed_process_do_not_wait_for_the_lease(
    supervisors: Supervisors, look: Look, findings: Findings, enqueue: Enqueue
) -> None:
    _kill_again_and_again(supervisors, look, findings, enqueue, times=1)


@pytest.mark.slow
def test_jobs_of_a_process_that_is_killed_again_and_again_do_not_wait_for_the_lease(
    supervisors: Supervisors, look: Look, findings: Findings, enqueue: Enqueue
) -> None:
    _kill_again_and_again(supervisors, look, findings, enqueue, times=8)


def test_a_supervisor_that_stood_still_buries_late_and_takes_no_job_from_who_has_it_now(
    supervisors: Supervisors, look: Look, findings: Findings, enqueue: Enqueue
) -> None:
    """FAULTS 8 and 9: a process dies unseen, another one rescues its job, and the supervisor comes back."""
    supervisor = supervisors.start(2, "--concurrency", 5, lease=LEASE)
    supervisors.are_ready(supervisor, 2)
    (job,) = enqueue("brief", seconds=1.5)
    until(lambda: findings.runs() == 1, "its start")
    victim = _process_of(look, job)
    supervisor.signal(signal.SIGSTOP)
    kill(victim)
    until(lambda: findings.runs() == 2, "its rescue by the lease")
    attempts = look.job(job)["rescues"]
    supervisor.signal(signal.SIGCONT)
    supervisors.are_ready(supervisor, 2)
    _all_done(look)
    assert (look.state(job), look.job(job)["rescues"]) == ("succeeded", attempts)
    assert findings.runs() == 2
    findings.assert_no_overlap()


def test_a_process_that_stood_still_works_on_under_a_new_id_by_which_it_is_buried(
    supervisors: Supervisors, look: Look, findings: Findings, enqueue: Enqueue
) -> None:
    """FAULTS 9."""
    supervisor = supervisors.start(2, "--concurrency", 5, lease=LEASE)
    before = supervisors.are_ready(supervisor, 2)
    (job,) = enqueue("brief", seconds=0.3)
    until(lambda: findings.runs() == 1, "its start")
    asleep = _process_of(look, job)
    os.kill(asleep, signal.SIGSTOP)
    until(lambda: look.state(job) == "succeeded", "the job, in the other process")
    until(lambda: look.value("select count(*) from worker where pid = %s and state = 'lost'", asleep) == 1, "its loss")
    before_its_return = look.job(job)
    os.kill(asleep, signal.SIGCONT)
    until(lambda: look.value("select count(*) from worker where pid = %s and state = 'active'", asleep) == 1, "its return")
    assert supervisors.are_ready(supervisor, 2) == before, "it was replaced although it lives"

    beats = "select count(*) from worker where pid = %s and state = 'active' and heartbeat_at > started_at"
    until(lambda: look.value(beats, asleep) == 1, "its heart beats under the new id")
    new = look.value("update worker set lease = '1 hour' where pid = %s and state = 'active' returning id", asleep)
    kill(asleep)
    until(lambda: look.value("select state from worker where id = %s", new) == "lost", "its burial under the new id")
    assert look.job(job) == before_its_return, "its late end has overwritten what the other one did"


def test_a_process_whose_event_loop_is_blocked_for_three_leases_is_left_alone(
    supervisors: Supervisors, look: Look, findings: Findings, enqueue: Enqueue
) -> None:
    """FAULTS 10."""
    supervisor = supervisors.start(2, "--concurrency", 5, lease=LEASE)
    before = supervisors.are_ready(supervisor, 2)
    ids = enqueue("block", seconds=3 * LEASE)
    _all_done(look)
    findings.assert_all_done(ids)
    findings.assert_each_ran_once()
    assert supervisors.are_ready(supervisor, 2) == before
    assert look.rows("select * from rescue_log") == []


def test_after_the_end_of_a_whole_supervisor_the_next_one_of_its_name_adopts_nothing(
    supervisors: Supervisors, look: Look, findings: Findings, enqueue: Enqueue
) -> None:
    """FAULTS 11."""
    first = supervisors.start(2, "--name", "the same", "--concurrency", 5, lease=LEASE)
    supervisors.are_ready(first, 2)
    ids = enqueue("brief", 6, seconds=0.7)
    until(lambda: findings.runs() == 6, "their start")
    supervisors.kill_all(first)
    second = supervisors.start(2, "--name", "the same", "--concurrency", 5, lease=LEASE)
    supervisors.are_ready(second, 2)
    _all_done(look)
    findings.assert_all_done(ids)
    assert look.value("select count(*) from rescue_log") == 6
    assert findings.runs() == 12
    findings.assert_no_overlap()


def _poison(supervisors: Supervisors, look: Look, enqueue: Enqueue, innocent: int) -> None:
    """FAULTS 12: the poison does not wait for a lease, and nobody dies for having been beside it."""
    supervisor = supervisors.start(2, "--concurrency", 100, lease=LONG)
    supervisors.are_ready(supervisor, 2)
    ids = enqueue("slow", innocent, seconds=0.2)
    (poisoned,) = enqueue("poison")
    _all_done(look, within=60 + 2 * innocent)
    assert [look.state(id) for id in ids] == ["succeeded"] * innocent
    row = look.job(poisoned)
    assert (row["state"], row["reason"]) == ("failed", "crashed")
    assert row["attempt"] <= 3, "two processes of its own were enough, after one or two that it shared"
    assert {error["message"] for error in row["errors"]} == {"its process ended with exit code 9"}
    supervisors.are_ready(supervisor, 2)


def test_a_poisonous_job_dies_alone_and_its_process_is_replaced(
    supervisors: Supervisors, look: Look, findings: Findings, enqueue: Enqueue
) -> None:
    _poison(supervisors, look, enqueue, innocent=2)


@pytest.mark.slow
def test_a_poisonous_job_dies_alone_beside_99(supervisors: Supervisors, look: Look, findings: Findings, enqueue: Enqueue) -> None:
    _poison(supervisors, look, enqueue, innocent=99)


@pytest.mark.parametrize(("number", "rolls"), [(signal.SIGTERM, False), (signal.SIGINT, False), (signal.SIGTERM, True)])
def test_a_signal_under_load_ends_what_runs_and_another_supervisor_goes_on(
    supervisors: Supervisors, look: Look, findings: Findings, enqueue: Enqueue, number: signal.Signals, rolls: bool
) -> None:
    """FAULTS 13, also while a roll is under way: nothing is cut off, and the lease gives nothing back within the test."""
    stopped = supervisors.start(2, "--concurrency", 2, lease=LONG)
    children = supervisors.are_ready(stopped, 2)
    ids = enqueue("slow", 60, seconds=0.02) + enqueue("slow", 12, seconds=0.3)
    if rolls:
        stopped.signal(signal.SIGHUP)
        until(lambda: len(supervisors.children(stopped)) > 2, "the one that boots")
        children = supervisors.children(stopped)
    until(lambda: findings.runs() > 20, "load")
    stopped.signal(number)
    assert stopped.ends() == 0
    ended, at = findings.runs(), time.monotonic()
    assert not any(map(is_running, children | supervisors.strays()))
    assert look.count("running") == 0
    assert look.value("select count(*) from job where attempt <> 0") == 0
    assert look.value("select count(*) from audit.run where ended_at is null") == 0, "a running handler was cut off"

    supervisors.start(2, "--concurrency", 20, lease=LONG)
    _all_done(look)
    assert time.monotonic() - at < LONG
    findings.assert_all_done(ids)
    findings.assert_each_ran_once()
    assert findings.runs() > ended
