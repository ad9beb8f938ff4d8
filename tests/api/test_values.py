"""FAULTS 60: strange values come back as they were sent, or are refused by name; no list fails over one of them."""

import json
from decimal import Decimal
from typing import Any

import httpx
import pytest

from tests.api.http_worker import HttpWorker
from tests.sql.conftest import Sql

SIXTY = "0." + "1234567890" * 6
KEPT = {
    "2**53 + 1": "9007199254740993",
    "2**64 + 1": "18446744073709551617",
    "400 digits": "1" * 400,
    "beyond a float": "1e400",
    "the least float": "5e-324",
    "the largest float": "1.7976931348623157e308",
    "60 decimals": SIXTY,
    "a zero at the end": "1.50",
    "empty text": '""',
    "empty name": '{"": 1}',
    "an escaped backslash before u0000": r'"\\u0000"',
    "a pair of surrogates": r'"\ud83d\ude00"',
    "script": '"</script><script>"',
    "200 levels": "[" * 200 + "]" * 200,
}
REFUSED = {
    "NUL": r'"a\u0000b"',
    "NUL in a name": r'{"a\u0000b": 1}',
    "half a surrogate": r'"\ud800"',
    "10,000 levels": "[" * 10_000 + "]" * 10_000,
    "600 levels": "[" * 600 + "]" * 600,
    "a name twice": '{"a": 1, "a": 2}',
    "not a number": "NaN",
    "too many digits for PostgreSQL": "1e200000",
}
JSON = {"Content-Type": "application/json"}
kept = pytest.mark.parametrize("value", KEPT.values(), ids=KEPT.keys())
refused = pytest.mark.parametrize("value", REFUSED.values(), ids=REFUSED.keys())


def exactly(text: str) -> Any:
    return json.loads(text, parse_int=Decimal, parse_float=Decimal)


def post(api: httpx.Client, path: str, body: str) -> httpx.Response:
    return api.post(path, content=body.encode(), headers=JSON)


@kept
def test_a_strange_value_comes_back_as_it_was_sent(api: httpx.Client, value: str) -> None:
    job = f'{{"task": "send", "args": {{"x": {value}}}, "meta": {value}}}'
    id = post(api, "/jobs", job).json()["id"]
    answer = post(api, f"/jobs/{id}/signal", f'{{"name": "told", "payload": {value}}}')
    assert answer.status_code == 200, answer.text
    (batched,) = post(api, "/jobs/batch", f'{{"jobs": [{job}]}}').json()["ids"]
    assert post(api, "/jobs/batch", f'{{"jobs": [{job}, {{"task": "other"}}]}}').status_code == 201
    found = exactly(api.get(f"/jobs/{id}").text)
    sent = exactly(value)
    assert (found["args"], found["meta"], found["signals"][0]["payload"]) == ({"x": sent}, sent, sent)
    assert exactly(api.get(f"/jobs/{batched}").text)["args"] == {"x": sent}
    assert len(api.get("/jobs", params={"view": "full"}).json()["items"]) == 4


