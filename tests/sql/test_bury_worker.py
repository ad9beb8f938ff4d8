"""bury_worker: the jobs of a process that was killed run again at once, and one that kills its process alone ends soon."""

import uuid
from typing import Any
from uuid import UUID

import pytest

from .conftest import Sql
from .guarantees import without_waiting

KILLED = "its process was killed by SIGKILL"


def bury(sql: Sql, worker: UUID, running: list[int] | None = None, reason: str = "crashed", because: str = KILLED) -> int:
    """How many jobs were taken."""
    return int(sql.value("select bury_worker(%s, %s, %s::text::final_reason, %s)", worker, because, reason, running))


def run_and_kill(sql: Sql, running: list[int], **options: Any) -> None:
    """A new worker claims what is there, starts these jobs, and is killed 10 s after their claim."""
    sql.make_due()
    sql.value("select promote()")
    worker = sql.worker()
    sql.claim(worker)
    sql.rows("update job set claimed_at = claimed_at - interval '10 s' where worker_id = %s", worker)
    bury(sql, worker, running, **options)


def test_the_jobs_of_a_killed_process_run_again_at_once_and_their_errors_say_why(sql: Sql) -> None:
    started, waiting = sql.enqueue(), sql.enqueue()
    run_and_kill(sql, [started])
    first, second = sql.job(started), sql.job(waiting)
    assert (first["state"], first["attempt"], first["rescues"]) == ("ready", 1, 1)
    assert (second["state"], second["attempt"], second["rescues"]) == ("ready", 0, 0)
    assert [error["message"] for error in first["errors"]] == [KILLED]
    assert sql.value("select lost_because from worker where state = 'lost'") == KILLED


def test_a_buried_worker_is_lost_and_its_token_ends_nothing(sql: Sql) -> None:
    id, worker = sql.enqueue(), sql.worker()
    token, _ = sql.claim(worker)
    assert bury(sql, worker, [id]) == 1
    assert sql.refusal("select heartbeat(%s, '{}', 'notify')", worker).sqlstate == "PQ002"
    assert [row["verdict"] for row in sql.finish(token, {"id": id, "state": "succeeded"})] == ["stale"]


@pytest.mark.parametrize("reason", ["crashed", "memory"])
def test_a_job_that_kills_its_process_twice_is_dead_whatever_retries_are_left(sql: Sql, reason: str) -> None:
    id = sql.enqueue(retries=10)
    run_and_kill(sql, [id], reason=reason)
    assert (sql.state(id), sql.job(id)["control"]) == ("ready", {"killed": 1})
    run_and_kill(sql, [id], reason=reason)
    job = sql.job(id)
    assert (job["state"], job["reason"], job["attempt"], job["control"]) == ("failed", reason, 2, {"killed": 2})
    assert [error["retry_at"] is None for error in job["errors"]] == [False, True]


def test_jobs_that_ran_beside_each_other_are_suspects_as_ever(sql: Sql) -> None:
    ids = [sql.enqueue(retries=10) for _ in range(2)]
    run_and_kill(sql, ids)
    run_and_kill(sql, ids)
    assert [(sql.state(id), sql.job(id)["rescues"], sql.job(id)["control"]) for id in ids] == [("scheduled", 2, None)] * 2


def test_a_job_that_was_claimed_just_before_may_have_been_the_one(sql: Sql) -> None:
    first, worker = sql.enqueue(retries=10), sql.worker()
    sql.claim(worker)
    sql.rows("update job set claimed_at = claimed_at - interval '10 s'")
    second = sql.enqueue(retries=10)
    sql.claim(worker)
    bury(sql, worker, [first])
    assert [(sql.job(id)["rescues"], sql.job(id)["control"]) for id in (first, second)] == [(1, None)] * 2


def test_only_one_job_is_looked_at_when_another_one_is_rescued_later(sql: Sql, another_sql: Any) -> None:
    """Of two that were started one is locked: when it is taken at last, it is not the only one."""
    ids, worker = [sql.enqueue(retries=10) for _ in range(2)], sql.worker()
    sql.claim(worker)
    other = another_sql()
    with other.connection.transaction():
        other.rows("select from job where id = %s for update", ids[1])
        assert bury(sql, worker, ids) == 1
    assert sql.value("select rescue()") == 1
    job = sql.job(ids[1])
    assert (job["control"], [error["message"] for error in job["errors"]]) == (None, [KILLED])


