"""wait_for, and the outcome `waiting`: a job that waits for a signal is not held by a worker."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from . import step_guarantees as guarantees
from .conftest import Sql
from .step_guarantees import SIGNAL, WAIT, claim_again, end_waiting, let_time_out, wait_for, waiting


@pytest.mark.parametrize(
    "guarantee",
    [
        guarantees.a_job_that_waits_uses_up_no_attempt,
        guarantees.a_wait_that_is_over_stays_over,
        guarantees.a_dead_letter_waits_again_for_the_signal_that_it_has_missed,
        guarantees.a_wait_that_the_handler_has_passed_stays_over,
        guarantees.the_time_of_a_wait_counts_from_its_first_call,
        guarantees.a_stale_run_is_told_nothing,
        guarantees.a_job_waits_until_its_deadline_at_most,
        guarantees.a_run_that_comes_back_does_not_wait_any_more,
        guarantees.limits_are_free_while_a_job_waits,
    ],
)
def test_a_wait_holds_what_it_promises(rolled_back_sql: Sql, guarantee: Callable[[Sql], None]) -> None:
    guarantee(rolled_back_sql)


def test_a_job_that_waits_is_scheduled_for_the_end_of_its_wait_and_says_for_what(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    id = waiting(sql, timeout="1 h")

    job = sql.job(id)
    waits = job["control"]["waits_for"]
    assert (job["state"], job["worker_id"], waits["signal"]) == ("scheduled", None, "approved")
    assert datetime.fromisoformat(waits["until"]) == job["run_at"]
    assert 3500 < (job["run_at"] - datetime.now(UTC)).total_seconds() < 3700


def test_a_job_without_a_timeout_waits_for_ever(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    id = waiting(sql)

    job = sql.job(id)
    assert (job["run_at"].year, job["control"]) == (9999, {"waits_for": {"signal": "approved", "until": None}})
    assert sql.rows("select promoted from promote()") == [{"promoted": 0}]


def test_a_wait_of_no_time_is_over_at_once(rolled_back_sql: Sql) -> None:
    id, token = rolled_back_sql.running()

    assert wait_for(rolled_back_sql, id, token, timeout="0 s")["answer"] == "timed_out"


def test_a_timeout_that_has_passed_when_the_run_ends_makes_the_job_ready(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    id, token = sql.running()
    wait_for(sql, id, token, timeout="1 h")

    sql.finish(token, {"id": id, "state": "waiting", "signal": "approved", "until": "2000-01-01T00:00:00Z"})

    assert (sql.state(id), sql.job(id)["control"]) == ("ready", None)


def test_a_wait_that_is_promoted_shows_no_wait_when_it_ends(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    id = waiting(sql, timeout="1 h")
    let_time_out(sql, id)

    sql.finish(claim_again(sql, id), {"id": id, "state": "snoozed", "delay": 60})

    assert sql.job(id)["control"] is None


def test_a_job_that_waits_can_be_cancelled_and_keeps_its_unique_key_until_then(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    id = waiting(sql, unique_mode="until_done")
    same = sql.job(id)["queue"]
    assert sql.enqueue(queue=same, unique_mode="until_done") == id

    sql.value("select cancel(%s)", id)

    assert sql.state(id) == "cancelled"
    assert sql.refusal(SIGNAL, id, "approved", None).sqlstate == "PQ004"
    assert sql.enqueue(queue=same, unique_mode="until_done") != id


def test_a_job_that_has_only_waited_expires(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    id = waiting(sql, expires_after="1 h")
    sql.rows("update job set expires_at = clock_timestamp() - interval '1 s' where id = %s", id)

    sql.value("select promote()")

    assert (sql.state(id), sql.job(id)["reason"]) == ("cancelled", "expired")


def test_a_node_of_a_cancelled_workflow_does_not_wait(sql: Sql) -> None:
    id, token = sql.running()
    flow = sql.value("select workflow_id from job where id = %s", sql.enqueue(depends_on=[id]))
    sql.value("select cancel_workflow(%s)", flow)

    end_waiting(sql, id, token)

    assert (sql.state(id), sql.job(id)["reason"]) == ("cancelled", "user_requested")


def test_a_rescued_job_does_not_wait_any_more(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    id = waiting(sql)
    sql.value("select retry(%s)", id)
    claim_again(sql, id)
    worker = sql.value("select worker_id from job where id = %s", id)
    sql.rows("update worker set started = %s where id = %s", [id], worker)
    sql.lose(worker)
    sql.value("select rescue()")

    assert (sql.state(id), sql.job(id)["control"]) == ("ready", None)


@pytest.mark.parametrize("timeout", ["-1 s", "1001 years"])
def test_a_timeout_that_is_none_is_refused(rolled_back_sql: Sql, timeout: str) -> None:
    id, token = rolled_back_sql.running()

    refused = rolled_back_sql.refusal(WAIT, id, token, "approved", timeout)

    assert (refused.sqlstate, refused.diag.column_name) == ("PQ001", "timeout")


def test_an_outcome_without_the_name_of_its_signal_is_refused(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    id, token = sql.running()
    outcome = guarantees.json_of([{"id": id, "token": str(token), "state": "waiting"}])

    refused = sql.refusal("select * from finish(%s)", outcome)

    assert (refused.sqlstate, refused.diag.column_name) == ("PQ001", "signal")
    assert sql.state(id) == "running"
