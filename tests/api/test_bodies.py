"""A number is a number however it is written, and nothing else is one; a time is a text with a zone; a flag is true or false."""

import httpx

from tests.sql.conftest import Sql

JSON = {"Content-Type": "application/json"}
TAKEN = [
    (
        "/jobs",
        '{"task": "t", "priority": 5.0, "run_after": 1.50, "retry": {"retries": 2.0, "delays": [1.10]}}',
    ),
    ("/jobs", '{"task": "t", "fair": "a", "cost": 1e0}'),
    ("/jobs", '{"task": "t", "unique": {"mode": "period", "period": 1.50}, "timeout": 1e3}'),
    ("/workflows", '{"nodes": [{"task": "t", "priority": 5.0, "run_after": 1.50, "timeout": 1e3, "fair": "a", "cost": 1e0}]}'),
    ("/workflows", '{"nodes": [{"task": "u", "unique": {"mode": "period", "period": 1.50}, "result_ttl": 1e3}]}'),
    ("/dead-letters/retry", '{"all": true, "dry_run": true, "per_second": 1.50, "run_after": 1e3}'),
    ("/operations", '{"kind": "update", "all": true, "dry_run": true, "per_second": 1.50, "spec": {"priority": 5.0}}'),
    ("/keys", '{"role": "viewer", "expires_after": 1e3}'),
]
REFUSED = [
    ("/jobs", '{"task": "t", "run_at": 5}', "run_at"),
    ("/jobs", '{"task": "t", "run_at": "1700000000"}', "run_at"),
    ("/jobs", '{"task": "t", "expires_at": 5}', "expires_at"),
    ("/jobs", '{"task": "t", "priority": true}', "priority"),
    ("/jobs", '{"task": "t", "priority": 1.50}', "priority"),
    ("/jobs", '{"task": "t", "unique": 1.50}', "unique"),
    ("/jobs", '{"task": "t", "retry": 1.50}', "retry"),
    ("/workflows", '{"nodes": [{"task": "t", "run_at": 5}]}', "run_at"),
    ("/workflows", '{"nodes": [{"task": "t", "run_after": "5"}]}', "run_after"),
    ("/workflows", '{"nodes": [{"task": "t", "priority": true}]}', "priority"),
    ("/workflows", '{"nodes": [{"task": "t", "cost": "2"}]}', "cost"),
    ("/workflows", '{"nodes": [{"task": "t", "takes_all": "no"}]}', "takes_all"),
    ("/workflows", '{"nodes": [{"task": "t", "retry": true}]}', "retry"),
    ("/dead-letters/purge", '{"all": "yes"}', "all"),
    ("/dead-letters/purge", '{"all": true, "dry_run": 1}', "dry_run"),
    ("/dead-letters/purge", '{"all": true, "filter": 1.50}', "filter"),
    ("/dead-letters/purge", '{"all": true, "reason": "a\\u0000b"}', "reason"),
    ("/dead-letters/1/retry", '{"run_after": "5"}', "run_after"),
    ("/operations", '{"kind": "cancel", "all": true, "filter": 1.50}', "filter"),
    ("/operations", '{"kind": "update", "all": true, "spec": {"run_at": 5}}', "run_at"),
    ("/jobs/1/cancel", "1.50", "body"),
    ("/queues/mail/pause", "1.50", "body"),
    ("/operations", '{"kind": "cancel", "filter": {"meta": {"a": "\\ud800"}}}', "meta"),
    ("/operations", '{"kind": "cancel", "filter": {"queue": "a\\u0000b"}}', "queue"),
    ("/dead-letters/purge", '{"filter": {"args": {"a": "\\ud800"}}}', "args"),
    ("/keys", '{"role": "viewer", "expires_at": 9999999999}', "expires_at"),
    ("/keys", '{"role": "viewer", "may_read_arguments": "no"}', "may_read_arguments"),
]


def post(api: httpx.Client, path: str, body: str) -> httpx.Response:
    return api.post(path, content=body, headers=JSON)


def test_a_number_is_taken_however_it_is_written(api: httpx.Client) -> None:
    for path, body in TAKEN:
        answer = post(api, path, body)
        assert answer.status_code in (201, 202), (path, body, answer.text)
    id = post(api, "/jobs", '{"task": "t", "retry": 1e0, "priority": 1e1}').json()["id"]
    found = api.get(f"/jobs/{id}").json()
    assert (found["max_attempts"], found["priority"]) == (2, 10)


def test_another_type_is_refused_by_name_and_nothing_is_done(api: httpx.Client, sql: Sql) -> None:
    assert sql.enqueue() == 1
    for path, body, field in REFUSED:
        answer = post(api, path, body)
        assert answer.status_code == 422, (path, body, answer.text)
        assert field in answer.json()["field"], (path, body, answer.text)
    assert (sql.state(1), sql.value("select count(*) from job")) == ("ready", 1)
    assert sql.value("select count(*) from audit_log") == 0


def test_a_filter_that_cannot_be_stored_is_refused_by_name(api: httpx.Client) -> None:
    for path in ("/jobs", "/dead-letters"):
        for field, text in (("meta", r'"\ud800"'), ("args", r'{"a": "\u0000"}'), ("task", "a\0b")):
            answer = api.get(path, params={field: text})
            assert (answer.status_code, answer.json()["field"]) == (422, field), answer.text
