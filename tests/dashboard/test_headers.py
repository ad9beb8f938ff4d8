"""What every answer of the dashboard says to browsers, and what odd requests get."""

import re
import socket
from collections.abc import Iterator

import httpx
import pytest

from pgqueue import PgQueue
from pgqueue.dashboard import create_app, render
from pgqueue.dashboard.guard import HEADERS
from pgqueue.dashboard.static import files, version
from tests.api.serving import served

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'"
)
BROWSER = {"Accept": "text/html,*/*;q=0.8"}


@pytest.fixture(params=["beside the API", "alone"])
def both(request: pytest.FixtureRequest, app: PgQueue, url: str) -> Iterator[httpx.Client]:
    """The dashboard as `pgqueue serve` serves it, and as it can be mounted."""
    if request.param == "alone":
        with served(create_app(app)) as alone, httpx.Client(base_url=f"{alone}/", timeout=20) as client:
            yield client
    else:
        with httpx.Client(base_url=f"{url}/", timeout=20) as client:
            yield client


ODD = [
    ("GET", "audit", 200), ("HEAD", "audit", 200), ("GET", "sign-in", 200), ("HEAD", "sign-in", 200),
    ("POST", "sign-out", 415),
    ("GET", "nothing/here", 404),
    ("DELETE", "audit", 405), ("OPTIONS", "audit", 405), ("PROPFIND", "audit", 405), ("GET", "audit?cursor=x", 200),
    ("GET", "audit/", 404),
    ("GET", "static/x/nothing.js", 404), ("GET", "%00", 404), ("GET", "audit%2f", 404), ("GET", "%ff%fe", 404),
    ("GET", "..%2f..%2fetc", 404), ("GET", f"jobs/{5000 * '9'}", 404), ("GET", f"jobs/{19 * '9'}/log", 422),
]  # fmt: skip


def test_every_answer_keeps_other_pages_and_scripts_out(both: httpx.Client) -> None:
    assert HEADERS["Content-Security-Policy"] == POLICY
    for method, path, status in ODD:
        answer = both.request(method, path, headers=BROWSER)
        assert answer.status_code == status, (method, path)
        if not path.startswith("static"):
            assert answer.headers["content-security-policy"] == POLICY, (method, path)
            assert answer.headers["cache-control"] == "no-store", (method, path)
            assert answer.headers["referrer-policy"] == "same-origin", (method, path)
            assert answer.headers["x-request-id"], (method, path)
        assert answer.headers.get("x-content-type-options") == "nosniff", (method, path)
        assert method != "HEAD" or answer.content == b""
        if status == 404 and not path.startswith("static"):
            assert "There is no such page" in answer.text, (method, path)


def test_a_program_gets_the_refusals_of_the_api_where_there_is_no_page(http: httpx.Client) -> None:
    assert http.get("nothing/here").headers["content-type"] == "application/problem+json"
    assert http.get("api/v1/nothing", headers=BROWSER).headers["content-type"] == "application/problem+json"


def test_no_answer_is_made_of_the_header_host(both: httpx.Client) -> None:
    heads = {**BROWSER, "Host": "evil.example", "X-Forwarded-Host": "evil.example"}
    for path in ("audit", "audit/", "sign-in", "nothing/here", "jobs//", "//evil.example/audit", "/%5cevil.example"):
        answer = both.get(str(both.base_url) + path, headers=heads)
        assert "evil.example" not in answer.text.replace(path, ""), path
        assert not answer.headers.get("location", "./").startswith(("/", "http")), path


def test_scripts_are_kept_for_ever_by_their_version_and_lie_nowhere_else(http: httpx.Client) -> None:
    kept = http.get(f"static/{version()}/js/main.js")
    assert kept.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert kept.headers["content-type"] == "text/javascript; charset=utf-8"
    assert http.get("static/old/js/main.js").headers["cache-control"] == "no-cache"
    for path in (
        "../guard.py",
        "..%2fguard.py",
        "js/../../guard.py",
        "%2fetc/passwd",
        "/etc/passwd",
        "js",
        "",
        "vendor/README.md",
        "js/main.js%00",
    ):
        assert _raw(http, f"/static/{version()}/{path}").startswith(b"HTTP/1.1 404"), path


def test_all_that_pages_name_is_there(http: httpx.Client) -> None:
    html = http.get("audit").text
    named = re.findall(r'(?:src|href)="(\./static/[^"]+)"', html)
    assert len(named) >= 5
    for path in named:
        assert http.get(path).status_code == 200, path
    for file in files().values():
        for other in re.findall(r'from "\./([\w.]+)"', file.read_text()) if file.parent.name == "js" else ():
            assert http.get(f"static/{version()}/js/{other}").status_code == 200, (file, other)


def test_oversized_and_doubled_headers_are_refused_and_the_server_goes_on(http: httpx.Client) -> None:
    for heads in ([("Cookie", "pgqueue_key=" + "x" * 60_000)], [("Cookie", f"a{n}=" + "y" * 500) for n in range(120)]):
        assert http.get("audit", headers=heads).status_code < 500
    assert re.match(rb"HTTP/1.1 (400|422)", _raw(http, "/audit", "Host: 127.0.0.2\r\n"))
    assert http.get("audit", headers={"X-Request-ID": "a" * 5000}).headers["x-request-id"] != "a" * 5000
    assert http.get("audit").status_code == 200


def test_a_page_that_fails_says_so_without_a_word_of_the_code(
    app: PgQueue, http: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("secret /srv/code.py")

    monkeypatch.setattr(render, "page", fails)
    answer = http.get("audit")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert answer.headers["content-security-policy"] == POLICY


def _raw(http: httpx.Client, path: str, heads: str = "") -> bytes:
    """The answer to what no client would send so."""
    address = http.base_url
    with socket.create_connection((address.host, address.port or 80), timeout=10) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{heads}Connection: close\r\n\r\n".encode())
        return connection.makefile("rb").read()
