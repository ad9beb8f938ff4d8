"""Who may come in: keys, their ends, and what is served without any."""

import re
import socket
from typing import Any

import httpx
import psycopg
import pytest

from pgqueue import PgQueue
from pgqueue.api import create_app, door
from pgqueue.api.callers import keys as api_keys
from pgqueue.control.keys import read_key
from pgqueue.database.calls import keys as calls
from pgqueue.errors import ConfigurationError
from tests.waiting import until

from .keyed import bearer, client_of, count_look_ups, key_of
from .serving import served


def refused(answer: httpx.Response) -> bool:
    """Whether it is the one answer to all who have no valid key."""
    if answer.status_code != 401:
        return False
    assert answer.headers["www-authenticate"] == "Bearer"
    assert {**answer.json(), "request_id": "", "instance": ""} == {
        "type": "/api/v1/problems/unauthorized",
        "title": "No valid API key",
        "status": 401,
        "detail": door.REMEDY,
        "remedy": answer.json()["remedy"],
        "request_id": "",
        "instance": "",
    }
    return True


def test_a_valid_key_is_let_in_and_whatever_else_is_refused_alike(app: PgQueue, api: httpx.Client) -> None:
    key = key_of(app, "viewer")
    id, secret = read_key(key) or ("", "")
    other = "A" if secret[0] != "A" else "B"
    assert api.get("/capabilities", headers=bearer(key)).status_code == 200
    assert api.get("/capabilities", headers={"Authorization": f"bearer  {key}"}).status_code == 200
    for given in (
        {},
        bearer("x"),
        bearer(f"pgq_{id}_{other}{secret[1:]}"),
        bearer(f"pgq_000000000000_{secret}"),
        bearer(f"{key}x"),
        {"Authorization": f"Basic {key}"},
        {"Authorization": key},
    ):
        assert refused(api.get("/capabilities", headers=given)), given
    assert api.get("/capabilities", headers=[("Authorization", f"Bearer {key}")] * 2).status_code == 422


def test_a_revoked_key_is_refused_within_a_second_and_at_once_when_the_database_says_so(app: PgQueue) -> None:
    api_app = create_app(app)
    with served(api_app) as url:
        for forget in (False, True):
            key = key_of(app, "viewer")
            with client_of(url, key) as api:
                assert api.get("/capabilities").status_code == 200
                app.database.run(calls.revoke_key((read_key(key) or ("",))[0]))
                if forget:
                    api_app.state.pgqueue.keys.forget()
                    assert refused(api.get("/capabilities"))
                else:
                    until(lambda: refused(api.get("/capabilities")), "it is refused", 3)


