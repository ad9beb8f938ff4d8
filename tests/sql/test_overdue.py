"""Runs that their worker does not end at their timeout: rescue ends them, although the worker lives."""

from collections.abc import Callable

import pytest

from . import terms_guarantees
from .conftest import Sql
from .flows import node, start
from .terms_guarantees import TIMEOUT, beat, running


@pytest.mark.parametrize(
    "guarantee",
    [
        terms_guarantees.a_run_past_its_timeout_is_taken_from_a_living_worker,
        terms_guarantees.a_run_is_measured_from_its_start,
        terms_guarantees.a_newer_run_is_not_mistaken_for_an_overdue_one,
    ],
)
def test_the_database_enforces_timeouts(sql: Sql, guarantee: Callable[[Sql], None]) -> None:
    guarantee(sql)


def test_a_run_within_its_timeout_and_a_lease_is_left_to_its_worker(sql: Sql) -> None:
    id, token, worker = running(sql, timeout="60 s")
    beat(sql, worker, token, id, seconds=75)

    assert sql.value("select rescue()") == 0


def test_a_run_goes_on_being_measured_between_two_heartbeats(sql: Sql) -> None:
    id, token, worker = running(sql, timeout="60 s")
    beat(sql, worker, token, id, seconds=80)
    sql.rows("update worker set heartbeat_at = heartbeat_at - interval '11 s' where id = %s", worker)

    assert sql.value("select rescue()") == 1


def test_a_run_without_a_timeout_is_never_taken(sql: Sql) -> None:
    id, token, worker = running(sql, total_timeout="1 day")
    beat(sql, worker, token, id, seconds=1e6)

    assert sql.value("select rescue()") == 0


def test_a_run_past_the_deadline_of_its_job_fails_for_good(sql: Sql) -> None:
    id, token, worker = running(sql, total_timeout="60 s")
    beat(sql, worker, token, id, seconds=1)
    sql.rows("update job set deadline_at = clock_timestamp() - interval '31 s' where id = %s", id)

    assert sql.value("select rescue()") == 1

    job = sql.job(id)
    assert (job["state"], job["reason"], job["attempt"]) == ("failed", "timeout", 1)
    assert job["errors"][-1]["message"] == "its total_timeout of 60 s ended before the job did"


def test_a_policy_may_say_that_a_timeout_is_final(sql: Sql) -> None:
    id, token, worker = running(sql, timeout="1 s", retry=f'{{"never": ["{TIMEOUT}"]}}')
    beat(sql, worker, token, id, seconds=100)

    assert sql.value("select rescue()") == 1
    assert (sql.job(id)["state"], sql.job(id)["reason"]) == ("failed", "timeout")


def test_a_run_that_another_transaction_holds_is_not_counted(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    id, token, worker = running(sql, timeout="1 s")
    beat(sql, worker, token, id, seconds=100)
    other = another_sql()
    with other.connection.transaction():
        other.rows("select from job where id = %s for update", id)
        assert sql.value("select rescue()") == 0
    assert sql.value("select rescue()") == 1


def test_many_long_runs_do_not_hide_one_that_is_overdue(sql: Sql) -> None:
    worker = sql.worker()
    ids = [sql.enqueue(timeout="1 h") for _ in range(5)]
    late = sql.enqueue(timeout="1 s")
    token, _ = sql.claim(worker)
    beat(sql, worker, token, *ids, late, seconds=100)

    assert sql.value("select rescue(1)") == 1
    assert sql.state(late) == "scheduled"


def test_an_overdue_run_whose_end_is_refused_holds_up_no_other(sql: Sql) -> None:
    worker = sql.worker()
    bad, good = sql.enqueue(timeout="1 s"), sql.enqueue(timeout="1 s")
    token, _ = sql.claim(worker)
    beat(sql, worker, token, bad, good, seconds=100)
    sql.rows("alter table job add constraint stays check (id <> %s or state = 'running')" % bad)  # noqa: UP031

    assert sql.value("select rescue()") == 1
    assert (sql.state(bad), sql.state(good)) == ("running", "scheduled")


def test_the_child_of_an_overdue_node_is_decided(sql: Sql) -> None:
    flow = start(sql, node("a", timeout="1 s", retries=0), node("b", "a"))
    worker = sql.worker()
    token, _ = sql.claim(worker)
    beat(sql, worker, token, flow["a"], seconds=100)

    assert sql.value("select rescue()") == 1
    assert flow.states() == {"a": "failed", "b": "skipped"}


def test_a_locked_workflow_is_waited_for_once(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    """Not by each of its overdue nodes: the worker gives up a call that takes too long, and would rescue nothing."""
    start(sql, *[node(f"n{n}", timeout="1 s", retries=0) for n in range(50)])
    worker, user = sql.worker(), another_sql()
    token, rows = sql.claim(worker, 50)
    beat(sql, worker, token, *[row["id"] for row in rows], seconds=100)
    plain, its_token, its_worker = running(sql, timeout="1 s")
    beat(sql, its_worker, its_token, plain, seconds=100)

    with user.connection.transaction():
        user.rows("select from workflow for update")
        sql.rows("set statement_timeout = '2 s'")
        assert sql.value("select rescue()") == 1
        sql.rows("reset statement_timeout")
    assert sql.state(plain) == "scheduled"
    assert sql.value("select rescue()") == 50
