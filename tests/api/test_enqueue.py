"""POST of jobs."""

import re
from datetime import timedelta
from typing import Any

import httpx
import psycopg
import pytest

from pgqueue import PgQueue
from pgqueue.api.routes.enqueue import endpoints
from pgqueue.database import Call
from pgqueue.database.calls import enqueue as calls
from pgqueue.database.calls.requests import enqueue_once
from tests.sql.conftest import Sql

Connection = psycopg.Connection[Any]


def test_a_job_is_added_and_its_place_is_told(api: httpx.Client) -> None:
    answer = api.post("/jobs", json={"task": "send", "args": {"to": 1}})
    assert answer.status_code == 201, answer.text
    added = answer.json()
    assert added["duplicate"] is False
    assert answer.headers["location"] == f"/api/v1/jobs/{added['id']}"
    assert api.get(f"/jobs/{added['id']}").json()["args"] == {"to": 1}


def test_every_option_reaches_the_job(api: httpx.Client, connection: Connection) -> None:
    parent = api.post("/jobs", json={"task": "send"}).json()["id"]
    options = {
        "queue": "mail",
        "priority": "high",
        "run_after": 3600,
        "unique": {"mode": "until_done", "key": "user {to}"},
        "retry": {"retries": 5, "backoff": "linear", "delay": 1.50, "step": 2},
        "timeout": 60,
        "soft_timeout": "50%",
        "expires_after": 100,
        "total_timeout": 1000,
        "fair": "tenant:{to}",
        "cost": 2,
        "result_ttl": 10,
        "meta": {"trace": 1},
        "depends_on": [parent],
        "run_if": "finished",
    }
    answer = api.post("/jobs", json={"task": "send", "args": {"to": 1}, **options})
    assert answer.status_code == 201, answer.text
    row = connection.execute(
        "select queue, priority, max_attempts, retry, terms, limits, cost, result_ttl, meta, state::text, unique_mode::text, "
        "run_at > clock_timestamp() + interval '59 min' from job where id = %s",
        (answer.json()["id"],),
    ).fetchone()
    assert row is not None
    queue, priority, most, retry, terms, limits, cost, ttl, meta, state, mode, is_late = row
    assert (queue, priority, most, cost, ttl, meta) == ("mail", 50, 6, 2, timedelta(seconds=10), {"trace": 1})
    assert retry == {"backoff": "linear", "delay": 1.5, "step": 2}
    assert (terms["timeout"], terms["soft_timeout"], terms["expires_after"], terms["total_timeout"]) == (60, 30, 100, 1000)
    assert limits == ["tenant:1"]
    assert (state, mode, is_late) == ("blocked", "until_done", True)


def test_the_options_of_a_task_are_the_defaults_and_its_hints_check_the_arguments(app: PgQueue, api: httpx.Client) -> None:
    @app.task(queue="mail", priority="low", fair="kind:{kind}")
    def send(to: int, kind: str = "letter") -> None: ...

    id = api.post("/jobs", json={"task": send.name, "args": {"to": 1}}).json()["id"]
    found = api.get(f"/jobs/{id}").json()
    assert (found["queue"], found["priority"], found["args"]) == ("mail", -50, {"to": 1, "kind": "letter"})
    refused = api.post("/jobs", json={"task": send.name, "args": {"to": "ann"}})
    assert refused.status_code == 422
    assert "to" in refused.json()["detail"]
    assert refused.json()["type"].endswith("/invalid")


def test_a_duplicate_is_answered_with_200_and_the_job_that_is_there(api: httpx.Client) -> None:
    job = {"task": "send", "args": {"to": 1}, "unique": "until_done"}
    assert api.post("/jobs/find-duplicate", json=job).json() == {"id": None}
    first = api.post("/jobs", json=job)
    second = api.post("/jobs", json=job)
    assert (first.status_code, second.status_code) == (201, 200)
    id = first.json()["id"]
    assert second.json() == {"id": id, "duplicate": True}
    assert api.post("/jobs/find-duplicate", json=job).json() == {"id": id}
    assert api.get(f"/jobs/{id}/duplicates").json() == {"is_unique": True, "holder": id}
    plain = api.post("/jobs", json={"task": "send"}).json()["id"]
    assert api.get(f"/jobs/{plain}/duplicates").json() == {"is_unique": False, "holder": None}
    assert api.get("/jobs/999999/duplicates").status_code == 404