@pytest.mark.parametrize("outcome", [{"state": "failed", "error": {}}, {"state": "snoozed", "delay": 0}])
def test_a_run_that_ends_by_itself_is_forgiven(sql: Sql, outcome: dict[str, Any]) -> None:
    id = sql.enqueue(retries=10)
    run_and_kill(sql, [id])
    token, _ = sql.claim(sql.worker())
    sql.finish(token, {"id": id, **outcome})
    run_and_kill(sql, [id])
    assert (sql.state(id), sql.job(id)["control"]) == ("ready", {"killed": 1})


def test_no_job_is_blamed_for_a_process_that_was_told_to_end(sql: Sql) -> None:
    id = sql.enqueue(retries=10)
    for _ in range(2):
        run_and_kill(sql, [id], reason="worker_shutdown", because="its process did not stop and was killed")
    assert (sql.state(id), sql.job(id)["control"]) == ("scheduled", None), "a suspect, as after two lost workers"


def test_a_job_that_alone_was_claimed_counts_although_its_start_was_not_told(sql: Sql) -> None:
    """It kills its process before that can say that it has started it."""
    id = sql.enqueue(retries=0)
    worker = sql.worker()
    sql.claim(worker)
    bury(sql, worker, [])
    assert (sql.state(id), sql.job(id)["reason"]) == ("failed", "crashed")


def test_a_retry_of_the_dead_letter_starts_anew(sql: Sql) -> None:
    id = sql.enqueue(retries=10)
    for _ in range(2):
        run_and_kill(sql, [id])
    sql.value("select retry(%s)", id)
    assert "killed" not in sql.job(id)["control"]


def test_a_job_that_was_asked_to_stop_is_cancelled(sql: Sql) -> None:
    id = sql.enqueue(retries=10)
    run_and_kill(sql, [id])
    worker = sql.worker()
    sql.claim(worker)
    sql.value("select cancel(%s)", id)
    bury(sql, worker, [id])
    assert sql.state(id) == "cancelled"


def test_an_old_report_does_not_outdo_a_later_heartbeat(sql: Sql) -> None:
    id, worker = sql.enqueue(), sql.worker()
    sql.claim(worker)
    sql.rows("update job set claimed_at = claimed_at - interval '10 s'")
    sql.value("select heartbeat(%s, %s, 'notify')", worker, [id])
    sql.value("select bury_worker(%s, %s, running => '{}', age => 60)", worker, KILLED)
    assert (sql.job(id)["attempt"], sql.job(id)["rescues"]) == (1, 1)


def test_it_may_be_asked_again_and_of_workers_that_are_gone(sql: Sql) -> None:
    id, worker = sql.enqueue(), sql.worker()
    sql.claim(worker)
    assert [bury(sql, worker, [id]), bury(sql, worker, [id], because="again"), bury(sql, uuid.uuid4(), [id])] == [1, 0, 0]
    assert sql.value("select lost_because from worker") == KILLED


def test_a_worker_that_was_lost_already_is_told_why(sql: Sql) -> None:
    id, worker = sql.enqueue(), sql.worker()
    sql.claim(worker)
    sql.lose(worker)
    assert bury(sql, worker, [id]) == 1
    assert sql.job(id)["errors"][0]["message"] == KILLED


def test_it_waits_for_no_job(sql: Sql, another_sql: Any) -> None:
    id, worker = sql.enqueue(), sql.worker()
    sql.claim(worker)
    other = another_sql()
    with other.connection.transaction():
        other.rows("select from job where id = %s for update", id)
        with without_waiting(sql):
            assert bury(sql, worker, [id]) == 0


@pytest.mark.parametrize(
    "arguments",
    ["''", "null", f"'{'x' * 501}'", "'x', 'error'", "'x', null", "'x', age => -1", "'x', age => 'NaN'", "'x', age => 1e9"],
)
def test_bad_values_are_refused_by_name(rolled_back_sql: Sql, arguments: str) -> None:
    refused = rolled_back_sql.refusal(f"select bury_worker(gen_random_uuid(), {arguments})")
    assert refused.sqlstate == "PQ001"
