"""A10: a request with an Idempotency-Key that comes twice adds its jobs once, whoever dies in between."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import psycopg
import pytest

from pgqueue import PgQueue
from tests.api.callers import calling
from tests.sql.conftest import Sql

KEY = {"Idempotency-Key": "8e03978e-40d5-43e8-bc93-6894a57f9324"}
JOB = {"task": "send", "args": {"to": 1}}
FORMS: list[tuple[str, dict[str, Any]]] = [("/jobs", JOB), ("/jobs/batch", {"jobs": [JOB, {**JOB, "unique": "until_done"}]})]
forms = pytest.mark.parametrize(("path", "body"), FORMS, ids=["one", "batch"])
HOLD = "insert into pgqueue.idempotent_request (owner, key, digest, ids, duplicates) values ('', %s, '', '{}', '{}')"


@forms
def test_the_same_request_is_answered_as_before_and_adds_nothing(
    api: httpx.Client, sql: Sql, path: str, body: dict[str, Any]
) -> None:
    first, second = (api.post(path, json=body, headers=KEY) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"
    assert first.headers.get("location") == second.headers.get("location")
    assert sql.value("select count(*) from job") == len(body.get("jobs", [body]))


def test_another_request_with_the_key_is_refused(api: httpx.Client, sql: Sql) -> None:
    assert api.post("/jobs", json=JOB, headers=KEY).status_code == 201
    for path, body in (("/jobs", {**JOB, "priority": 1}), ("/jobs/batch", {"jobs": [JOB]})):
        answer = api.post(path, json=body, headers=KEY)
        assert (answer.status_code, answer.json()["type"].rpartition("/")[2]) == (422, "key-reused")
    assert sql.value("select count(*) from job") == 1


def test_a_request_whose_first_still_runs_does_not_wait_for_it(
    api: httpx.Client, sql: Sql, connection: psycopg.Connection[Any]
) -> None:
    """The race made certain: another transaction holds the key, as a request does that has not committed."""
    with connection.transaction(force_rollback=True):
        connection.execute(HOLD, (KEY["Idempotency-Key"],))
        answer = api.post("/jobs", json=JOB, headers=KEY)
        assert (answer.status_code, answer.json()["type"].rpartition("/")[2]) == (409, "still-running")
        assert answer.headers["retry-after"] == "1"
    assert api.post("/jobs", json=JOB, headers=KEY).status_code == 201
    assert sql.value("select count(*) from job") == 1


def test_a_request_that_died_before_its_commit_has_left_nothing_and_comes_again(sql: Sql, api: httpx.Client) -> None:
    """Jobs and key are one transaction: there are both or none."""
    other = sql.connection
    with other.transaction(force_rollback=True):
        statement = "select said from enqueue_once('', %s, 'd', '[{\"task\": \"send\"}]')"
        assert sql.value(statement, KEY["Idempotency-Key"]) == "enqueued"
    assert (sql.value("select count(*) from job"), sql.value("select count(*) from idempotent_request")) == (0, 0)
    assert api.post("/jobs", json=JOB, headers=KEY).status_code == 201


def test_of_many_requests_at_once_one_adds_the_job(api: httpx.Client, sql: Sql) -> None:
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: api.post("/jobs", json=JOB, headers=KEY), range(24)))
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len({answer.json()["id"] for answer in answers if answer.status_code == 201}) == 1
    assert sum("idempotency-replayed" not in answer.headers for answer in answers if answer.status_code == 201) == 1
    assert sql.value("select count(*) from job") == 1


def test_a_request_that_is_refused_may_come_again(api: httpx.Client, sql: Sql) -> None:
    bad = {**JOB, "unique": {"key": "{nobody}"}}
    assert api.post("/jobs", json=bad, headers=KEY).status_code == 422
    assert api.post("/jobs", json=JOB, headers=KEY).status_code == 201
    assert sql.value("select count(*) from job") == 1


def test_keys_of_two_callers_have_nothing_to_do_with_each_other(app: PgQueue, sql: Sql, monkeypatch: pytest.MonkeyPatch) -> None:
    for key_id in ("k1", "k2"):
        with calling(app, monkeypatch, key_id=key_id) as api:
            answer = api.post("/jobs", json=JOB, headers=KEY)
            assert (answer.status_code, answer.headers.get("idempotency-replayed")) == (201, None)
    assert sql.value("select count(*) from job") == 2


def test_a_duplicate_is_answered_as_one_when_its_request_comes_again(api: httpx.Client) -> None:
    job = {**JOB, "unique": "until_done"}
    id = api.post("/jobs", json=job).json()["id"]
    for _ in range(2):
        answer = api.post("/jobs", json=job, headers=KEY)
        assert (answer.status_code, answer.json()) == (200, {"id": id, "duplicate": True})


def test_a_key_is_forgotten_after_a_day(api: httpx.Client, sql: Sql) -> None:
    """By the next request with it, and by upkeep."""
    api.post("/jobs", json=JOB, headers=KEY)
    sql.connection.execute("update idempotent_request set created_at = created_at - interval '25 hours'")
    assert "idempotency-replayed" not in api.post("/jobs", json=JOB, headers=KEY).headers
    assert "idempotency-replayed" in api.post("/jobs", json=JOB, headers=KEY).headers
    assert sql.value("select count(*) from job") == 2
    sql.value("select maintain()")
    assert sql.value("select count(*) from idempotent_request") == 1
    sql.connection.execute("update idempotent_request set created_at = created_at - interval '25 hours'")
    sql.value("select maintain()")
    assert sql.value("select count(*) from idempotent_request") == 0


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb"])
def test_a_key_that_is_none_is_refused(api: httpx.Client, key: str) -> None:
    answer = api.post("/jobs", json=JOB, headers={"Idempotency-Key": key})
    assert (answer.status_code, answer.json()["field"]) == (422, "Idempotency-Key")
