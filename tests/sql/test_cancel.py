"""cancel: a job that has not started never will; one that runs is asked to stop, or ended by force."""

from datetime import timedelta

import pytest

from .conftest import Sql


def test_a_cancelled_job_is_in_the_history_with_all_that_was_asked_of_it(sql: Sql) -> None:
    id = sql.enqueue("send", {"to": 1}, queue="mail", priority=5, retries=1, meta="1", run_after=timedelta(hours=1))

    sql.value("select cancel(%s)", id)

    job = sql.job(id)
    assert (job["state"], job["reason"], job["attempt"], job["worker_id"]) == ("cancelled", "user_requested", 0, None)
    assert (job["task"], job["args"], job["queue"], job["priority"], job["max_attempts"]) == ("send", {"to": 1}, "mail", 5, 2)
    assert job["finished_at"] >= job["created_at"]
    assert sql.value("select count(*) from job") == 0


def test_a_job_waiting_for_its_retry_can_be_cancelled_and_keeps_its_errors(sql: Sql) -> None:
    id, token = sql.running()
    sql.finish(token, {"id": id, "state": "failed", "error": {"type": "E"}})

    sql.value("select cancel(%s)", id)

    assert sql.state(id) == "cancelled"
    assert sql.job(id)["errors"][0]["type"] == "E"


def test_who_cancels_a_job_and_why_stays_with_it(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    id, other = sql.enqueue(), sql.enqueue()

    assert sql.value("select cancel(%s, by => 'ann@desk', note => 'wrong customer', force => true)", id) == "cancelled"
    assert sql.value("select cancel(%s)", other) == "cancelled"

    cancel = sql.job(id)["control"]["cancel"]
    assert (cancel["by"], cancel["note"], set(cancel)) == ("ann@desk", "wrong customer", {"by", "note", "at"})
    assert sql.value("select (control->'cancel'->>'at')::timestamptz = finished_at from job_history where id = %s", id) is False
    assert sql.job(other)["control"]["cancel"]["by"] == sql.value("select session_user::text")
    assert sql.value("select error->>'message' from result(%s)", id) == "by ann@desk: wrong customer"


def test_a_running_job_is_asked_to_stop_and_runs_on_until_it_does(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    id, token = sql.running()

    assert sql.value("select cancel(%s, by => 'ann')", id) == "asked"
    assert (sql.state(id), sql.job(id)["control"]["cancel"]["by"]) == ("running", "ann")
    sql.finish(token, {"id": id, "state": "cancelled"})

    job = sql.job(id)
    assert (job["state"], job["reason"], job["control"]["cancel"]["by"]) == ("cancelled", "user_requested", "ann")


@pytest.mark.parametrize(
    ("outcome", "state"), [({"state": "succeeded"}, "succeeded"), ({"state": "failed", "final": True}, "failed")]
)
def test_what_ends_by_itself_ends_as_it_says_although_it_was_asked_to_stop(
    rolled_back_sql: Sql, outcome: dict[str, object], state: str
) -> None:
    id, token = rolled_back_sql.running()
    rolled_back_sql.value("select cancel(%s)", id)

    rolled_back_sql.finish(token, {"id": id, **outcome})

    assert rolled_back_sql.state(id) == state
    assert "cancel" in rolled_back_sql.job(id)["control"]


def test_a_second_request_keeps_the_earlier_time_of_force_and_the_note(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    id, _ = sql.running()
    sql.value("select cancel(%s, by => 'ann', note => 'n', force_after => '1 h')", id)
    force_at = sql.job(id)["control"]["cancel"]["force_at"]

    assert sql.value("select cancel(%s, by => 'bob', force_after => '2 h')", id) == "asked"

    cancel = sql.job(id)["control"]["cancel"]
    assert (cancel["by"], cancel["note"], cancel["force_at"]) == ("bob", "n", force_at)
    assert sql.value("select at::text = (%s::timestamptz)::text from forced_cancel", force_at)


@pytest.mark.parametrize("state", ["succeeded", "cancelled", "failed"])
def test_a_job_that_is_over_stays_as_it_is(rolled_back_sql: Sql, state: str) -> None:
    sql = rolled_back_sql
    id, token = sql.running()
    sql.finish(token, {"id": id, "state": state, "final": True})
    before = sql.job(id)

    for call in ("cancel(%s)", "cancel(%s, force => true)", "cancel(%s, force_after => '1 s')"):
        refused = sql.refusal(f"select {call}", id)
        assert refused.sqlstate == "PQ004"
        assert str(refused.diag.message_primary) == f"job_id: job {id} is {state}; a job that is over cannot be cancelled"

    assert sql.job(id) == before
    assert sql.value("select count(*) from forced_cancel") == 0


@pytest.mark.parametrize(
    ("named", "value", "field"),
    [
        ("by => %s", "", "by"),
        ("by => %s", "x" * 201, "by"),
        ("note => %s", "x" * 1001, "note"),
        ("force => %s::bool", None, "force"),
        ("force_after => %s::interval", "-1 s", "force_after"),
        ("force_after => %s::interval", "366 days", "force_after"),
        ("force => true, force_after => %s::interval", "1 s", "force_after"),
    ],
)
def test_a_bad_value_is_named_and_changes_nothing(rolled_back_sql: Sql, named: str, value: str | None, field: str) -> None:
    sql = rolled_back_sql
    id, _ = sql.running()

    refused = sql.refusal(f"select cancel(%s, {named})", id, value)

    assert (refused.sqlstate, refused.diag.column_name) == ("PQ001", field)
    assert (sql.state(id), sql.job(id)["control"]) == ("running", None)


def test_an_unknown_job_is_named(sql: Sql) -> None:
    refused = sql.refusal("select cancel(4711)")

    assert refused.sqlstate == "PQ003"
    assert "there is no job 4711" in str(refused)


def test_a_cancel_that_is_rolled_back_leaves_the_job_ready(sql: Sql) -> None:
    id = sql.enqueue()

    with sql.connection.transaction(force_rollback=True):
        sql.value("select cancel(%s)", id)

    assert sql.state(id) == "ready"
