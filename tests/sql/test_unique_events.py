"""A duplicate is tried before and after every event, in every state: no unique violation escapes, one live job has the key."""

from typing import Any
from uuid import UUID

import psycopg
import pytest

from .conftest import Sql

MODES = ["until_done", "until_started", "replace", "period"]
STATES = ["scheduled", "ready", "running", "waiting for retry", "succeeded", "dead", "cancelled"]
EVENTS = ["claim", "succeed", "fail", "die", "rescue", "promote", "snooze", "give_back", "cancel", "retry", "update", "maintain"]
HOLDS_THE_KEY = {  # which states of a job keep others with its key away
    "until_done": STATES[:4],
    "until_started": STATES[:2],
    "replace": STATES[:2],
    "period": STATES,
}


def add(sql: Sql, mode: str, **options: Any) -> int:
    period: dict[str, Any] = {"unique_period": "1 h"} if mode == "period" else {}
    return sql.enqueue(unique_mode=mode, unique_key="k", **period, **options)


def job_in(sql: Sql, mode: str, state: str) -> tuple[int, UUID, UUID]:
    """A unique job in this state, the token and the worker of its last claim."""
    worker = sql.worker()
    id = add(sql, mode, run_after="1 h" if state == "scheduled" else None)
    token, _ = sql.claim(worker, want=10 if state not in ("scheduled", "ready", "cancelled") else 0)
    match state:
        case "waiting for retry":
            sql.finish(token, {"id": id, "state": "failed", "delay": 3600})
        case "succeeded":
            sql.finish(token, {"id": id, "state": "succeeded"})
        case "dead":
            sql.finish(token, {"id": id, "state": "failed", "final": True})
        case "cancelled":
            sql.value("select cancel(%s)", id)
    return id, token, worker


def use(sql: Sql, event: str, id: int, token: UUID, worker: UUID) -> Any:
    """Let it happen to the job; where the state does not allow it, the refusal is the rules' own."""
    outcomes: dict[str, dict[str, Any]] = {
        "succeed": {"state": "succeeded"},
        "fail": {"state": "failed", "delay": 3600},
        "die": {"state": "failed", "final": True},
        "snooze": {"state": "snoozed", "delay": 3600},
    }
    if event in outcomes:
        return sql.finish(token, {"id": id, **outcomes[event]})
    match event:
        case "claim":
            return sql.claim(sql.worker())
        case "rescue":
            sql.lose(worker)
            return sql.value("select rescue()")
        case "promote":
            sql.make_due()
            return sql.value("select promoted from promote()")
        case "give_back":
            return sql.rows("select give_back(%s, %s)", token, [id])
        case "maintain":
            return sql.value("select prune(7)")
    try:
        with sql.connection.transaction():
            return sql.value(f"select {event}(%s{', priority => 1' if event == 'update' else ''})", id)
    except psycopg.Error as error:
        if error.sqlstate not in ("PQ003", "PQ004"):
            raise
        return None


def holder(sql: Sql, mode: str) -> int | None:
    """Who has the key; of several live jobs with one, the test fails."""
    query = "select job_id as id from unique_hold" if mode == "period" else "select id from job where unique_key is not null"
    rows = sql.rows(query)
    assert len(rows) <= 1
    return rows[0]["id"] if rows else None


def try_a_duplicate(sql: Sql, mode: str) -> int:
    """Whoever holds the key is the answer, and else the new job."""
    held_by, newest = holder(sql, mode), sql.value("select max(id) from jobs")

    id = add(sql, mode)

    assert id == held_by if held_by else id > newest
    assert holder(sql, mode) == id
    return id


@pytest.mark.one_case
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("state", STATES)
def test_a_job_keeps_duplicates_away_in_the_states_of_its_mode(rolled_back_sql: Sql, mode: str, state: str) -> None:
    sql = rolled_back_sql
    id, _, _ = job_in(sql, mode, state)

    assert (try_a_duplicate(sql, mode) == id) is (state in HOLDS_THE_KEY[mode])


@pytest.mark.one_case
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("event", EVENTS)
def test_no_event_and_no_duplicate_raises_a_unique_violation_in_any_state(lasting_sql: Sql, mode: str, event: str) -> None:
    sql = lasting_sql
    for state in STATES:  # on one connection, which has made its plans
        for duplicate_before in (False, True):
            with sql.connection.transaction(force_rollback=True):
                id, token, worker = job_in(sql, mode, state)
                if duplicate_before:
                    try_a_duplicate(sql, mode)
                use(sql, event, id, token, worker)
                try_a_duplicate(sql, mode)
                use(sql, "retry", id, token, worker)
                try_a_duplicate(sql, mode)


@pytest.mark.one_case
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("state", ["succeeded", "dead", "cancelled"])
def test_a_retry_of_a_job_whose_key_is_live_again_is_answered_with_the_live_job(
    rolled_back_sql: Sql, mode: str, state: str
) -> None:
    sql = rolled_back_sql
    id, _, _ = job_in(sql, mode, state)
    sql.rows("delete from unique_hold")  # its time is over
    live = try_a_duplicate(sql, mode)
    before = sql.rows("select * from jobs order by id")
    kept_its_key = mode == "until_done" or (mode in ("until_started", "replace") and state == "cancelled")

    again = sql.value("select id from retry(%s)", id)

    if kept_its_key:
        assert again == live
        assert sql.rows("select * from jobs order by id") == before
    else:  # the claim freed its key for good, or its time is over: it runs beside the other
        assert again != live
        assert sql.state(again) == "ready"
    assert holder(sql, mode) == live


@pytest.mark.one_case
@pytest.mark.parametrize("state", ["succeeded", "dead", "cancelled"])
def test_a_retry_takes_the_key_that_the_job_had_while_it_is_free(rolled_back_sql: Sql, state: str) -> None:
    sql = rolled_back_sql
    id, _, _ = job_in(sql, "until_done", state)

    again = sql.value("select id from retry(%s)", id)

    assert (again == id) is (state == "dead")
    assert try_a_duplicate(sql, "until_done") == again


def test_a_second_retry_of_a_finished_job_is_answered_with_the_first_ones_job(sql: Sql) -> None:
    id, _, _ = job_in(sql, "until_done", "succeeded")

    assert sql.value("select id from retry(%s)", id) == sql.value("select id from retry(%s)", id) != id
