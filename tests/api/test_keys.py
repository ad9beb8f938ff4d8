"""The keys themselves, over the API."""

import logging
from collections.abc import Iterator

import httpx
import psycopg
import pytest

from pgqueue import PgQueue

from .keyed import bearer, client_of, key_of


@pytest.fixture
def admin(app: PgQueue, base_url: str) -> Iterator[httpx.Client]:
    """A client with the key of an admin called ann."""
    with client_of(base_url, key_of(app, name="ann")) as client:
        yield client


def test_a_key_is_answered_once_and_works(admin: httpx.Client) -> None:
    answer = admin.post("/keys", json={"role": "viewer", "queues": ["mail"], "expires_after": 3600, "may_read_arguments": False})
    assert answer.status_code == 201
    made = answer.json()
    assert (made["name"], made["role"], made["queues"], made["status"]) == ("viewer", "viewer", ["mail"], "valid")
    assert answer.headers["location"] == f"/api/v1/keys/{made['id']}"
    assert answer.headers["cache-control"] == "no-store"
    assert admin.get("/capabilities", headers=bearer(made["key"])).status_code == 200
    for text in (admin.get(f"/keys/{made['id']}").text, admin.get("/keys").text):
        assert made["key"].split("_", 2)[2] not in text


def test_the_list_has_pages_the_newest_first(admin: httpx.Client) -> None:
    made = [admin.post("/keys", json={"role": "viewer"}).json()["id"] for _ in range(4)]
    page = admin.get("/keys", params={"limit": 3}).json()
    assert [key["id"] for key in page["items"]] == made[:0:-1]
    rest = admin.get("/keys", params={"limit": 3, "cursor": page["next"]}).json()
    assert [key["name"] for key in rest["items"]] == ["viewer", "ann"]
    assert rest["next"] is None
    assert admin.get("/keys", params={"cursor": "x"}).status_code == 422


def test_a_revoked_key_is_refused_at_once_and_stays_in_the_list(admin: httpx.Client) -> None:
    made = admin.post("/keys", json={"role": "viewer"}).json()
    assert admin.get("/capabilities", headers=bearer(made["key"])).status_code == 200
    assert admin.delete(f"/keys/{made['id']}").json() == {"id": made["id"], "revoked": True}
    assert admin.get("/capabilities", headers=bearer(made["key"])).status_code == 401
    assert admin.delete(f"/keys/{made['id']}").json() == {"id": made["id"], "revoked": False}
    assert admin.get(f"/keys/{made['id']}").json()["status"] == "revoked"


@pytest.mark.parametrize("id", ["000000000000", "x", "pgq_000000000000_secret", "%00"])
def test_a_key_that_is_not_there_is_not_found(admin: httpx.Client, id: str) -> None:
    assert admin.get(f"/keys/{id}").status_code == 404
    assert admin.delete(f"/keys/{id}").status_code == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "role"),
        ({"role": "root"}, "role"),
        ({"role": "viewer", "by": "me"}, "by"),
        ({"role": "viewer", "queues": []}, "queues"),
        ({"role": "viewer", "queues": [""]}, "queues.0"),
        ({"role": "viewer", "expires_after": 0}, "expires_after"),
        ({"role": "viewer", "expires_after": 60, "expires_at": "2100-01-01T00:00:00Z"}, "expires_after"),
        ({"role": "viewer", "expires_at": "2000-01-01T00:00:00Z"}, "expires_at"),
        ({"role": "viewer", "expires_at": "2100-01-01T00:00:00"}, "expires_at"),
        ({"role": "viewer", "name": ""}, "name"),
    ],
)  # fmt: skip
def test_what_is_no_key_is_refused_with_the_field(admin: httpx.Client, body: dict[str, object], field: str) -> None:
    answer = admin.post("/keys", json=body)
    assert (answer.status_code, answer.json()["field"]) == (422, field)
    assert len(admin.get("/keys").json()["items"]) == 1


def test_the_audit_log_keeps_the_name_of_the_key_and_the_address_of_its_caller(
    admin: httpx.Client, connection: psycopg.Connection[tuple[object, ...]]
) -> None:
    made = admin.post("/keys", json={"role": "viewer"}).json()
    admin.delete(f"/keys/{made['id']}")
    rows = connection.execute(
        "select verb, by, host(client), role = session_user from audit where subject = %s order by id", [made["id"]]
    ).fetchall()
    assert rows == [("create_key", "ann", "127.0.0.1", True), ("revoke_key", "ann", "127.0.0.1", True)]


def test_no_secret_of_a_key_is_logged(admin: httpx.Client, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        key = admin.post("/keys", json={"role": "viewer"}).json()["key"]
        admin.get("/capabilities", headers=bearer(key))
        admin.get("/capabilities", headers=bearer(key + "x"))
    assert key.split("_", 2)[2] not in caplog.text
