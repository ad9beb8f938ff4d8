"""Who looks: signing in by a key, what the cookie holds, and the end of a session."""

import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from pgqueue import PgQueue
from pgqueue.api import server
from pgqueue.api.callers.rates import RateLimits
from pgqueue.control.keys import read_key
from pgqueue.dashboard import create_app
from pgqueue.dashboard.build import create_server_app
from pgqueue.dashboard.door import KEY, NOT_A_READER
from pgqueue.database.calls import keys as calls
from pgqueue.errors import ConfigurationError
from tests.api.keyed import key_of
from tests.api.serving import served
from tests.looking import Look
from tests.waiting import until

from .acting import PAUSE, sign_in, token_of, with_acts
from .forms import token_in

OURS = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture(autouse=True)
def _acts(monkeypatch: pytest.MonkeyPatch) -> None:
    with_acts(monkeypatch)


@pytest.fixture
def limited(app: PgQueue) -> Iterator[httpx.Client]:
    """A dashboard that takes three wrong keys a minute."""
    with served(create_app(app, limits=RateLimits(wrong_keys=3))) as url, httpx.Client(base_url=f"{url}/", timeout=20) as client:
        yield client


def test_without_any_key_this_machine_looks_as_an_admin_and_nobody_else_does(http: httpx.Client) -> None:
    assert http.get("audit").status_code == 200
    for heads in ({"X-Forwarded-For": "10.0.0.7"}, {"Host": "ops.example"}, {"Via": "1.1 proxy"}):
        away = http.get("audit", headers=heads)
        assert (away.status_code, away.headers["location"]) == (303, "./sign-in?to=audit")


def test_what_a_proxy_passes_on_in_the_old_protocol_is_not_of_this_machine(url: str) -> None:
    """As nginx does as it comes, without a header that says so."""
    address = httpx.URL(url)
    with socket.create_connection((address.host, address.port or 80), timeout=10) as connection:
        connection.sendall(f"GET /audit HTTP/1.0\r\nHost: {address.host}:{address.port}\r\n\r\n".encode())
        answer = connection.makefile("rb").read()
    assert b" 303 " in answer.splitlines()[0]


def test_the_cookie_of_a_key_is_for_this_browser_and_the_dashboard_alone(app: PgQueue, http: httpx.Client) -> None:
    key = key_of(app, "operator")
    asked = http.get("audit", params={"verb": "pause"})
    assert asked.headers["location"] == "./sign-in?to=audit%3Fverb%3Dpause"
    done = sign_in(http, key, "audit?verb=pause")
    assert (done.status_code, done.headers["location"]) == (303, "./audit?verb=pause")
    (cookie,) = [one for one in done.headers.get_list("set-cookie") if one.startswith(f"{KEY}=")]
    parts = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert parts == {"httponly", "samesite=strict"}, "until the browser closes; no path: that of the page"
    assert http.get("audit").status_code == 200
    secure = http.post("sign-in", data={"key": key}, headers={"X-Forwarded-Proto": "https"})
    assert "secure" in secure.headers["set-cookie"].lower()


