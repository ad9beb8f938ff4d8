"""What keys for some queues may do with queues, and that answers are as the document says."""

from typing import Any

import httpx
import psycopg
import pytest
from pydantic import BaseModel

from pgqueue import PgQueue
from pgqueue.api import door
from pgqueue.api.bodies.limits import LimitNow
from pgqueue.api.bodies.queues import DepthOut, MinuteOut, PauseOut, QueueDetail, QueueOut, ServingOut, SettingsOut
from pgqueue.api.bodies.schedule_answers import ScheduledJobOut, ScheduleOut, TickOut
from pgqueue.api.callers.caller import Caller

MAIL_ONLY = Caller("x", "operator", "127.0.0.1", queues=frozenset({"mail"}))


@pytest.fixture
def callers(monkeypatch: pytest.MonkeyPatch) -> list[Caller]:
    """Who calls from now on: the last of this list."""
    found = [Caller("local", "admin", "127.0.0.1")]

    async def enter(*_: Any) -> Caller:
        return found[-1]

    monkeypatch.setattr(door, "enter", enter)
    return found


def test_a_key_for_some_queues_sees_only_these(api: httpx.Client, callers: list[Caller]) -> None:
    """The list is not one of others' names."""
    for name in ("mail", "other"):
        api.patch(f"/queues/{name}", json={"max_ready": 1})
    callers.append(MAIL_ONLY)
    assert [one["name"] for one in api.get("/queues").json()["items"]] == ["mail"]
    assert api.get("/queues/mail").status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""), ("POST", "/pause"), ("POST", "/resume"), ("POST", "/drain"), ("PATCH", ""), ("DELETE", "/settings"),
        ("GET", "/rate-limit"), ("PUT", "/rate-limit"), ("DELETE", "/rate-limit"), ("POST", "/rate-limit/reset"),
    ],
)  # fmt: skip
def test_a_key_for_some_queues_can_do_nothing_with_others(
    api: httpx.Client, callers: list[Caller], connection: psycopg.Connection[Any], method: str, path: str
) -> None:
    """Refused before anything is asked or done."""
    callers.append(MAIL_ONLY)
    body = {"max_ready": 1} if method == "PATCH" else {"max_running": 1} if method == "PUT" else None
    answer = api.request(method, f"/queues/other{path}", json=body)
    assert (answer.status_code, answer.json()["type"]) == (403, "/api/v1/problems/forbidden")
    assert connection.execute("select count(*) from audit").fetchone() == (0,)


def _is_as(model: type[BaseModel], row: dict[str, Any]) -> None:
    """The row has the fields of the model, no others, and values of their types."""
    assert row.keys() == model.model_fields.keys()
    model.model_validate(row)


def test_answers_have_the_fields_that_the_document_names_and_no_others(
    app: PgQueue, api: httpx.Client, connection: psycopg.Connection[Any]
) -> None:
    """Whatever a client generates from the document fits."""

    @app.task(queue="mail", limits=["tenant:{to}"])
    def send(to: int) -> None: ...

    api.put("/limits/tenant", json={"rate": "5/s"})
    api.patch("/queues/mail", json={"max_ready": 10, "starvation_after": 5})
    api.post("/queues/mail/pause", json={"for_seconds": 60})
    api.post("/schedules", json={"name": "all", "cron": "@daily", "job": {"task": "send", "args": {"to": 1}}})
    api.post("/schedules/all/trigger")
    connection.execute("select register_worker(gen_random_uuid(), 'w', 'h', 1, '0', '{mail}', 5, '30 s')")
    connection.execute("update setting set created_at = created_at - interval '1 hour'")
    connection.execute("update roll_up_state set minute_at = date_bin('1 minute', clock_timestamp(), '2000-01-01Z')")
    queue = api.get("/queues/mail").json()
    _is_as(QueueDetail, queue)
    for model, rows in ((DepthOut, "jobs"), (PauseOut, "pauses"), (ServingOut, "served_by"), (MinuteOut, "minutes")):
        _is_as(model, queue[rows][0])
    _is_as(SettingsOut, queue["settings"])
    _is_as(QueueOut, api.get("/queues").json()["items"][0])
    _is_as(LimitNow, api.get("/limits/tenant").json())
    _is_as(LimitNow, api.get("/limits/tenant:1").json())
    schedule = api.get("/schedules/all").json()
    _is_as(ScheduleOut, schedule)
    _is_as(ScheduledJobOut, schedule["job"])
    _is_as(TickOut, api.get("/schedules/all/ticks").json()["items"][0])
