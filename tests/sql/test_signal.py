"""signal: a job is told what it waits for, whichever comes first."""

from collections.abc import Callable
from typing import Any

import pytest

from . import step_guarantees as guarantees
from .conftest import Sql
from .flows import node, start
from .step_guarantees import SIGNAL, claim_again, wait_for, waiting

OpenSql = Callable[[], Sql]


@pytest.mark.parametrize(
    "guarantee",
    [
        guarantees.the_first_signal_of_a_name_wins,
        guarantees.a_signal_makes_the_job_ready_that_waits_for_it,
        guarantees.a_signal_before_the_run_that_would_time_out_is_told,
    ],
)
def test_a_signal_holds_what_it_promises(rolled_back_sql: Sql, guarantee: Callable[[Sql], None]) -> None:
    guarantee(rolled_back_sql)


@pytest.mark.parametrize(
    "guarantee",
    [
        guarantees.a_signal_that_comes_while_the_run_ends_is_seen,
        guarantees.a_signal_waits_for_the_end_of_the_run,
        guarantees.an_outcome_beside_a_signal_in_progress_is_busy,
    ],
)
def test_a_signal_and_the_end_of_a_run_never_miss_each_other(
    sql: Sql, another_sql: OpenSql, guarantee: Callable[[Sql, OpenSql], None]
) -> None:
    guarantee(sql, another_sql)


@pytest.mark.parametrize("state", ["blocked", "scheduled", "ready", "running"])
def test_a_signal_that_comes_first_is_kept_whatever_the_job_does(rolled_back_sql: Sql, state: str) -> None:
    sql = rolled_back_sql
    parent = sql.enqueue()
    given: dict[str, dict[str, Any]] = {"blocked": {"depends_on": [parent]}, "scheduled": {"run_after": "1 h"}}
    options = given.get(state, {})
    id = sql.enqueue(queue="mine", **options)
    if state == "running":
        token, _ = sql.claim(sql.worker(), queues=("mine",))

    assert sql.value(SIGNAL, id, "approved", '{"by": "ann"}') is True

    assert (sql.state(id), sql.job(id)["control"]) == (state, {"signals": ["approved"]})
    if state == "running":
        assert wait_for(sql, id, token) == {"answer": "signaled", "payload": {"by": "ann"}, "until": None}


def test_a_signal_wakes_the_queue_of_a_job_that_waits_for_it(sql: Sql, another_sql: OpenSql) -> None:
    id, listener = waiting(sql), another_sql()
    listener.listen()
    sql.value(SIGNAL, id, "paid", None)
    assert listener.wakes(sql) == []

    sql.value(SIGNAL, id, "approved", None)

    assert listener.wakes(sql) == [sql.job(id)["queue"]]


def test_a_signal_that_is_rolled_back_leaves_the_job_waiting(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    id = waiting(sql)

    with sql.connection.transaction(force_rollback=True):
        sql.value(SIGNAL, id, "approved", None)

    assert sql.state(id) == "scheduled"


def test_a_job_that_waits_for_one_signal_after_the_other_is_told_both(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    id = waiting(sql, "paid")
    sql.value(SIGNAL, id, "sent", "2")
    sql.value(SIGNAL, id, "paid", "1")
    token = claim_again(sql, id)

    assert [wait_for(sql, id, token, name)["payload"] for name in ("paid", "sent")] == [1, 2]
    told = sql.rows("select name, payload, waited_at is not null as waited from signals(%s)", id)
    assert told == [{"name": "paid", "payload": 1, "waited": True}, {"name": "sent", "payload": 2, "waited": True}]


@pytest.mark.parametrize("state", ["succeeded", "cancelled", "failed"])
def test_a_job_that_is_over_takes_no_signal(rolled_back_sql: Sql, state: str) -> None:
    sql = rolled_back_sql
    id, token = sql.running()
    sql.finish(token, {"id": id, "state": state, "final": True})

    refused = sql.refusal(SIGNAL, id, "approved", None)

    assert refused.sqlstate == "PQ004"
    assert f"job {id} is over; only a job that is not over takes signals" in str(refused)


def test_an_unknown_job_is_named(rolled_back_sql: Sql) -> None:
    refused = rolled_back_sql.refusal(SIGNAL, 4711, "approved", None)

    assert (refused.sqlstate, "there is no job 4711" in str(refused)) == ("PQ003", True)


def test_a_node_of_a_workflow_is_woken(sql: Sql) -> None:
    flow = start(sql, node("a"), node("b", "a"))
    token, _ = sql.claim(sql.worker())
    guarantees.end_waiting(sql, flow["a"], token)

    sql.value(SIGNAL, flow["a"], "approved", None)

    assert flow.states() == {"a": "ready", "b": "blocked"}


@pytest.mark.parametrize(
    ("name", "payload", "field"),
    [("", None, "name"), ("x" * 201, None, "name"), (None, None, "name"), ("approved", '"' + "x" * 1_048_576 + '"', "payload")],
    ids=["empty", "long", "null", "large"],
)
def test_what_is_no_signal_is_refused(rolled_back_sql: Sql, name: str | None, payload: str | None, field: str) -> None:
    refused = rolled_back_sql.refusal(SIGNAL, rolled_back_sql.enqueue(), name, payload)

    assert (refused.sqlstate, refused.diag.column_name) == ("PQ001", field)


def test_a_job_takes_a_thousand_signals_and_no_more(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    id = sql.enqueue()
    sql.rows(
        "insert into job_signal (job_id, name, ended_at) select %s, n, clock_timestamp() from generate_series(1, 1000) n", id
    )

    assert f"job {id} has 1,000 signals already" in str(sql.refusal(SIGNAL, id, "approved", None))
    assert sql.value(SIGNAL, id, "7", None) is False