@pytest.mark.parametrize(
    ("fault", "field"),
    [
        ({"priority": 101}, "priority"),
        ({"priority": True}, "priority"),
        ({"queue": "a b"}, "queue"),
        ({"run_at": "2026-12-24T18:00:00"}, "run_at"),
        ({"run_at": "2026-12-24T18:00:00Z", "run_after": 1}, "body"),
        ({"timeout": "60"}, "timeout"),
        ({"args": [1]}, "args"),
        ({"retries": 3}, "retries"),
        ({"retry": {"backoff": "wild"}}, "retry"),
        ({"unique": "sometimes"}, "unique"),
        ({"unique": {"mode": "period"}}, "unique"),
        ({"depends_on": ["x"]}, "depends_on"),
        ({"task": ""}, "task"),
        ({"task": "a\0b"}, "task"),
        ({"args": {"x": "a\0b"}}, "args"),
        ({"meta": "a\0b"}, "meta"),
    ],
)
def test_a_bad_option_is_refused_by_name_and_nothing_is_added(
    api: httpx.Client, sql: Sql, fault: dict[str, Any], field: str
) -> None:
    answer = api.post("/jobs", json={"task": "send", **fault})
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert field in answer.json()["detail"]
    batch = api.post("/jobs/batch", json={"jobs": [{"task": "send"}, {"task": "send", **fault}]})
    assert batch.status_code == 422
    assert "jobs[1]" in batch.json()["detail"]
    assert sql.value("select count(*) from job") == 0


def test_a_batch_is_added_in_its_order_whether_its_jobs_are_alike_or_not(api: httpx.Client) -> None:
    alike = [{"task": "send", "args": {"n": n}} for n in range(3)]
    unlike = [
        {"task": "a", "args": {"n": 0}, "unique": "until_done"},
        {"task": "b", "queue": "mail", "args": {"n": 1}},
        {"task": "a", "args": {"n": 0}, "unique": "until_done"},
    ]
    some = [{"task": "ab"[n % 2], "priority": n % 3, "args": {"n": n}} for n in range(20)]
    many = [{"task": "a", "priority": n, "args": {"n": n}} for n in range(20)]
    for jobs, duplicates in ((alike, 0), (unlike, 1), (some, 0), (many, 0)):
        answer = api.post("/jobs/batch", json={"jobs": jobs})
        assert answer.status_code == 201, answer.text
        ids = answer.json()["ids"]
        assert [api.get(f"/jobs/{id}").json()["args"]["n"] for id in ids] == [job["args"]["n"] for job in jobs]  # type: ignore[index]
        assert len(answer.json()["duplicates"]) == duplicates


def test_the_id_of_the_request_travels_with_the_job(api: httpx.Client) -> None:
    id = api.post("/jobs", json={"task": "send"}, headers={"X-Request-ID": "r-17"}).json()["id"]
    assert api.get(f"/jobs/{id}").json()["request_id"] == "r-17"
    (id,) = api.post("/jobs/batch", json={"jobs": [{"task": "send"}]}, headers={"X-Request-ID": "r-18"}).json()["ids"]
    assert api.get(f"/jobs/{id}").json()["request_id"] == "r-18"


def test_the_middleware_of_the_app_is_around_an_enqueue_over_http(app: PgQueue, api: httpx.Client) -> None:
    @app.task
    def send(to: int) -> None: ...

    @app.around_enqueue
    def tenfold(call: Any) -> Any:
        call.args["to"] *= 10
        yield

    id = api.post("/jobs", json={"task": send.name, "args": {"to": 1}}).json()["id"]
    assert api.get(f"/jobs/{id}").json()["args"] == {"to": 10}


def test_a_full_queue_is_a_conflict(api: httpx.Client, connection: Connection) -> None:
    connection.execute("select set_queue('mail', '{\"max_ready\": 1}')")
    assert api.post("/jobs", json={"task": "send", "queue": "mail"}).status_code == 201
    connection.execute("select sweep_queues()")
    answer = api.post("/jobs", json={"task": "send", "queue": "mail"})
    assert (answer.status_code, answer.json()["type"].rpartition("/")[2]) == (409, "queue-full")


@pytest.mark.parametrize(
    ("fault", "status", "says"),
    [
        ({"unique": {"key": "{nobody}"}}, 422, "nobody"),
        ({"limits": ["unheard_of"]}, 422, "unheard_of"),
        ({"depends_on": ["999999"]}, 404, "999999"),
    ],
)
def test_what_only_the_database_can_refuse_names_the_job_of_a_batch_too(
    api: httpx.Client, sql: Sql, fault: dict[str, Any], status: int, says: str
) -> None:
    jobs = [{"task": "send", "unique": "until_done", "args": {"n": n}} for n in range(5)]
    jobs[3] = {"task": "send", **fault}
    for headers in ({}, {"Idempotency-Key": "k"}):
        answer = api.post("/jobs/batch", json={"jobs": jobs}, headers=headers)
        assert answer.status_code == status, answer.text
        assert answer.json()["detail"].startswith("jobs[3]: ")
        assert says in answer.json()["detail"]
        assert answer.json()["field"] == "jobs[3]"
    assert sql.value("select count(*) from job") == 0


def test_the_endpoint_names_every_function_that_adds_one_job() -> None:
    (endpoint,) = [each for each in endpoints.all if (each.method, each.path) == ("POST", "/jobs")]
    ways: list[Call[Any]] = [
        calls.enqueue("send", "{}", calls.EnqueueOptions(), True),
        calls.enqueue("send", "{}", calls.EnqueueOptions(retries=1), True),
        calls.enqueue_jobs(["{}"]),
        enqueue_once("", "key", b"", ["{}"]),
    ]

    assert {name for way in ways for name in re.findall(r"{schema}\.(\w+)", way.statement)} == set(endpoint.calls)
