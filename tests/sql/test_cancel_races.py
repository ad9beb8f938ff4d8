"""cancel beside whatever else may happen to a job that runs: both orders, by explicit steps."""

from collections.abc import Callable

import pytest

from . import cancel_guarantees as guarantees
from . import force_guarantees
from .background import Background
from .cancel_guarantees import BACK, CANCEL, FORCE
from .conftest import Sql

OpenSql = Callable[[], Sql]


@pytest.mark.parametrize("how", BACK)
def test_a_job_that_was_asked_to_stop_does_not_come_back(rolled_back_sql: Sql, how: str) -> None:
    guarantees.a_job_that_was_asked_to_stop_does_not_come_back(rolled_back_sql, how)


@pytest.mark.parametrize("how", BACK)
def test_a_node_that_was_asked_to_stop_does_not_come_back(rolled_back_sql: Sql, how: str) -> None:
    guarantees.a_node_that_was_asked_to_stop_does_not_come_back(rolled_back_sql, how)


@pytest.mark.parametrize("how", BACK)
def test_a_request_waits_for_a_job_that_comes_back_and_ends_it(sql: Sql, another_sql: OpenSql, how: str) -> None:
    guarantees.a_request_waits_for_a_job_that_comes_back_and_ends_it(sql, another_sql, how)


@pytest.mark.parametrize("how", BACK)
def test_a_job_does_not_come_back_while_it_is_asked_to_stop(sql: Sql, another_sql: OpenSql, how: str) -> None:
    guarantees.a_job_does_not_come_back_while_it_is_asked_to_stop(sql, another_sql, how)


@pytest.mark.parametrize("rolled_back", [False, True], ids=["commits", "rolls back"])
@pytest.mark.parametrize("cancel", [CANCEL, FORCE], ids=["asked", "forced"])
def test_a_request_waits_for_the_transaction_that_completes_the_job(
    sql: Sql, another_sql: OpenSql, cancel: str, rolled_back: bool
) -> None:
    guarantees.a_request_waits_for_the_transaction_that_completes_the_job(sql, another_sql, cancel, rolled_back)


def test_a_job_that_was_asked_to_stop_may_succeed(sql: Sql, another_sql: OpenSql) -> None:
    guarantees.a_job_that_was_asked_to_stop_may_succeed(sql, another_sql)


def test_a_job_that_is_fenced_is_not_completed(sql: Sql, another_sql: OpenSql) -> None:
    guarantees.a_job_that_is_fenced_is_not_completed(sql, another_sql)


def test_nothing_that_a_fenced_run_hands_in_counts(rolled_back_sql: Sql) -> None:
    guarantees.nothing_that_a_fenced_run_hands_in_counts(rolled_back_sql)


def test_a_request_does_not_hold_the_workflow_of_a_job_that_has_started(sql: Sql, another_sql: OpenSql) -> None:
    guarantees.a_request_does_not_hold_the_workflow_of_a_job_that_has_started(sql, another_sql)


def test_a_job_is_ended_by_force_at_its_time(rolled_back_sql: Sql) -> None:
    guarantees.a_job_is_ended_by_force_at_its_time(rolled_back_sql)


def test_force_does_not_end_a_later_run(rolled_back_sql: Sql) -> None:
    guarantees.force_does_not_end_a_later_run(rolled_back_sql)


def test_who_ends_jobs_by_force_waits_for_nobody(sql: Sql, another_sql: OpenSql) -> None:
    guarantees.who_ends_jobs_by_force_waits_for_nobody(sql, another_sql)


def test_a_locked_workflow_delays_no_other_cancel_by_force(sql: Sql, another_sql: OpenSql) -> None:
    force_guarantees.a_locked_workflow_delays_no_other_cancel_by_force(sql, another_sql)


def test_a_job_that_cannot_be_cancelled_by_force_hides_no_other(rolled_back_sql: Sql) -> None:
    force_guarantees.a_job_that_cannot_be_cancelled_by_force_hides_no_other(rolled_back_sql)


@pytest.mark.parametrize("outcome", ["succeeded", "cancelled", "failed", "snoozed"])
def test_a_finish_beside_a_request_is_busy_and_then_counts(sql: Sql, another_sql: OpenSql, outcome: str) -> None:
    id, _, token = guarantees.running(sql)
    user = another_sql()

    with user.connection.transaction():
        user.value(CANCEL, id)
        (during,) = sql.finish(token, {"id": id, "state": outcome, "delay": 60})
    sql.finish(token, {"id": id, "state": outcome, "delay": 60})

    assert during["verdict"] == "busy"
    assert sql.state(id) == ("succeeded" if outcome == "succeeded" else "cancelled")


@pytest.mark.parametrize("outcome", ["succeeded", "cancelled", "failed"])
def test_a_request_beside_a_finish_waits_and_is_told_that_the_job_is_over(sql: Sql, another_sql: OpenSql, outcome: str) -> None:
    id, _, token = guarantees.running(sql)
    worker = another_sql()

    with worker.connection.transaction():
        worker.finish(token, {"id": id, "state": outcome, "final": True})
        cancel = Background(another_sql(), CANCEL, id)
        cancel.wait_until_blocked(sql)

    assert cancel.refusal().sqlstate == "PQ004"
    assert (sql.state(id), sql.job(id)["control"]) == (outcome, None)


def test_of_two_requests_at_once_both_are_heard_and_the_last_counts(sql: Sql, another_sql: OpenSql) -> None:
    id, *_ = guarantees.running(sql)
    first = another_sql()

    with first.connection.transaction():
        assert first.value(CANCEL, id) == "asked"
        second = Background(another_sql(), "select cancel(%s, by => 'bob', force => true) as said", id)
        second.wait_until_blocked(sql)

    assert second.rows() == [{"said": "fenced"}]
    cancel = sql.job(id)["control"]["cancel"]
    assert (cancel["by"], cancel["note"]) == ("bob", "wrong customer")
