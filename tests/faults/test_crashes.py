"""FAULTS 1, 8 to 12 and 14: worker processes that are many, die, stand still, block, or take others with them."""

import random
import signal
import time
import uuid
from collections.abc import Callable

import pytest

from tests.faults.audit import Findings
from tests.faults.fleet import Fleet
from tests.looking import Look
from tests.waiting import until

Enqueue = Callable[..., list[int]]
LEASE = 1.0


def _all_done(look: Look, within: float = 60.0) -> None:
    until(lambda: look.live() == 0, "the end of all jobs", within=within)


def _drain(fleet: Fleet, look: Look, findings: Findings, enqueue: Enqueue, jobs: int, workers: int) -> None:
    for _ in range(workers):
        fleet.start(concurrency=25)
    fleet.listening(workers)  # else the first might have done everything before the last has started
    ids = enqueue("noop", jobs)
    _all_done(look, within=240)
    findings.assert_all_done(ids)
    findings.assert_each_ran_once()
    assert findings.workers() == workers, "a worker had nothing to do: the jobs were too few to prove anything"
    assert look.value("select count(*) from job_history") == jobs


def test_many_workers_run_each_job_exactly_once(fleet: Fleet, look: Look, findings: Findings, enqueue: Enqueue) -> None:
    _drain(fleet, look, findings, enqueue, jobs=5000, workers=2)


@pytest.mark.slow
def test_four_workers_run_20_000_jobs_exactly_once(fleet: Fleet, look: Look, findings: Findings, enqueue: Enqueue) -> None:
    _drain(fleet, look, findings, enqueue, jobs=20_000, workers=4)


def _kill_at_random(
    fleet: Fleet, look: Look, findings: Findings, enqueue: Enqueue, dice: random.Random, times: int, jobs: int
) -> None:
    ids = enqueue("slow", jobs, seconds=0.02, options={"retry": 100})
    fleet.start(concurrency=10)
    victim = fleet.start(concurrency=10)
    fleet.listening(2)
    for _ in range(times):
        time.sleep(dice.uniform(0.05, 0.4))  # not a wait for anything: the moment of death is random
        victim.kill()
        killed = look.value("select clock_timestamp()")
        victim.wait()
        until(lambda at=killed: _nothing_of_the_dead(look, at), "the rescue of its jobs", within=LEASE + LEASE / 3 * 1.1 + 5)  # type: ignore[misc]
        victim = fleet.start(concurrency=10)
    _all_done(look, within=60)
    findings.assert_all_done(ids)
    findings.assert_no_overlap()
    findings.assert_a_token_for_each_run()
    assert look.count("succeeded") == jobs


def _nothing_of_the_dead(look: Look, killed: object) -> bool:
    """Whether nothing runs any more that was claimed by a worker which did not beat after the kill."""
    return not look.value(
        "select count(*) from job j left join worker w on w.id = j.worker_id where j.state = 'running' and j.claimed_at < %s "
        "and (w.id is null or w.heartbeat_at < %s)",
        killed,
        killed,
    )


def test_jobs_of_a_killed_worker_run_elsewhere(
    fleet: Fleet, look: Look, findings: Findings, enqueue: Enqueue, dice: random.Random
) -> None:
    _kill_at_random(fleet, look, findings, enqueue, dice, times=1, jobs=600)


@pytest.mark.slow
def test_jobs_of_a_worker_killed_20_times_run_elsewhere(
    fleet: Fleet, look: Look, findings: Findings, enqueue: Enqueue, dice: random.Random
) -> None:
    _kill_at_random(fleet, look, findings, enqueue, dice, times=20, jobs=20_000)


