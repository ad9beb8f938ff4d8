"""update: what has not started can still be changed."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from .background import Background
from .conftest import Sql
from .guarantees import without_waiting

OpenSql = Callable[[], Sql]


def row(sql: Sql, id: int) -> dict[str, Any]:
    (found,) = sql.rows("select * from job where id = %s", id)
    return found


def update(sql: Sql, id: int, **values: Any) -> None:
    named = "".join(f", {name} => %s" for name in values)
    sql.value(f"select update(%s{named})", id, *values.values())


@pytest.mark.parametrize(
    ("values", "changed"),
    [
        ({"args": '{"n": 2}'}, {"args": {"n": 2}}),
        ({"args": "{}"}, {"args": {}}),
        ({"priority": -7}, {"priority": -7}),
        ({"run_at": datetime(2100, 1, 1, tzinfo=UTC)}, {"run_at": datetime(2100, 1, 1, tzinfo=UTC), "state": "scheduled"}),
        ({"args": '{"n": 2}', "priority": 1}, {"args": {"n": 2}, "priority": 1}),
        ({"queue": "mail"}, {"queue": "mail"}),
        ({}, {}),
        ({"args": None, "priority": None, "run_at": None, "run_after": None}, {}),
    ],
)
def test_what_is_given_is_changed_and_nothing_else(rolled_back_sql: Sql, values: dict[str, Any], changed: dict[str, Any]) -> None:
    sql = rolled_back_sql
    id = sql.enqueue(args={"n": 1}, priority=5, meta='"m"', retries=9, unique_mode="until_done", unique_key="one")
    before = row(sql, id)

    update(sql, id, **values)

    assert row(sql, id) == {**before, **changed}


@pytest.mark.parametrize(
    ("first", "values", "state"),
    [
        (None, {"run_after": "1 h"}, "scheduled"),
        ("1 h", {"run_after": "0 s"}, "ready"),
        ("1 h", {"run_at": "2020-01-01"}, "ready"),
        ("1 h", {"run_after": "2 h"}, "scheduled"),
        ("1 h", {"priority": 1}, "scheduled"),
        (None, {"priority": 1}, "ready"),
    ],
)
def test_the_state_follows_the_time(rolled_back_sql: Sql, first: str | None, values: dict[str, Any], state: str) -> None:
    sql = rolled_back_sql
    id = sql.enqueue(run_after=first)

    update(sql, id, **values)

    assert sql.state(id) == state
    assert [row["id"] for row in sql.claim(sql.worker())[1]] == ([id] if state == "ready" else [])


def test_a_job_that_waits_for_its_retry_can_be_changed_and_keeps_its_attempts_and_errors(sql: Sql) -> None:
    id, token = sql.running(args={"n": 1})
    sql.finish(token, {"id": id, "state": "failed", "error": {"type": "E"}})

    update(sql, id, args='{"n": 2}', run_after="0 s")

    job = sql.job(id)
    assert (job["state"], job["args"], job["attempt"], job["errors"][0]["type"]) == ("ready", {"n": 2}, 1, "E")


@pytest.mark.parametrize("values", [{"args": '{"n": 2}'}, {"run_after": "0 s"}, {"run_after": "1 h"}])
def test_a_blocked_job_stays_blocked(rolled_back_sql: Sql, values: dict[str, Any]) -> None:
    sql = rolled_back_sql
    id = sql.enqueue()
    sql.rows("update job set state = 'blocked'")

    update(sql, id, **values)

    assert sql.state(id) == "blocked"


def test_a_key_made_of_the_arguments_follows_them(sql: Sql) -> None:
    id = sql.enqueue(args={"n": 1}, unique_mode="until_done")

    update(sql, id, args='{"n": 2}')

    assert sql.enqueue(args={"n": 2}, unique_mode="until_done") == id
    assert sql.enqueue(args={"n": 1}, unique_mode="until_done") != id


def test_a_key_that_was_given_stays(sql: Sql) -> None:
    id = sql.enqueue(args={"n": 1}, unique_mode="until_done", unique_key="one {n}")

    update(sql, id, args='{"n": 2}')

    assert sql.enqueue(args={"n": 1}, unique_mode="until_done", unique_key="one {n}") == id


def test_arguments_that_another_unique_job_has_are_refused_and_nothing_changes(sql: Sql) -> None:
    one, _ = [sql.enqueue(args={"n": n}, unique_mode="until_done") for n in (1, 2)]

    refused = sql.refusal("select update(%s, args => %s)", one, '{"n": 2}')

    assert (refused.sqlstate, "another live job has them" in str(refused)) == ("PQ004", True)
    assert sql.job(one)["args"] == {"n": 1}


@pytest.mark.one_case
@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"args": "[]"}, "args"),
        ({"args": "null"}, "args"),
        ({"priority": 101}, "priority"),
        ({"run_at": "infinity"}, "run_at"),
        ({"run_after": "9999 years"}, "run_after"),
        ({"run_at": "2100-01-01", "run_after": "1 h"}, "run_after"),
        ({"args": json.dumps({"text": "x" * 1048576})}, "args"),
    ],
)
def test_a_bad_value_is_refused_and_changes_nothing(rolled_back_sql: Sql, values: dict[str, Any], field: str) -> None:
    sql = rolled_back_sql
    id = sql.enqueue()
    before = row(sql, id)
    named = "".join(f", {name} => %s" for name in values)

    refused = sql.refusal(f"select update(%s{named})", id, *values.values())

    assert (refused.sqlstate, refused.diag.column_name) == ("PQ001", field)
    assert row(sql, id) == before


@pytest.mark.parametrize("state", ["running", "succeeded", "cancelled", "failed"])
def test_a_job_that_has_started_is_not_changed_and_the_error_says_so(rolled_back_sql: Sql, state: str) -> None:
    sql = rolled_back_sql
    id, token = sql.running()
    if state != "running":
        sql.finish(token, {"id": id, "state": state, "final": True})
    before = sql.job(id)

    refused = sql.refusal("select update(%s, priority => 1)", id)

    assert refused.sqlstate == "PQ004"
    assert str(refused.diag.message_primary) == f"job_id: job {id} is {state}; only a job that has not started can be changed"
    assert sql.job(id) == before


@pytest.mark.parametrize("id", ["4711", "null"])
def test_an_unknown_job_is_named(rolled_back_sql: Sql, id: str) -> None:
    assert rolled_back_sql.refusal(f"select update({id}, priority => 1)").sqlstate == "PQ003"


def test_a_job_that_becomes_due_wakes_the_workers_of_its_queue(sql: Sql, another_sql: OpenSql) -> None:
    id = sql.enqueue(queue="mail", run_after="1 h")
    worker = another_sql()
    worker.listen()

    update(sql, id, priority=1)
    update(sql, id, run_after="2 h")
    assert worker.wakes(sql) == []

    update(sql, id, run_after="0 s")
    assert worker.wakes(sql) == ["mail"]


@pytest.mark.parametrize("rolled_back", [False, True], ids=["committed", "rolled back"])
def test_an_update_waits_for_a_claim_in_progress(sql: Sql, another_sql: OpenSql, rolled_back: bool) -> None:
    id, worker, claimer = sql.enqueue(args={"n": 1}), sql.worker(), another_sql()

    with claimer.connection.transaction(force_rollback=rolled_back):
        claimer.claim(worker)
        call = Background(another_sql(), """select update(%s, '{"n": 2}')""", id)
        call.wait_until_blocked(sql)

    if rolled_back:
        call.rows()
    else:
        assert call.refusal().sqlstate == "PQ004"
    assert sql.job(id)["args"] == {"n": 2 if rolled_back else 1}


def test_a_claim_passes_over_a_job_that_is_being_changed(sql: Sql, another_sql: OpenSql) -> None:
    id, worker, other = sql.enqueue(), sql.worker(), another_sql()

    with other.connection.transaction():
        update(other, id, run_after=timedelta(hours=1))
        with without_waiting(sql):
            assert sql.claim(worker)[1] == []

    assert sql.state(id) == "scheduled"


def test_a_change_that_is_rolled_back_leaves_the_job_as_it_was(sql: Sql) -> None:
    id = sql.enqueue()
    before = row(sql, id)

    with sql.connection.transaction(force_rollback=True):
        update(sql, id, args='{"n": 2}', run_after="1 h")

    assert row(sql, id) == before


def test_a_moved_job_is_claimed_from_its_new_queue_alone(sql: Sql) -> None:
    id = sql.enqueue()
    worker = sql.worker(queues=("default", "mail"))
    update(sql, id, queue="mail")
    assert sql.claim(worker)[1] == []
    assert [job["id"] for job in sql.claim(worker, queues=("mail",))[1]] == [id]


def test_the_audit_log_says_from_which_queue_a_job_was_moved_to_which(sql: Sql) -> None:
    update(sql, sql.enqueue(), queue="mail")
    assert sql.rows("select before->>'queue' as old, after->>'queue' as new from audit_log") == [
        {"old": "default", "new": "mail"}
    ]


def test_a_queue_that_no_job_could_have_is_refused(rolled_back_sql: Sql) -> None:
    id = rolled_back_sql.enqueue()
    refused = rolled_back_sql.refusal("select update(%s, queue => %s)", id, "a b")
    assert (refused.sqlstate, str(refused.diag.message_primary)[:5]) == ("PQ001", "queue")
