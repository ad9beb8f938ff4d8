"""Queues, their pauses and their settings."""

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import psycopg
import pytest

from pgqueue import PgQueue
from pgqueue.api.routes import queues as routes
from tests.waiting import until


def _problem(answer: httpx.Response, status: int = 422) -> dict[str, Any]:
    """The problem that an answer is."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = answer.json()
    return found


@pytest.fixture
def mail(app: PgQueue) -> None:
    """Three jobs of the queue mail, of two priorities."""

    @app.task(queue="mail")
    def send() -> None: ...

    send.enqueue()
    send.enqueue()
    send.using(priority=50).enqueue()


def _run_one(connection: psycopg.Connection[Any], queue: str = "mail") -> None:
    """A worker claims a job, and keeps it."""
    worker = "00000000-0000-0000-0000-000000000001"
    connection.execute("select register_worker(%s, 'w', 'h', 1, '0', array[%s], 5, '30 s')", (worker, queue))
    assert connection.execute("select count(*) from claim(%s, %s, array[%s], 1)", (worker, worker, queue)).fetchone() == (1,)


@pytest.mark.usefixtures("mail")
def test_a_queue_tells_its_jobs_by_priority_its_workers_and_its_pauses(
    api: httpx.Client, connection: psycopg.Connection[Any]
) -> None:
    """What the list tells, and more."""
    _run_one(connection)
    api.post("/pauses", json={"kind": "everything", "reason": "deploy"})
    found = api.get("/queues/mail").json()
    assert (found["ready"], found["running"], found["workers"], found["settings"]) == (2, 1, 1, None)
    assert {(row["state"], row["priority"], row["jobs"]) for row in found["jobs"]} == {("running", 50, 1), ("ready", 0, 2)}
    assert isinstance(found["oldest"], float)
    assert [(one["kind"], one["reason"]) for one in found["pauses"]] == [("everything", "deploy")]
    assert [(one["name"], one["status"]) for one in found["served_by"]] == [("w", "PAUSED")]
    assert api.get("/queues").json()["items"][0]["is_paused"] is True


def test_a_queue_without_anything_is_not_found(api: httpx.Client) -> None:
    """And a name that no queue has is invalid."""
    assert "there is no queue nothing" in _problem(api.get("/queues/nothing"), 404)["detail"]
    assert _problem(api.get("/queues/a%00b"))["field"] == "name"


def test_pages_of_queues_have_each_once(api: httpx.Client) -> None:
    """In the order of their names."""
    names = [f"q{number}" for number in range(5)]
    for name in names:
        api.patch(f"/queues/{name}", json={"max_ready": 10})
    first = api.get("/queues", params={"limit": 2}).json()
    second = api.get("/queues", params={"limit": 3, "cursor": first["next"]}).json()
    assert [one["name"] for one in first["items"] + second["items"]] == names
    assert second["next"] is None
    assert _problem(api.get("/pauses", params={"cursor": first["next"]}))["field"] == "cursor"


def test_a_pause_holds_until_it_is_resumed_and_is_audited(api: httpx.Client, connection: psycopg.Connection[Any]) -> None:
    """Pausing again replaces the reason."""
    assert api.post("/queues/mail/pause").json()["changed"] is True
    again = api.post("/queues/mail/pause", json={"for_seconds": 60, "reason": "down"}).json()
    assert (again["changed"], again["pause"]["reason"], again["pause"]["by"]) == (False, "down", "local")
    assert again["pause"]["until"].endswith("Z")
    assert api.post("/queues/mail/resume").json() == {"changed": True, "pauses": []}
    assert api.post("/queues/mail/resume").json()["changed"] is False
    rows = connection.execute("select verb, subject, by from audit order by id").fetchall()
    assert rows == [("pause", "mail", "local"), ("pause", "mail", "local"), ("resume", "mail", "local")]


def test_a_queue_whose_pause_is_over_stays_held_while_everything_is(api: httpx.Client) -> None:
    """And the answer says so."""
    api.post("/pauses", json={"kind": "everything"})
    api.post("/queues/mail/pause")
    assert [one["kind"] for one in api.post("/queues/mail/resume").json()["pauses"]] == ["everything"]


def test_pauses_of_tasks_queues_and_everything_are_listed_and_ended(api: httpx.Client) -> None:
    """Names of tasks may have slashes."""
    pauses = [("everything", None), ("queue", "mail"), ("task", "a/b c")]
    for kind, name in pauses:
        assert api.post("/pauses", json={"kind": kind, "name": name}).json()["changed"] is True
    first = api.get("/pauses", params={"limit": 2}).json()
    rest = api.get("/pauses", params={"cursor": first["next"]}).json()
    found = [(one["kind"], one["name"] or None) for one in first["items"] + rest["items"]]
    assert (found, rest["next"]) == (pauses, None)
    assert api.delete("/pauses/task/a%2Fb%20c").json() == {"changed": True}
    assert api.delete("/pauses/queue/mail").json() == {"changed": True}
    assert api.delete("/pauses/everything").json() == {"changed": True}
    assert api.delete("/pauses/everything").json() == {"changed": False}
    assert api.get("/pauses").json() == {"items": [], "next": None}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"until": "2000-01-01T00:00:00Z"}, "until"),
        ({"until": "2030-01-01T00:00:00"}, "until"),
        ({"until": 1_900_000_000}, "until"),
        ({"for_seconds": -1}, "for_seconds"),
        ({"for_seconds": True}, "for_seconds"),
        ({"for_seconds": 1, "until": "2030-01-01T00:00:00Z"}, "for_seconds"),
        ({"reason": "x" * 1001}, "reason"),
        ({"reason": "a\x00b"}, "reason"),
        ({"by": "me"}, "by"),
    ],
)
def test_an_invalid_pause_is_refused_by_name_and_nothing_is_paused(api: httpx.Client, body: dict[str, Any], field: str) -> None:
    """The key is who acts, so `by` is none of the fields."""
    assert _problem(api.post("/queues/mail/pause", json=body))["field"] == field
    assert api.get("/pauses").json()["items"] == []


@pytest.mark.usefixtures("mail")
def test_a_drain_says_what_runs_and_then_that_nothing_does(api: httpx.Client, connection: psycopg.Connection[Any]) -> None:
    """202 while a job runs, and the queue stays paused."""
    _run_one(connection)
    answer = api.post("/queues/mail/drain", json={"timeout": 0})
    assert (answer.status_code, answer.json()) == (202, {"drained": False, "running": 1})
    with ThreadPoolExecutor(1) as other:
        waiting = other.submit(api.post, "/queues/mail/drain", json={"timeout": 20})
        connection.execute("select retire_worker('00000000-0000-0000-0000-000000000001')")
        assert waiting.result(20).json() == {"drained": True, "running": 0}
    assert api.get("/queues/mail").json()["is_paused"] is True
    assert _problem(api.post("/queues/mail/drain", json={"timeout": 31}))["field"] == "timeout"


@pytest.mark.usefixtures("mail")
def test_a_drain_ends_when_its_client_has_gone(
    api: httpx.Client, connection: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not ask the database for 30 seconds more."""
    answers: list[tuple[bool, int]] = []
    began, drained = threading.Event(), routes._drained

    async def noted(*given: Any) -> tuple[bool, int]:
        began.set()
        answer = await drained(*given)
        answers.append(answer)
        return answer

    monkeypatch.setattr(routes, "_drained", noted)
    _run_one(connection)
    with socket.create_connection((api.base_url.host, api.base_url.port)) as client:
        head = "POST /api/v1/queues/mail/drain HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        client.sendall(f'{head}Content-Length: 15\r\n\r\n{{"timeout": 30}}'.encode())
        assert began.wait(20)
    until(lambda: answers, "the drain ends", within=5)
    assert answers == [(False, 1)]