def test_no_page_and_no_log_holds_the_key(app: PgQueue, http: httpx.Client, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    key = key_of(app, "admin")
    sign_in(http, key)
    secret = (read_key(key) or ("", ""))[1]
    assert secret not in http.get("audit").text
    said = [one for one in caplog.records if one.name.startswith(("pgqueue", "uvicorn"))]
    assert said
    assert not [one for one in said if secret in f"{one.getMessage()} {one.__dict__}"]


@pytest.mark.parametrize("role", ["producer", "worker"])
def test_a_key_of_programs_does_not_open_the_dashboard(app: PgQueue, http: httpx.Client, role: str) -> None:
    refused = sign_in(http, key_of(app, role))
    assert refused.status_code == 403
    assert NOT_A_READER in refused.text
    assert KEY not in http.cookies
    http.cookies.set(KEY, key_of(app, role))
    assert http.get("audit").status_code == 403


def test_wrong_keys_are_refused_alike_and_then_no_longer_looked_up(app: PgQueue, limited: httpx.Client) -> None:
    key = key_of(app, "viewer")
    for wrong in ("x", f"{key}x", "é\u202e"):
        refused = sign_in(limited, wrong)
        assert refused.status_code == 401
        assert "No valid API key" in refused.text
        assert KEY not in limited.cookies
    assert sign_in(limited, "y").status_code == 429
    refused = limited.get("audit", headers=[(b"cookie", f"{KEY}=pgq_x_y".encode())])
    assert refused.status_code == 429


def test_signing_in_from_a_page_of_another_site_is_refused(app: PgQueue, http: httpx.Client) -> None:
    """Else somebody could work in an account that is not his."""
    key = key_of(app, "viewer")
    for heads in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        assert http.post("sign-in", data={"key": key}, headers=heads).status_code == 403
        assert KEY not in http.cookies


def test_the_session_ends_with_its_key(app: PgQueue, http: httpx.Client) -> None:
    key = key_of(app, "viewer")
    sign_in(http, key)
    page = http.get("audit")
    assert page.status_code == 200
    with http.stream("GET", "live") as stream:
        assert stream.status_code == 200
    app.database.run(calls.revoke_key((read_key(key) or ("",))[0]))
    until(lambda: http.get("audit").status_code == 303, "the page asks for a key", 3)
    assert http.get("live").status_code in (303, 401)
    open_page = http.get("audit", headers={"X-Part": "main", "X-Shown": "x"})
    assert (open_page.status_code, open_page.content) == (401, b"")


def test_signing_out_forgets_the_key_and_needs_the_token(app: PgQueue, http: httpx.Client) -> None:
    sign_in(http, key_of(app, "viewer"))
    token = token_in(http.get("audit").text)
    assert http.post("sign-out", data={"csrf": "x"}, headers=OURS).status_code == 403
    assert http.get("sign-out").status_code == 405
    assert http.get("audit").status_code == 200
    assert http.post("sign-out", data={"csrf": token}, headers=OURS).headers["location"] == "./sign-in"
    assert KEY not in http.cookies
    assert http.get("audit").status_code == 303


@pytest.mark.parametrize(("role", "status"), [("viewer", 403), ("operator", 303), ("admin", 303)])
def test_a_role_may_do_what_it_may_by_the_api(app: PgQueue, http: httpx.Client, look: Look, role: str, status: int) -> None:
    sign_in(http, key_of(app, role, name="ann"))
    assert http.post(PAUSE, data={"csrf": token_of(http)}, headers=OURS).status_code == status
    by = look.value("select by from audit where verb = 'pause'")
    assert by == (None if status == 403 else "ann")


def test_a_key_for_some_queues_sees_and_does_no_more(app: PgQueue, http: httpx.Client) -> None:
    sign_in(http, key_of(app, "operator", queues=["mail"]))
    assert http.get("audit").status_code == 403
    csrf = token_of(http)
    assert http.post(PAUSE, data={"csrf": csrf}, headers=OURS).status_code == 303
    http.post("try/pause/other", data={"csrf": csrf}, headers=OURS)
    assert [(one.kind, one.name) for one in app.pauses()] == [("queue", "mail")]


def test_a_dashboard_to_read_lets_nobody_change_anything(app: PgQueue, look: Look) -> None:
    with served(create_server_app(app, is_read_only=True)) as url, httpx.Client(base_url=f"{url}/", timeout=20) as http:
        refused = http.post(PAUSE, data={"csrf": token_of(http)}, headers=OURS)
        assert refused.status_code == 403
        assert "read-only" in refused.text
        assert "Enqueue" not in http.get("audit").text
    assert look.value("select count(*) from pauses") == 0


def test_an_address_that_others_reach_is_not_served_without_keys(app: PgQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Any] = []
    monkeypatch.setattr(server.Server, "run", lambda _, sockets: started.extend(sockets))
    with pytest.raises(ConfigurationError, match="keys create"):
        server.serve(app, "0.0.0.0", 0, create_server_app)
    assert not started
    key_of(app, "viewer")
    server.serve(app, "0.0.0.0", 0, create_server_app)
    for one in started:
        one.close()
    assert started