def test_a_key_that_expires_between_two_looks_is_refused_when_it_expires(
    app: PgQueue, base_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not when it would be looked up next."""
    monkeypatch.setattr(api_keys, "FRESH", 3600.0)
    with client_of(base_url, key_of(app, "viewer", expires_after=2)) as api:
        assert api.get("/capabilities").status_code == 200
        until(lambda: refused(api.get("/capabilities")), "it is refused")


def test_two_keys_of_one_name_are_valid_during_a_rotation(app: PgQueue, api: httpx.Client) -> None:
    for key in (key_of(app, "viewer", name="shop"), key_of(app, "viewer", name="shop")):
        assert api.get("/capabilities", headers=bearer(key)).status_code == 200


def test_the_use_of_a_key_is_noted(app: PgQueue, base_url: str, connection: psycopg.Connection[Any]) -> None:
    with client_of(base_url, key_of(app, "viewer")) as api:
        api.get("/capabilities")
        until(lambda: connection.execute("select last_used_at is not null from api_keys").fetchone() == (True,), "it is noted")


def test_a_key_of_another_role_is_told_which_roles_may(app: PgQueue, base_url: str) -> None:
    with client_of(base_url, key_of(app, "operator")) as api:
        answer = api.get("/keys")
    assert answer.status_code == 403
    assert answer.json()["detail"] == "GET /keys needs a key with the role admin; this one is a operator"


def test_a_key_for_some_queues_may_not_call_what_is_about_all(app: PgQueue, base_url: str) -> None:
    with client_of(base_url, key_of(app, "admin", queues=["mail"])) as api:
        answer = api.get("/keys")
        assert answer.status_code == 403
        assert "needs a key for all queues" in answer.json()["detail"]
        assert api.get("/capabilities").status_code == 200


LOCAL = "127.0.0.1:8000"


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8000", "127.0.0.1", "127.9.9.9:1", "[::1]", "[::1]:8000"])
def test_without_keys_a_program_of_this_machine_is_served(api: httpx.Client, host: str) -> None:
    assert api.get("/capabilities", headers={"Host": host}).status_code == 200
    assert api.post("/keys", json={"role": "viewer"}, headers={"Host": host}).status_code == 201


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": "evil.example:8000"},
        {"Host": "192.168.0.1"},
        {"Host": ""},
        {"X-Forwarded-For": "127.0.0.1"},
        {"X-Forwarded-Host": "localhost"},
        {"Forwarded": "for=127.0.0.1"},
        {"X-Real-IP": "127.0.0.1"},
        {"Via": "1.1 proxy"},
        bearer("pgq_000000000000_" + "A" * 43),
    ],
    ids=lambda headers: " ".join(*headers.items()),
)
def test_without_keys_what_may_come_from_elsewhere_is_refused(api: httpx.Client, headers: dict[str, str]) -> None:
    """Through a proxy, or by a name that somebody points to this machine."""
    assert refused(api.get("/capabilities", headers=headers))


async def _asked(application: Any, client: tuple[str, int] | None) -> int:
    transport = httpx.ASGITransport(application, client=client)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as api:
        return (await api.get("/api/v1/capabilities")).status_code


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("127.0.0.1", 200),
        ("::1", 200),
        ("::ffff:127.0.0.1", 200),
        ("192.0.2.7", 401),
        ("::ffff:192.0.2.7", 401),
        ("testclient", 401),
    ],
)
async def test_without_keys_an_address_of_another_machine_is_refused(app: PgQueue, address: str, status: int) -> None:
    application = create_app(app)
    assert await _asked(application, (address, 1)) == status
    await application.state.pgqueue.stop()


async def test_without_keys_a_socket_in_the_file_system_is_refused(app: PgQueue) -> None:
    """Behind it is a proxy as a rule."""
    application = create_app(app)
    assert await _asked(application, None) == 401
    await application.state.pgqueue.stop()


def test_with_the_first_key_every_request_needs_one_also_when_it_is_revoked(
    app: PgQueue, api: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_keys, "FRESH", 0.0)
    assert api.get("/capabilities").status_code == 200
    key = key_of(app)
    assert refused(api.get("/capabilities"))
    app.database.run(calls.revoke_key((read_key(key) or ("",))[0]))
    assert refused(api.get("/capabilities"))


def test_a_database_that_does_not_answer_is_503_and_never_no_keys(app: PgQueue) -> None:
    application = create_app(app)

    async def broken(call: Any, client: str | None = None) -> Any:
        raise psycopg.OperationalError("the server closed the connection")

    with served(application) as url, httpx.Client(base_url=f"{url}/api/v1") as api:
        application.state.pgqueue.keys._run = broken
        for headers in ({}, bearer("pgq_000000000000_" + "A" * 43)):
            answer = api.get("/capabilities", headers=headers)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
    ids=lambda headers: " ".join(*headers.items()),
)
def test_a_page_of_another_site_changes_nothing(app: PgQueue, api: httpx.Client, headers: dict[str, str]) -> None:
    answer = api.post("/keys", json={"role": "viewer"}, headers=headers)
    assert answer.status_code == 403
    assert app.database.run(calls.has_keys()) is False


def test_a_page_of_this_site_may(api: httpx.Client) -> None:
    headers = {"Origin": str(api.base_url).removesuffix("/api/v1/"), "Sec-Fetch-Site": "same-origin"}
    assert api.post("/keys", json={"role": "viewer"}, headers=headers).status_code == 201


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded", "application/jsonp"])
def test_a_body_that_is_not_called_json_is_refused(app: PgQueue, api: httpx.Client, kind: str | None) -> None:
    """A page of another site can send only such bodies without asking first."""
    headers = {} if kind is None else {"Content-Type": kind}
    for body in (b'{"role": "admin"}', iter([b'{"role": "admin"}'])):
        assert api.post("/keys", content=body, headers=headers).status_code == 415
    assert app.database.run(calls.has_keys()) is False


def test_no_answer_lets_pages_of_other_sites_read_it(api: httpx.Client) -> None:
    ask = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    for answer in (api.options("/keys", headers=ask), api.get("/capabilities", headers=ask)):
        assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "[::1]", "127.8.8.8"])
def test_loopback_is_served_without_keys(host: str) -> None:
    door.check_bind(host, False)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.1", "example.com", ""])
def test_other_addresses_need_keys(host: str) -> None:
    door.check_bind(host, True)
    with pytest.raises(ConfigurationError, match=r"host: .*`pgqueue keys create"):
        door.check_bind(host, False)


def test_a_header_that_decides_is_not_there_twice(api: httpx.Client) -> None:
    """Else a proxy and this server could read different ones."""
    twice = api.get("/capabilities", headers=[("Authorization", "Bearer x"), ("Authorization", "Bearer y")])
    assert (twice.status_code, twice.json()["detail"]) == (422, "the header authorization is there twice; send it once")
    with socket.create_connection((api.base_url.host, api.base_url.port or 80), timeout=5) as raw:
        raw.sendall(b"GET /api/v1/capabilities HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n")
        assert re.match(rb"HTTP/1.1 4\d\d", raw.recv(4096))


def test_one_look_up_serves_all_requests_of_a_second(app: PgQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = count_look_ups(monkeypatch)
    with served(create_app(app)) as url, client_of(url, key_of(app, "viewer")) as api:
        for _ in range(20):
            assert api.get("/capabilities").status_code == 200
    assert len(asked) <= 4