def test_settings_change_one_by_one_and_go_back_to_their_defaults(api: httpx.Client) -> None:
    """Null and 0 are the default."""
    first = api.patch("/queues/mail", json={"max_ready": 5, "starvation_after": 1.50, "keep_succeeded": False}).json()
    assert (first["max_ready"], first["starvation_after"], first["keep_succeeded"]) == (5, 1.5, False)
    second = api.patch("/queues/mail", json={"max_ready": None}).json()
    assert (second["max_ready"], second["starvation_after"], second["on_full"]) == (None, 1.5, "refuse")
    assert api.get("/queues/mail").json()["settings"] == second
    assert api.delete("/queues/mail/settings").json() == {"changed": True}
    assert api.delete("/queues/mail/settings").json() == {"changed": False}


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("{}", "body"),
        ('{"max_ready": -1}', "max_ready"),
        ('{"max_ready": true}', "max_ready"),
        ('{"max_ready": "5"}', "max_ready"),
        ('{"max_ready": 1e400}', "max_ready"),
        (f'{{"max_ready": {"9" * 5000}}}', "max_ready"),
        ('{"starvation_share": 0.0001}', "starvation_share"),
        ('{"keep_succeeded": 1}', "keep_succeeded"),
        ('{"deep": 1}', "deep"),
    ],
)
def test_an_invalid_setting_is_refused_by_name(api: httpx.Client, text: str, field: str) -> None:
    """Numbers are numbers, whatever their length."""
    answer = api.patch("/queues/mail", content=text, headers={"content-type": "application/json"})
    assert _problem(answer)["field"] == field
    assert api.get("/queues").json()["items"] == []


@pytest.mark.parametrize("text", ["1e3", "1000.0", "1000"])
def test_a_whole_number_may_be_written_in_any_way(api: httpx.Client, text: str) -> None:
    """They are one number in JSON."""
    answer = api.patch("/queues/mail", content=f'{{"max_ready": {text}}}', headers={"content-type": "application/json"})
    assert answer.json()["max_ready"] == 1000


def test_the_rate_limit_of_a_queue_is_set_read_reset_and_removed(api: httpx.Client) -> None:
    """It is the limit queue:<name>."""
    assert _problem(api.get("/queues/mail/rate-limit"), 404)["type"].endswith("not-found")
    made = api.put("/queues/mail/rate-limit", json={"rate": "100/m", "burst": 5, "max_running": 2}).json()
    assert (made["key"], made["rate"], made["per"], made["burst"]) == ("queue:mail", 100, 60, 5)
    assert (made["used"], made["remaining"], made["burst_used"], made["wait_seconds"]) == (0, 100, 0, 0)
    assert api.get("/limits/queue:mail").json() == made
    assert api.post("/queues/mail/rate-limit/reset").json() == {"buckets": 0}
    assert api.delete("/queues/mail/rate-limit").status_code == 204
    _problem(api.delete("/queues/mail/rate-limit"), 404)