def test_a_worker_that_stood_still_for_two_leases_fences_itself_and_overwrites_nothing(
    fleet: Fleet, look: Look, findings: Findings, enqueue: Enqueue
) -> None:
    (job,) = enqueue("slow", seconds=0.8)
    asleep = fleet.start(concurrency=5, name="asleep")
    until(lambda: look.state(job) == "running", "the job")
    asleep.send_signal(signal.SIGSTOP)
    lost = look.value("select id from worker where name = 'asleep'")
    awake = fleet.start(concurrency=5, name="awake")
    until(lambda: look.state(job) == "succeeded", "the job, elsewhere")
    before = look.rows("select * from jobs")

    asleep.send_signal(signal.SIGCONT)
    until(
        lambda: look.value("select count(*) from worker where name = 'asleep' and state = 'active' and id <> %s", lost),
        "its return under a new id",
    )
    until(lambda: "lost its lease" in fleet.log(asleep), "its own word for it")
    (again,) = enqueue("slow", seconds=0.0)
    until(lambda: look.state(again) == "succeeded", "another job")
    assert [row for row in look.rows("select * from jobs") if row["id"] == job] == before
    assert look.value("select value from job_result where job_id = %s", job) == str(awake.pid)


def test_a_handler_that_blocks_the_event_loop_for_three_leases_keeps_its_job(
    fleet: Fleet, look: Look, findings: Findings, enqueue: Enqueue
) -> None:
    blocked = fleet.start(concurrency=5)
    fleet.listening(1)
    ids = enqueue("block", seconds=3 * LEASE)
    until(lambda: findings.runs() == 1, "its start")
    fleet.start(concurrency=5)  # it would rescue the job if it could
    _all_done(look)
    findings.assert_all_done(ids)
    findings.assert_each_ran_once()
    assert look.rows("select * from rescue_log") == []
    until(lambda: "the event loop was blocked for" in fleet.log(blocked), "the warning")


def test_a_worker_that_starts_again_under_the_same_name_adopts_nothing(
    fleet: Fleet, look: Look, findings: Findings, enqueue: Enqueue
) -> None:
    ids = enqueue("slow", 5, seconds=2.0)  # so long that all of them still run when the last start is seen
    first = fleet.start(name="the same")
    until(lambda: findings.runs() == 5, "their start")
    first.kill()
    first.wait()
    fleet.start(name="the same")
    _all_done(look)
    findings.assert_all_done(ids)
    assert look.value("select count(*) from rescue_log") == 5
    assert findings.runs() == 10
    findings.assert_no_overlap()


def _poison(fleet: Fleet, look: Look, enqueue: Enqueue, innocent: int) -> None:
    ids = enqueue("slow", innocent, seconds=0.2)
    (poisoned,) = enqueue("poison")
    workers = [fleet.start(concurrency=100) for _ in range(2)]

    def over() -> bool:
        for place, worker in enumerate(workers):
            if worker.poll() is not None:
                workers[place] = fleet.start(concurrency=100)
        return look.live() == 0

    until(over, "the end of all jobs", within=60 + 2 * innocent)
    assert [look.state(id) for id in ids] == ["succeeded"] * innocent
    row = look.job(poisoned)
    assert (row["state"], row["reason"], row["rescues"]) == ("failed", "crashed", 3)


def test_a_poisonous_job_dies_alone(fleet: Fleet, look: Look, findings: Findings, enqueue: Enqueue) -> None:
    _poison(fleet, look, enqueue, innocent=2)


@pytest.mark.slow
def test_a_poisonous_job_dies_alone_beside_99(fleet: Fleet, look: Look, findings: Findings, enqueue: Enqueue) -> None:
    _poison(fleet, look, enqueue, innocent=99)


def test_a_job_that_cannot_be_rescued_holds_up_no_other(look: Look, enqueue: Enqueue) -> None:
    """FAULTS 14."""
    ids = enqueue("noop", 500)
    lost = uuid.uuid4()
    look.value("select register_worker(%s, 'w', 'host', 1, '0', '{default}', 500, '30 s')", lost)
    assert len(look.rows("select id from claim(%s, gen_random_uuid(), '{default}', 500)", lost)) == 500
    raising = f"begin if new.id = {ids[250]} then raise 'not this one'; end if; return new; end"
    look.connection.execute(f"create function public.refuse() returns trigger language plpgsql as $${raising}$$".encode())
    look.value("create trigger refuse before update on job for each row execute function public.refuse()")
    look.value("update worker set state = 'lost'")

    assert look.value("select rescue()") == 499
    assert look.rows("select id from job where state = 'running'") == [{"id": ids[250]}]
    look.value("drop trigger refuse on job")
    assert look.value("select rescue()") == 1
