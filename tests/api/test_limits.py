"""Limits and their keys."""

from typing import Any

import httpx
import psycopg
import pytest

from pgqueue import PgQueue


def _problem(answer: httpx.Response, status: int = 422) -> dict[str, Any]:
    """The problem that an answer is."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = answer.json()
    return found


def test_put_replaces_a_whole_limit_and_patch_changes_a_value(api: httpx.Client) -> None:
    """What PUT leaves out is the default again."""
    first = api.put("/limits/openai", json={"rate": 5, "per": 1, "burst": 10, "weight": 7, "counts": "starts"}).json()
    assert (first["rate"], first["per"], first["burst"], first["weight"], first["counts"]) == (5, 1, 10, 7, "starts")
    second = api.patch("/limits/openai", json={"max_running": 3}).json()
    assert (second["rate"], second["max_running"], second["weight"]) == (5, 3, 7)
    third = api.put("/limits/openai", json={"max_running": 1}).json()
    assert (third["rate"], third["per"], third["max_running"], third["weight"], third["counts"]) == (None, None, 1, 1, "cost")
    assert api.patch("/limits/openai", json={"max_running": None, "enabled": False}).json()["max_running"] is None


def test_a_rate_of_put_has_its_interval_whatever_was_there(api: httpx.Client) -> None:
    """The interval of the limit before would be a surprise."""
    api.put("/limits/openai", json={"rate": "5/s"})
    assert _problem(api.put("/limits/openai", json={"rate": 7}))["detail"].startswith("per: ")
    assert api.get("/limits/openai").json()["rate"] == 5
    assert api.patch("/limits/openai", json={"rate": 7}).json()["per"] == 1


def test_patch_makes_no_limit(api: httpx.Client, connection: psycopg.Connection[Any]) -> None:
    """A mistyped name is not found, and the names that exist are listed."""
    api.put("/limits/openai", json={"max_running": 1})
    assert "there are: openai" in _problem(api.patch("/limits/openia", json={"max_running": 1}), 404)["detail"]
    assert connection.execute("select array_agg(name) from limit_def").fetchone() == (["openai"],)


@pytest.mark.parametrize("key", ["tenant:a/b c", "tenant:ä%", "tenant:x/reset", "tenant:a:b"])
def test_keys_with_slashes_and_colons_are_paths(api: httpx.Client, key: str) -> None:
    """Each may stand in a path, encoded."""
    path = "/limits/" + key.replace("%", "%25").replace("/", "%2F").replace(" ", "%20")
    assert api.put(path, json={"max_running": 2}).json()["key"] == key
    assert api.get(path).json()["key"] == key
    assert api.post(f"{path}/reset").json() == {"buckets": 0}
    assert api.post(f"{path}/park", json={"for_seconds": 60}).json()["parked_until"] is not None
    assert api.post(f"{path}/unpark").json() == {"changed": True}
    assert api.post(f"{path}/unpark").json() == {"changed": False}
    assert api.delete(path).status_code == 204


def test_a_key_that_is_not_in_use_has_the_values_of_its_name(api: httpx.Client) -> None:
    """A limit of a name is one for each key."""
    api.put("/limits/tenant", json={"rate": "10/m"})
    found = api.get("/limits/tenant:42").json()
    assert (found["key"], found["limit_name"], found["rate"], found["remaining"]) == ("tenant:42", "tenant", 10, 10)


@pytest.mark.parametrize("verb", ["reset", "unpark", "park"])
def test_an_unknown_limit_is_not_found(api: httpx.Client, verb: str) -> None:
    """SQL calls it invalid; for HTTP it is a missing resource."""
    body = {"for_seconds": 1} if verb == "park" else None
    assert "there is no such limit" in _problem(api.post(f"/limits/none/{verb}", json=body), 404)["detail"]
    _problem(api.get("/limits/none"), 404)
    _problem(api.delete("/limits/none"), 404)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"rate": "many"}, "rate"),
        ({"rate": -1, "per": 1}, "rate"),
        ({"rate": 1, "per": 0}, "per"),
        ({"per": 5}, "per"),
        ({"burst": 0.5}, "burst"),
        ({"max_running": 2**31}, "max_running"),
        ({"weight": 1001}, "weight"),
        ({"counts": "all"}, "counts"),
        ({"enabled": "yes"}, "enabled"),
        ({"speed": 1}, "speed"),
    ],
)
def test_an_invalid_value_is_refused_by_name_and_no_limit_is_made(api: httpx.Client, body: dict[str, Any], field: str) -> None:
    """Whoever finds it: the model, Python or SQL."""
    assert _problem(api.put("/limits/openai", json=body))["field"].split(".")[0] == field
    assert api.get("/limits").json() == {"items": [], "next": None, "is_partial": False}


def test_pages_of_limits_have_each_once_and_keys_in_use_too(app: PgQueue, api: httpx.Client) -> None:
    """In the order of the keys."""

    @app.task(limits=["tenant:7"])
    def noop() -> None: ...

    for name in ("openai", "tenant", "zebra"):
        api.put(f"/limits/{name}", json={"max_running": 1})
    noop.enqueue()
    found: list[str] = []
    query: dict[str, Any] = {"limit": 1}
    for _ in range(4):
        page = api.get("/limits", params=query).json()
        found += [one["key"] for one in page["items"]]
        query["cursor"] = page["next"]
    assert query["cursor"] is None
    assert found == ["openai", "tenant", "tenant:7", "zebra"]


def test_changes_of_limits_are_audited(api: httpx.Client, connection: psycopg.Connection[Any]) -> None:
    """With who acts."""
    api.put("/limits/openai", json={"max_running": 1})
    api.post("/limits/openai/park", json={"until": "2030-01-01T00:00:00+01:00"})
    api.delete("/limits/openai")
    rows = connection.execute("select verb, by from audit order by id").fetchall()
    assert rows == [("set_limit", "local"), ("park", "local"), ("delete_limit", "local")]


def test_a_park_needs_an_end(api: httpx.Client) -> None:
    """A key that is parked for ever would be a limit that nobody sees."""
    api.put("/limits/openai", json={"max_running": 1})
    assert _problem(api.post("/limits/openai/park", json={}))["field"] == "until"


def test_limits_of_a_prefix_in_pages_count_no_more_than_asked_to(api: httpx.Client, app: PgQueue) -> None:
    """A prefix is none of a pattern, and a cursor is one of its own list."""
    for key in ("tenant", "tenant:a", "tenant:b", "ten_nt"):
        api.put(f"/limits/{key}", json={"max_running": 1})

    @app.task(limits=["tenant:{tenant}"])
    def work(tenant: str) -> None: ...

    work.enqueue_many([("a",)] * 5)
    first = api.get("/limits", params={"prefix": "tenant:", "limit": 1, "count_to": 3}).json()
    assert [(one["key"], one["waiting"]) for one in first["items"]] == [("tenant:a", 3)]
    second = api.get("/limits", params={"prefix": "tenant:", "limit": 5, "cursor": first["next"]}).json()
    assert ([one["key"] for one in second["items"]], second["next"]) == (["tenant:b"], None)
    assert _problem(api.get("/limits", params={"cursor": first["next"]}))["field"] == "cursor"
    assert api.get("/limits", params={"prefix": "ten%"}).json()["items"] == []
    assert [api.get("/limits/tenant:a", params={"count_to": n}).json()["waiting"] for n in (2, 9)] == [2, 5]
    unused = api.get("/limits/tenant:z", params={"count_to": 9}).json()
    assert unused == api.get("/limits/tenant:z").json()
    assert (unused["key"], unused["limit_name"]) == ("tenant:z", "tenant")
    _problem(api.get("/limits", params={"count_to": 10_001}))
    _problem(api.get("/limits/none", params={"count_to": 9}), 404)


def test_starts_of_the_last_minutes(api: httpx.Client) -> None:
    """A row a minute, the oldest first; an unknown key has started nothing."""
    found = api.get("/limit-starts", params={"key": "tenant:a/b", "minutes": 3}).json()
    assert [(one["starts"], one["tokens"]) for one in found["minutes"]] == [(0, 0)] * 3
    assert found["looked_to"] is None
    assert [one["at"] for one in found["minutes"]] == sorted(one["at"] for one in found["minutes"])
    _problem(api.get("/limit-starts", params={"key": "a", "minutes": 61}))


def test_the_reason_of_a_parked_key_is_in_the_audit_log(api: httpx.Client) -> None:
    """As for a pause."""
    api.put("/limits/openai", json={"max_running": 1})
    api.post("/limits/openai/park", json={"for_seconds": 60, "reason": "they ask us to"})
    (entry,) = api.get("/audit", params={"verb": "park"}).json()["items"]
    assert (entry["subject"], entry["reason"]) == ("openai", "they ask us to")
    _problem(api.post("/limits/openai/park", json={"for_seconds": 60, "reason": ""}))
