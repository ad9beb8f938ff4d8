"""FAULTS 13: a worker process that is told to stop, once or twice."""

import signal
from collections.abc import Callable

import pytest

from tests.faults.audit import Findings
from tests.faults.fleet import Fleet
from tests.looking import Look
from tests.waiting import PATIENCE, until

Enqueue = Callable[..., list[int]]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_under_load_ends_what_runs_and_gives_back_the_rest(
    fleet: Fleet, look: Look, findings: Findings, enqueue: Enqueue, number: signal.Signals
) -> None:
    stopped = fleet.start(concurrency=4, lease=30)  # nobody could rescue anything within this test
    fleet.listening(1)
    ids = enqueue("slow", 60, seconds=0.02) + enqueue("slow", 20, seconds=0.3)
    until(lambda: findings.runs() > 20, "load")
    stopped.send_signal(number)
    assert stopped.wait(PATIENCE) == 0
    ended = findings.runs()
    assert look.count("running") == 0
    assert look.value("select count(*) from job where attempt <> 0") == 0
    assert look.value("select count(*) from audit.run where ended_at is null") == 0, "a running handler was cut off"

    fleet.start(concurrency=20, lease=30)
    until(lambda: look.live() == 0, "the rest, elsewhere")
    findings.assert_all_done(ids)
    findings.assert_each_ran_once()
    assert findings.runs() > ended


def test_after_the_grace_running_jobs_are_given_back_and_lose_no_attempt(
    fleet: Fleet, look: Look, findings: Findings, enqueue: Enqueue
) -> None:
    stopped = fleet.start(concurrency=4, grace=0.3, lease=30)
    waiting, blocking = enqueue("slow", 2, seconds=60), enqueue("in_thread", seconds=60)
    until(lambda: findings.runs() == 3, "the jobs")
    stopped.send_signal(signal.SIGTERM)
    until(lambda: look.count("ready") == 3, "their return, long before their ends")
    rows = [look.job(id) for id in (*waiting, *blocking)]
    assert [(row["attempt"], row["rescues"]) for row in rows] == [(0, 0)] * 3


def test_a_second_signal_ends_the_process_at_once(fleet: Fleet, look: Look, findings: Findings, enqueue: Enqueue) -> None:
    stopped = fleet.start(concurrency=4, grace=60)
    (job,) = enqueue("slow", seconds=60)
    until(lambda: findings.runs() == 1, "the job")
    stopped.send_signal(signal.SIGTERM)
    until(lambda: "stopping" in fleet.log(stopped), "the first signal")
    stopped.send_signal(signal.SIGTERM)
    assert stopped.wait(PATIENCE) == 128 + signal.SIGTERM  # the grace is twice as long
    assert look.state(job) == "running"


def test_a_retry_that_waits_survives_the_death_of_every_worker(
    fleet: Fleet, look: Look, findings: Findings, enqueue: Enqueue
) -> None:
    first = fleet.start()
    task_policy = {"backoff": "fixed", "delay": 2, "jitter": False}
    (job,) = enqueue("fail_once", options={"retry": 1})
    look.rows("update job set retry = %s::jsonb where id = %s", str(task_policy).replace("'", '"').replace("False", "false"), job)
    until(lambda: look.state(job) == "scheduled", "the first attempt")
    first.kill()
    first.wait()
    due = look.job(job)["run_at"]
    fleet.start()
    until(lambda: look.state(job) == "succeeded", "the second attempt")
    second = look.value("select max(started_at) from audit.run where job_id = %s", job)
    assert second >= due
    assert look.job(job)["attempt"] == 2
