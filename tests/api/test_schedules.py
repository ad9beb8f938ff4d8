"""Schedules over HTTP."""

from typing import Any

import httpx
import psycopg
import pytest
from fastapi import FastAPI

from pgqueue import PgQueue
from pgqueue.api import create_app, door
from pgqueue.api.callers.caller import Caller
from tests.api.serving import served

NIGHTLY: dict[str, Any] = {"name": "nightly", "cron": "0 2 * * *", "timezone": "Europe/Berlin", "job": {"task": "report"}}


def _problem(answer: httpx.Response, status: int = 422) -> dict[str, Any]:
    """The problem that an answer is."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = answer.json()
    return found


@pytest.fixture
def callers(monkeypatch: pytest.MonkeyPatch) -> list[Caller]:
    """Who calls from now on: the last of this list."""
    found = [Caller("local", "admin", "127.0.0.1")]

    async def enter(*_: Any) -> Caller:
        return found[-1]

    monkeypatch.setattr(door, "enter", enter)
    return found


def test_a_schedule_is_made_once_and_found_where_its_location_says(api: httpx.Client) -> None:
    """The second POST changes nothing."""
    made = api.post("/schedules", json=NIGHTLY)
    assert made.status_code == 201
    assert made.headers["location"] == "/api/v1/schedules/nightly"
    assert made.json()["description"] == "at 02:00 every day, Europe/Berlin"
    assert api.get("/schedules/nightly").json() == made.json()
    again = api.post("/schedules", json=NIGHTLY | {"cron": "0 3 * * *"})
    assert "there is a schedule nightly already" in _problem(again, 409)["detail"]
    assert api.get("/schedules/nightly").json()["cron"] == ["0 2 * * *"]


def test_the_location_of_a_new_schedule_holds_where_the_api_is_mounted(app: PgQueue) -> None:
    """Under the path of the mount."""
    outer = FastAPI()
    outer.mount("/jobs", create_app(app))
    with served(outer) as url:
        made = httpx.post(f"{url}/jobs/api/v1/schedules", json=NIGHTLY, timeout=20)
        assert made.headers["location"] == "/jobs/api/v1/schedules/nightly"
        assert httpx.get(url + made.headers["location"], timeout=20).json() == made.json()


def test_patch_changes_options_one_by_one_and_put_replaces_all(api: httpx.Client) -> None:
    """Null is the default again; cron takes the place of every."""
    api.post("/schedules", json=NIGHTLY | {"jitter": 60, "job": {"task": "report", "queue": "slow", "args": {"to": 1}}})
    changed = api.patch("/schedules/nightly", json={"every": 90, "jitter": None, "job": {"priority": "high"}}).json()
    assert (changed["cron"], changed["every"], changed["jitter"]) == (None, 90, 0)
    assert (changed["job"]["queue"], changed["job"]["priority"], changed["job"]["args"]) == ("slow", 50, {"to": 1})
    assert api.patch("/schedules/nightly", json={"job": {"queue": None}}).json()["job"]["queue"] is None
    put = api.put("/schedules/nightly", json={"cron": "@daily", "job": {"task": "other"}}).json()
    assert (put["cron"], put["every"], put["timezone"], put["task"]) == (["@daily"], None, "UTC", "other")
    assert (put["job"]["priority"], put["job"]["args"]) == (None, {})
    _problem(api.patch("/schedules/none", json={"every": 90}), 404)
    assert _problem(api.patch("/schedules/nightly", json={}))["field"] == "body"


def test_what_get_answers_put_takes(api: httpx.Client) -> None:
    """Every option of a job, in the form in which it was given."""
    job = {
        "task": "report", "args": {"to": 1}, "queue": "slow", "priority": 5, "retries": 2, "retry": {"backoff": "linear"},
        "result_ttl": 60.0, "meta": {"a": [1]}, "unique": {"mode": "period", "key": "k", "period": 30.5}, "limits": None,
        "fair": "x:1", "cost": 3, "timeout": 5.0, "soft_timeout": 4.0, "expires_after": 60.0, "total_timeout": 90.0,
    }  # fmt: skip
    body = {"every": 60, "misfire": "catch_up", "most": 3, "spacing": 2, "window": 60, "overlap": "skip", "jitter": 1, "job": job}
    first = api.put("/schedules/all", json=body | {"starts_at": "2030-01-01T00:00:00+01:00"}).json()
    assert first["job"] == job
    assert (first["starts_at"], first["misfire"], first["most"]) == ("2029-12-31T23:00:00Z", "catch_up", 3)
    fields = (*body, "starts_at", "ends_at", "timezone", "cron")
    second = api.put("/schedules/all", json={name: first[name] for name in fields}).json()
    assert {name: second[name] for name in fields} == {name: first[name] for name in fields}


def test_arguments_come_back_exactly_and_lists_do_not_show_them(api: httpx.Client) -> None:
    """Numbers beyond 64 bits, and such that a float would change."""
    args = '{"big":123456789012345678901234567890,"long":0.1000,"id":9007199254740993}'
    text = f'{{"name": "exact", "every": 60, "job": {{"task": "t", "args": {args}}}}}'
    made = api.post("/schedules", content=text, headers={"content-type": "application/json"})
    assert made.status_code == 201
    for part in args.strip("{}").split(","):
        assert part in made.text
    assert api.get("/schedules").json()["items"][0]["job"]["args"] is None
    assert "123456789012345678901234567890" in api.get("/schedules", params={"view": "full"}).text


def test_a_key_that_may_not_read_arguments_does_not_see_them(api: httpx.Client, callers: list[Caller]) -> None:
    """Neither in a list nor of one schedule."""
    api.post("/schedules", json=NIGHTLY | {"job": {"task": "report", "args": {"to": 1}, "meta": 1}})
    callers.append(Caller("x", "viewer", "127.0.0.1", may_read_arguments=False))
    for path in ("/schedules?view=full", "/schedules/nightly"):
        assert '"to"' not in api.get(path).text
    assert api.get("/schedules/nightly").json()["job"]["meta"] is None


def test_a_key_for_some_queues_sees_and_changes_their_schedules_only(api: httpx.Client, callers: list[Caller]) -> None:
    """Those of other queues are not found, and none can be moved there."""
    api.post("/schedules", json=NIGHTLY)
    api.post("/schedules", json={"name": "mails", "every": 60, "job": {"task": "send", "queue": "mail"}})
    callers.append(Caller("x", "admin", "127.0.0.1", queues=frozenset({"mail"})))
    assert [one["name"] for one in api.get("/schedules").json()["items"]] == ["mails"]
    body = {"every": 5, "job": {"task": "send", "queue": "mail"}}
    for method, path, given in (
        ("GET", "", None), ("GET", "/preview", None), ("GET", "/ticks", None), ("DELETE", "", None), ("POST", "/pause", None),
        ("POST", "/resume", None), ("POST", "/trigger", None), ("PUT", "", body), ("PATCH", "", {"every": 5}),
        ("POST", "/backfill", {"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z"}),
    ):  # fmt: skip
        _problem(api.request(method, f"/schedules/nightly{path}", json=given), 404)
    _problem(api.put("/schedules/mails", json={"every": 5, "job": {"task": "send"}}), 403)
    _problem(api.patch("/schedules/mails", json={"job": {"queue": "other"}}), 403)
    _problem(api.post("/schedules", json=NIGHTLY | {"name": "mine"}), 403)
    assert api.put("/schedules/mails", json=body).json()["every"] == 5
    callers.pop()
    assert api.get("/schedules/nightly").json()["cron"] == ["0 2 * * *"]


def test_only_an_admin_says_what_a_schedule_runs(api: httpx.Client, callers: list[Caller]) -> None:
    """An operator may not enqueue; it may change the times of a schedule that is there."""
    api.post("/schedules", json=NIGHTLY)
    callers.append(Caller("x", "operator", "127.0.0.1"))
    for method, path, given in (
        ("POST", "", NIGHTLY | {"name": "mine"}), ("PUT", "/nightly", {"every": 5, "job": {"task": "pay"}}),
        ("PUT", "/mine", {"every": 5, "job": {"task": "pay"}}), ("PATCH", "/nightly", {"job": {"args": {"to": "eve"}}}),
    ):  # fmt: skip
        assert "needs a key with the role admin" in _problem(api.request(method, f"/schedules{path}", json=given), 403)["detail"]
    assert api.patch("/schedules/nightly", json={"cron": None, "every": 7200}).json()["every"] == 7200
    assert api.post("/schedules/nightly/trigger").status_code < 300
    assert [one["name"] for one in api.get("/schedules").json()["items"]] == ["nightly"]


def test_a_task_that_the_app_knows_gives_its_options_and_checks_its_arguments(app: PgQueue, api: httpx.Client) -> None:
    """As a schedule in code does."""

    @app.task(queue="slow", priority=7, retry=5)
    def report(region: str) -> None: ...

    made = api.post("/schedules", json=NIGHTLY | {"job": {"task": "report", "args": {"region": "eu"}, "priority": 1}}).json()
    assert (made["job"]["queue"], made["job"]["priority"], made["job"]["retries"]) == ("slow", 1, 5)
    assert "region" in _problem(api.post("/schedules", json=NIGHTLY | {"name": "b"}))["detail"]
    assert "region" in _problem(api.patch("/schedules/nightly", json={"job": {"args": {"region": 5}}}))["detail"]
    assert api.get("/schedules/nightly").json()["job"]["args"] == {"region": "eu"}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"cron": "0 25 * * *"}, "cron"),
        ({"cron": []}, "cron"),
        ({"cron": None}, "cron"),
        ({"every": 5}, "every"),
        ({"cron": None, "every": 0.5}, "every"),
        ({"timezone": "Mars/Base"}, "timezone"),
        ({"most": 1.5}, "most"),
        ({"misfire": "never"}, "misfire"),
        ({"jitter": -1}, "jitter"),
        ({"starts_at": "2030-01-01T00:00:00"}, "starts_at"),
        ({"starts_at": "2030-01-01T00:00:00Z", "ends_at": "2029-01-01T00:00:00Z"}, "ends_at"),
        ({"job": None}, "job.task"),
        ({"job": {"task": "t", "run_at": "2030-01-01T00:00:00Z"}}, "job.run_at"),
        ({"job": {"task": "t", "priority": 101}}, "priority"),
        ({"job": {"task": "t", "queue": "a b"}}, "queue"),
        ({"job": {"task": "t", "args": [1]}}, "job.args"),
        ({"name": "a b"}, "name"),
    ],
)
def test_an_invalid_field_is_refused_by_name_and_nothing_is_made(api: httpx.Client, change: dict[str, Any], field: str) -> None:
    """Whoever finds it: the model, Python or SQL."""
    assert _problem(api.post("/schedules", json=NIGHTLY | change))["field"] == field
    assert api.get("/schedules").json()["items"] == []


@pytest.mark.parametrize("value", ['"\\u0000"', '"\\ud800"', "[" * 400 + "]" * 400, '{"a": 1, "a": 2}', "NaN"])
def test_arguments_that_cannot_be_stored_are_refused(api: httpx.Client, value: str) -> None:
    """A NUL, half of a surrogate pair, too many levels, a name twice, no number."""
    text = f'{{"name": "x", "every": 60, "job": {{"task": "t", "args": {{"value": {value}}}}}}}'
    _problem(api.post("/schedules", content=text.encode(), headers={"content-type": "application/json"}))
    assert api.get("/schedules").json()["items"] == []


def test_pause_resume_and_delete_say_whether_they_changed_anything(api: httpx.Client) -> None:
    """And what is not there is not found."""
    api.post("/schedules", json=NIGHTLY)
    assert [api.post(f"/schedules/nightly/{verb}").json()["changed"] for verb in ("pause", "pause", "resume", "resume")] == [
        True, False, True, False,
    ]  # fmt: skip
    assert api.delete("/schedules/nightly").status_code == 204
    for method, path in (("DELETE", ""), ("POST", "/pause"), ("POST", "/resume"), ("POST", "/trigger"), ("GET", "/ticks")):
        _problem(api.request(method, f"/schedules/nightly{path}"), 404)


def test_a_trigger_makes_a_job_and_a_tick(api: httpx.Client, connection: psycopg.Connection[Any]) -> None:
    """The id is a text, as everywhere; who acts is in the audit log."""
    api.post("/schedules", json=NIGHTLY | {"job": {"task": "report", "args": {"to": 1}}})
    job_id = api.post("/schedules/nightly/trigger").json()["job_id"]
    assert api.get(f"/jobs/{job_id}").json()["args"] == {"to": 1}
    (tick,) = api.get("/schedules/nightly/ticks").json()["items"]
    assert (tick["job_id"], tick["outcome"], tick["reason"]) == (job_id, "fired", "triggered")
    assert api.get("/schedules/nightly").json()["last_job_id"] == job_id
    assert connection.execute("select verb, by from audit order by id").fetchall() == [
        ("set_schedule", "local"), ("trigger_schedule", "local"),
    ]  # fmt: skip


def test_a_backfill_makes_each_past_tick_once(api: httpx.Client) -> None:
    """Pages of its ticks have each once, the newest first."""
    api.post("/schedules", json=NIGHTLY | {"timezone": "UTC"})
    days = {"from": "2026-01-01T00:00:00Z", "to": "2026-01-06T00:00:00Z"}
    path = "/schedules/nightly/backfill"
    assert api.post(path, json=days | {"dry_run": True}).json() == {"jobs": 5, "dry_run": True}
    assert api.post(path, json=days | {"priority": "low"}).json() == {"jobs": 5, "dry_run": False}
    assert api.post(path, json=days).json()["jobs"] == 0
    first = api.get("/schedules/nightly/ticks", params={"limit": 3}).json()
    rest = api.get("/schedules/nightly/ticks", params={"limit": 3, "cursor": first["next"]}).json()
    found = [one["tick"] for one in first["items"] + rest["items"]]
    assert found == [f"2026-01-0{day}T02:00:00Z" for day in (5, 4, 3, 2, 1)]
    assert rest["next"] is None


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"from": "2026-01-07T00:00:00Z"}, "to"),
        ({"to": "2999-01-01T00:00:00Z"}, "to"),
        ({"from": 5}, "from"),
        ({"priority": 101}, "priority"),
        ({"from": "1999-01-01T00:00:00Z"}, "to"),
    ],
)
def test_an_invalid_range_is_refused_by_the_names_of_the_request(api: httpx.Client, change: dict[str, Any], field: str) -> None:
    """The last one has more than 10,000 ticks."""
    api.post("/schedules", json=NIGHTLY | {"cron": "0 * * * *"})
    days = {"from": "2026-01-01T00:00:00Z", "to": "2026-01-06T00:00:00Z"}
    assert _problem(api.post("/schedules/nightly/backfill", json=days | change))["field"] == field


def test_a_preview_tells_the_next_ticks_in_utc_and_in_the_zone(api: httpx.Client) -> None:
    """Of an expression, and of a stored schedule."""
    body = {"cron": "0 2 * * *", "timezone": "Europe/Berlin", "n": 2, "after": "2030-03-29T12:00:00Z"}
    found = api.post("/schedules/preview", json=body).json()
    assert found["description"] == "at 02:00 every day, Europe/Berlin"
    assert found["ticks"][0] == {"at": "2030-03-30T01:00:00Z", "local": "2030-03-30T02:00:00+01:00"}
    api.post("/schedules", json=NIGHTLY)
    stored = api.get("/schedules/nightly/preview", params={"n": 3}).json()
    assert (len(stored["ticks"]), stored["error"]) == (3, None)
    assert api.post("/schedules/preview", json={"every": 90, "n": 1}).json()["description"] == "every 90 seconds"


def test_a_preview_of_an_invalid_expression_names_the_part(api: httpx.Client, connection: psycopg.Connection[Any]) -> None:
    """A stored one, which SQL takes, says so in its answer."""
    assert "hour" in _problem(api.post("/schedules/preview", json={"cron": "0 25 * * *"}))["detail"]
    assert _problem(api.post("/schedules/preview", json={}))["field"] == "cron"
    connection.execute("""select set_schedule('broken', '{"cron": "0 25 * * *", "job": {"task": "t"}}')""")
    found = api.get("/schedules/broken/preview").json()
    assert (found["ticks"], "hour" in found["error"]) == ([], True)
    assert api.get("/schedules/broken").status_code == 200


def test_pages_of_schedules_have_each_once(api: httpx.Client) -> None:
    """In the order of their names."""
    for number in range(5):
        api.post("/schedules", json=NIGHTLY | {"name": f"s{number}"})
    first = api.get("/schedules", params={"limit": 4}).json()
    rest = api.get("/schedules", params={"cursor": first["next"]}).json()
    assert [one["name"] for one in first["items"] + rest["items"]] == [f"s{number}" for number in range(5)]


def test_a_list_of_a_prefix_with_the_last_ticks_of_each(api: httpx.Client) -> None:
    """The newest first, and only where they are asked for."""
    for name in ("report.a", "report.b", "reporter"):
        api.post("/schedules", json={"name": name, "every": 86_400, "job": {"task": "report"}})
    for _ in range(3):
        api.post("/schedules/report.a/trigger")
    plain = api.get("/schedules", params={"prefix": "report."}).json()["items"]
    assert [(one["name"], one["ticks"]) for one in plain] == [("report.a", None), ("report.b", None)]

    first = api.get("/schedules", params={"prefix": "report.", "ticks": 2, "limit": 1}).json()
    (shown,) = first["items"]
    assert shown["ticks"] == api.get("/schedules/report.a/ticks", params={"limit": 2}).json()["items"]
    (other,) = api.get("/schedules", params={"prefix": "report.", "ticks": 2, "cursor": first["next"]}).json()["items"]
    assert (other["name"], other["ticks"]) == ("report.b", [])
    assert api.get("/schedules", params={"prefix": "report_"}).json()["items"] == []