@refused
def test_a_value_that_cannot_be_kept_is_refused_by_name_and_nothing_is_done(api: httpx.Client, sql: Sql, value: str) -> None:
    id = sql.enqueue()
    for path, body in {
        "/jobs": f'{{"task": "send", "args": {{"x": {value}}}}}',
        "/jobs/batch": f'{{"jobs": [{{"task": "send", "args": {{"x": {value}}}}}]}}',
        f"/jobs/{id}/signal": f'{{"name": "told", "payload": {value}}}',
    }.items():
        answer = post(api, path, body)
        assert answer.status_code == 422, (path, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
        assert any(field in answer.json()["detail"] for field in ("args", "payload", "body"))
    meta = post(api, "/jobs", f'{{"task": "send", "meta": {value}}}')
    assert meta.status_code == 422
    assert any(field in meta.json()["detail"] for field in ("meta", "body"))
    assert sql.value("select count(*) from job") == 1
    assert sql.value("select count(*) from job_signal") == 0


@pytest.mark.parametrize("text", [r'"a\u0000b"', r'"\ud800"', '"' + "x" * 1001 + '"', '""', "5"])
def test_a_reason_or_name_that_cannot_be_kept_is_refused(api: httpx.Client, sql: Sql, text: str) -> None:
    id = sql.enqueue()
    for path, body in {
        f"/jobs/{id}/cancel": f'{{"reason": {text}}}',
        f"/jobs/{id}/signal": f'{{"name": {text}}}',
        "/operations": f'{{"kind": "cancel", "all": true, "reason": {text}}}',
        "/jobs": f'{{"task": {text}}}',
    }.items():
        answer = post(api, path, body)
        assert answer.status_code == 422, (path, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
    assert sql.state(id) == "ready"


def test_a_result_that_nobody_could_read_does_not_hide_the_others(api: httpx.Client, sql: Sql) -> None:
    deep = sql.enqueue(args={"x": 1})
    sql.enqueue()
    sql.connection.execute(
        "update job set args = jsonb_build_object('x', (repeat('[', 5000) || repeat(']', 5000))::jsonb) where id = %s", (deep,)
    )
    assert len(api.get("/jobs", params={"view": "full"}).json()["items"]) == 2
    assert api.get(f"/jobs/{deep}").status_code == 200


HALF = r'"\ud800"'


@pytest.mark.parametrize("value", [HALF, '{"a": 1e999999}', r'{"\udc00": 1}'])
def test_a_filter_that_no_database_can_read_is_refused(api: httpx.Client, value: str) -> None:
    for path in ("/jobs", "/dead-letters", "/dead-letters/groups", "/events"):
        answer = api.get(path, params={"args": value})
        assert (answer.status_code, answer.json()["field"]) == (422, "args"), answer.text
    for path in ("/operations", "/dead-letters/purge"):
        kind = '"kind": "cancel", ' if path == "/operations" else ""
        answer = post(api, path, f'{{{kind}"filter": {{"queue": {HALF}, "args": {{"x": {value}}}}}}}')
        assert (answer.status_code, answer.json()["field"]) == (422, "queue"), answer.text


def test_a_key_for_a_queue_that_no_queue_can_be_is_refused(api: httpx.Client) -> None:
    assert post(api, "/keys", f'{{"role": "viewer", "queues": [{HALF}]}}').status_code == 422


def test_a_run_whose_result_cannot_be_stored_hears_so_and_may_still_fail(api: httpx.Client, sql: Sql) -> None:
    post(api, "/jobs", '{"task": "send"}')
    worker = HttpWorker(api)
    (job,) = worker.claim()
    path, token = f"/jobs/{job['id']}", f'"token": "{job["token"]}"'
    assert "outcome of job" in post(api, f"{path}/complete", f'{{{token}, "result": [{HALF}]}}').json()["field"]
    outcome = f'{{"id": "{job["id"]}", "state": "succeeded", {token}, "result": {HALF}}}'
    assert post(api, f"/workers/{worker.id}/finish", f'{{"outcomes": [{outcome}]}}').status_code == 422
    assert api.put(f"{path}/steps/a", content=f'{{{token}, "value": {HALF}}}', headers=JSON).json()["field"] == "value"
    line = rf'{{"message": "\ud800 {{x}}\u0000", "fields": {{"\ud800": {HALF}}}}}'
    said = post(api, f"{path}/log", f'{{{token}, "worker": "{worker.id}", "first": 1, "lines": [{line}]}}')
    assert said.status_code == 200, said.text
    deep = f'{{"type": "x", "cause": {{"a": {"[" * 600}{"]" * 600}}}}}'
    assert post(api, f"{path}/fail", f'{{{token}, "error": {deep}}}').status_code == 422
    error = f'{{"type": {HALF}, "types": [{HALF}], "message": {HALF}, "traceback": {HALF}, "cause": {{"message": {HALF}}}}}'
    assert post(api, f"{path}/fail", f'{{{token}, "error": {error}}}').json()["verdict"] == "scheduled"
    assert sql.value("select errors->0->>'message' from job") == "?"
