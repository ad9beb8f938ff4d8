"""--processes N: what becomes of the jobs of a process that was killed."""

import os
import signal

from ..looking import Look
from ..waiting import until
from .conftest import Start
from .test_supervisor import start_job, start_two


def test_a_job_that_kills_its_process_twice_is_a_dead_letter_and_others_go_on(start: Start, look: Look) -> None:
    supervisor = start_two(start, look)
    poison = look.value("select enqueue('kill', retries => 10)")
    until(lambda: look.state(poison) == "failed", "it is a dead letter")
    job = look.job(poison)
    assert (job["reason"], job["attempt"], job["control"]) == ("crashed", 2, {"killed": 2})
    assert [error["message"] for error in job["errors"]] == ["its process was killed by signal SIGKILL"] * 2
    other = look.value("select enqueue('pid')")
    until(lambda: look.state(other) == "succeeded", "another job is done")
    assert "1 jobs of worker" in supervisor.log()
    assert look.value("select count(distinct lost_because) from worker where state = 'lost'") == 1


def test_jobs_of_a_killed_process_run_again_before_its_lease_has_ended(start: Start, look: Look) -> None:
    start_two(start, look, "--grace", "0.1")
    id = start_job(look, 60)
    worker, pid = (look.value("select worker_id from job"), look.value("select w.pid from worker w join job on worker_id = w.id"))
    look.rows("update worker set lease = '1 hour'")
    os.kill(pid, signal.SIGKILL)
    until(lambda: look.value("select worker_id <> %s from job where id = %s", worker, id), "another worker runs it")
    assert look.job(id)["errors"][0]["message"] == "its process was killed by signal SIGKILL"
