"""Pools over HTTP."""

import uuid
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from pgqueue.api.routes import pools
from tests.looking import Look
from tests.pool_agents import AGENT, SLOT

from .test_models import strictly

MAIL: dict[str, Any] = {"name": "mail", "app": "shop.jobs:app", "queues": ["mail=3"], "maximum": 8}


def made(api: httpx.Client, **changes: Any) -> dict[str, Any]:
    """A new pool as it is answered."""
    answer = api.post("/pools", json=MAIL | changes)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_a_pool_is_made_once_and_found_where_its_location_says(api: httpx.Client) -> None:
    answer = api.post("/pools", json=MAIL | {"autoscale": True, "rules": {"depth_up": 200}})
    assert (answer.status_code, answer.headers["location"]) == (201, "/api/v1/pools/mail")
    one = answer.json()
    assert (one["state"], one["autoscale"], one["rules"], one["wanted"]) == ("no_agent", True, {"depth_up": 200}, 1)
    assert api.get("/pools/mail").json() == one
    again = api.post("/pools", json=MAIL)
    assert (again.status_code, "there is a pool mail already" in again.json()["detail"]) == (409, True)


def test_pools_are_listed_page_by_page(api: httpx.Client) -> None:
    for name in ("c", "a", "b"):
        made(api, name=name)
    page = api.get("/pools", params={"limit": 2}).json()
    rest = api.get("/pools", params={"limit": 2, "cursor": page["next"]}).json()
    assert ([one["name"] for one in page["items"]], [one["name"] for one in rest["items"]], rest["next"]) == (
        ["a", "b"],
        ["c"],
        None,
    )


def test_a_pool_is_changed_scaled_rolled_paused_and_deleted(api: httpx.Client) -> None:
    made(api)
    assert api.patch("/pools/mail", json={"concurrency": 5, "queues": []}).json()["concurrency"] == 5
    assert api.post("/pools/mail/scale", json={"wanted": 5}).json() == {"wanted": 5}
    assert api.post("/pools/mail/scale", json={"change": -2, "reason": "quiet"}).json() == {"wanted": 3}
    assert api.post("/pools/mail/autoscale", json={"on": True, "rules": {"depth_up": 300}}).json()["rules"] == {"depth_up": 300}
    assert api.post("/pools/mail/roll", json={"max_unavailable": 2}).json() == {"generation": 3}
    assert [api.post(f"/pools/mail/{verb}", json={}).json()["changed"] for verb in ("pause", "pause", "resume", "resume")] == [
        True, False, True, False,
    ]  # fmt: skip
    assert api.delete("/pools/mail").json() == {"is_gone": True}
    kinds = [event["kind"] for event in api.get("/pools/mail/events", params={"limit": 3}).json()["items"]]
    assert kinds == ["deleted", "deleting", "resumed"]


@pytest.mark.parametrize(
    ("path", "body", "status", "says"),
    [
        ("scale", {"wanted": 9}, 422, "9 workers are outside of what the pool may have, 1 to 8"),
        ("scale", {}, 422, "give either wanted"),
        ("scale", {"wanted": 1.5}, 422, "wanted"),
        ("scale", {"wanted": 2, "by": "me"}, 422, "by"),
        ("autoscale", {}, 422, "give on, rules, or both"),
        ("autoscale", {"rules": {"depth": 3}}, 422, "rules: 'depth' is not valid"),
        ("roll", {"max_unavailable": 0}, 422, "max_unavailable"),
    ],
)
def test_what_is_invalid_is_refused_with_its_field(
    api: httpx.Client, path: str, body: dict[str, Any], status: int, says: str
) -> None:
    made(api)
    answer = api.post(f"/pools/mail/{path}", json=body)
    assert (answer.status_code, says in answer.text) == (status, True), answer.text
    assert api.get("/pools/mail").json()["wanted"] == 1


@pytest.mark.parametrize("body", [{}, {"maximum": None}, {"app": "no app"}, {"minimum": 9}, {"queues": ["a b"]}], ids=str)
def test_an_invalid_change_is_refused(api: httpx.Client, body: dict[str, Any]) -> None:
    made(api)
    assert api.patch("/pools/mail", json=body).status_code == 422


def test_a_pool_that_is_being_deleted_refuses_changes(api: httpx.Client, look: Look) -> None:
    made(api)
    agent = str(uuid.uuid4())
    look.value(AGENT, agent)
    look.value(SLOT, agent)
    assert api.delete("/pools/mail").json() == {"is_gone": False}
    assert api.get("/pools/mail").json()["state"] == "deleting"
    assert api.post("/pools/mail/scale", json={"wanted": 2}).status_code == 409
    assert api.delete("/pools/mail", params={"now": True}).json() == {"is_gone": False}


@pytest.mark.parametrize("path", ["", "/workers", "/samples"])
def test_a_pool_that_is_not_there_is_404(api: httpx.Client, path: str) -> None:
    assert api.get(f"/pools/post{path}").status_code == 404
    assert api.get("/pools/post/events").json() == {"items": [], "next": None}
    assert [api.post(f"/pools/post/{verb}", json={}).status_code for verb in ("pause", "resume", "roll")] == [404] * 3
    assert api.patch("/pools/post", json={"maximum": 3}).status_code == 404


def test_who_runs_a_pool_and_how_it_went_fit_their_models(api: httpx.Client, look: Look) -> None:
    made(api)
    agent = str(uuid.uuid4())
    look.value(AGENT, agent)
    look.value(SLOT, agent)
    look.value("select 1 from sample_pools()")
    for endpoint in pools.endpoints.all:
        if endpoint.method == "GET":
            answer = api.get(endpoint.path.replace("{name}", "mail"))
            assert answer.status_code == 200, answer.text
            strictly(endpoint.options["model"], answer.json())
    members = api.get("/pools/mail/workers").json()
    assert (members["workers"][0]["status"], members["agents"][0]["taken"]) == ("STARTING", 1)
    assert [one["wanted"] for one in api.get("/pools/mail/samples").json()["samples"]] == [1]


@pytest.mark.parametrize(
    ("method", "path", "body"), [("POST", "/pools", MAIL | {"name": "post"}), ("PATCH", "/pools/mail", {"app": "other:app"})]
)
def test_only_an_admin_says_which_app_a_pool_loads(
    api: httpx.Client, calls_as: Callable[..., None], method: str, path: str, body: dict[str, Any]
) -> None:
    made(api)
    calls_as(role="operator")
    assert api.request(method, path, json=body).status_code == 403
    assert api.post("/pools/mail/scale", json={"wanted": 2}).json() == {"wanted": 2}


def test_the_audit_log_names_the_key_that_scaled(api: httpx.Client, calls_as: Callable[..., None]) -> None:
    made(api)
    calls_as(name="ops", role="admin")
    api.post("/pools/mail/scale", json={"wanted": 2, "reason": "rush"})
    entry = api.get("/audit", params={"kind": "pool", "verb": "scale_pool"}).json()["items"][0]
    assert (entry["by"], entry["reason"], entry["after"]) == ("ops", "rush", {"wanted": 2})
