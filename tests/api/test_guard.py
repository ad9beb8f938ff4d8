"""What stands around each endpoint: it is the same on a server of its own, mounted, and included in another application."""

import asyncio
import json
import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from pgqueue import PgQueue, api
from pgqueue.api import build, guard
from pgqueue.api.callers.caller import ANYONE
from pgqueue.api.endpoint import Endpoint
from pgqueue.api.routes import ALL
from tests.api.serving import served

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def _alone(app: PgQueue) -> AbstractContextManager[str]:
    return served(api.create_app(app))


def _mounted(app: PgQueue) -> AbstractContextManager[str]:
    host = FastAPI()
    host.mount("/queue", api.create_app(app))
    return served(host)


def _included(app: PgQueue) -> AbstractContextManager[str]:
    host = FastAPI()
    host.include_router(api.router(app), prefix="/queue")
    return served(host)


def _behind_a_proxy(app: PgQueue) -> AbstractContextManager[str]:
    return served(api.create_app(app), root_path="/queue")


WAYS: dict[str, tuple[Callable[[PgQueue], AbstractContextManager[str]], str]] = {
    "alone": (_alone, ""),
    "mounted": (_mounted, "/queue"),
    "included": (_included, "/queue"),
    "root_path": (_behind_a_proxy, ""),
}


@pytest.fixture(params=WAYS)
def client(app: PgQueue, request: pytest.FixtureRequest) -> Iterator[httpx.Client]:
    """A client of the API in each way of serving it."""
    serve, prefix = WAYS[request.param]
    with serve(app) as url, httpx.Client(base_url=url + prefix, timeout=20) as client:
        yield client


def test_a_line_of_the_log_names_the_route_and_not_the_path(client: httpx.Client, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "pgqueue.access"):
        client.get("/api/v1/jobs/12345?password=hunter2", headers={"X-Request-ID": "r-1"})
        client.get("/health/live")
    [line] = [record for record in caplog.records if record.name == "pgqueue.access"]
    assert line.getMessage() == "GET /api/v1/jobs/{job_id} 404"
    fields = vars(line)
    assert (fields["method"], fields["route"], fields["status"], fields["request_id"]) == (
        "GET", "/api/v1/jobs/{job_id}", 404, "r-1",
    )  # fmt: skip
    assert fields["ms"] > 0
    assert "hunter2" not in str(fields)


def test_the_id_of_a_request_is_kept_or_made(client: httpx.Client) -> None:
    assert client.get("/api/v1/jobs/1", headers={"X-Request-ID": "abc"}).headers["x-request-id"] == "abc"
    for bad in ("x" * 201, ""):
        assert client.get("/api/v1/jobs/1", headers={"X-Request-ID": bad}).headers["x-request-id"] not in (bad, "")


def test_large_answers_are_compressed_for_who_takes_that(app: PgQueue, client: httpx.Client) -> None:
    @app.task
    def noop(text: str) -> None: ...

    path = f"/api/v1/jobs/{noop.enqueue('a' * 5000).id}"
    packed = client.get(path)
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.headers["vary"] == "Accept-Encoding"
    assert packed.num_bytes_downloaded < 2000
    for accepted in ("identity", "gzip;q=0, br"):
        plain = client.get(path, headers={"Accept-Encoding": accepted})
        assert "content-encoding" not in plain.headers
        assert plain.headers["vary"] == "Accept-Encoding"
        assert json.loads(plain.text) == packed.json()
    small = client.get("/health/live")
    assert "content-encoding" not in small.headers


def _with_endpoint(monkeypatch: pytest.MonkeyPatch, handler: Any, method: str = "POST") -> None:
    monkeypatch.setattr(build, "ALL", [*ALL, Endpoint(method, "/try", handler, ANYONE)])


@pytest.fixture
def trying(app: PgQueue, monkeypatch: pytest.MonkeyPatch) -> Callable[..., AbstractContextManager[str]]:
    """Serves an API with one endpoint more."""

    def serve(handler: Any, method: str = "POST") -> AbstractContextManager[str]:
        _with_endpoint(monkeypatch, handler, method)
        return _alone(app)

    return serve


def test_a_body_that_is_too_large_is_refused_whether_it_says_so_or_not(trying: Callable[..., Any]) -> None:
    async def count(request: Request, body: dict[str, Any]) -> Response:
        return Response("{}")

    def chunks() -> Iterator[bytes]:
        yield b'{"a": "'
        for _ in range(40):
            yield b"x" * 65536

    with trying(count) as url:
        for _ in range(5):
            said = httpx.post(f"{url}/api/v1/try", content=b"x" * 2**23, headers={"Content-Type": "application/json"})
            assert said.status_code == 413
            assert said.json()["type"].endswith("too-large")
            streamed = httpx.post(f"{url}/api/v1/try", content=chunks(), headers={"Content-Type": "application/json"})
            assert streamed.status_code == 413
        assert _sent_before_it_reads(url, b"x" * 2**23).startswith(b"HTTP/1.1 413")
        assert httpx.post(f"{url}/api/v1/try", json={"a": "x" * 1_000_000}).status_code == 200
        twice = httpx.post(f"{url}/api/v1/try", content=b'{"a": 1, "a": 2}', headers={"Content-Type": "application/json"})
        assert "'a' is there twice" in twice.json()["detail"]


def _sent_before_it_reads(url: str, body: bytes) -> bytes:
    """The answer to a client that sends all of its body before it reads, as many do; it must not be cut off meanwhile."""
    host, port = url.removeprefix("http://").split(":")
    head = f"POST /api/v1/try HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(head.encode() + body)
        return connection.recv(1000)


def test_a_request_ends_at_its_deadline(trying: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "DEADLINE", 0.1)

    async def hang(request: Request) -> Response:
        await asyncio.sleep(30)
        return Response()

    with trying(hang, "GET") as url:
        answer = httpx.get(f"{url}/api/v1/try")
    assert answer.status_code == 504
    assert answer.json()["type"].endswith("deadline")


def test_a_mistake_of_ours_tells_nothing_but_the_id_of_the_request(
    trying: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(request: Request) -> Response:
        raise RuntimeError("the secret of the house")

    with trying(broken, "GET") as url:
        answer = httpx.get(f"{url}/api/v1/try", headers={"X-Request-ID": "r-7"})
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert answer.json()["request_id"] == "r-7"
    assert "request r-7 failed" in caplog.text


def test_what_is_enqueued_belongs_to_the_trace_and_the_request(app: PgQueue, trying: Callable[..., Any]) -> None:
    @app.task
    async def noop() -> None: ...

    async def enqueue(request: Request) -> Response:
        job = await noop.aenqueue()
        return Response(str(job.id))

    with trying(enqueue) as url:
        id = httpx.post(f"{url}/api/v1/try", headers={"traceparent": TRACEPARENT, "X-Request-ID": "r-9"}).text
        other = httpx.post(f"{url}/api/v1/try", headers={"X-Request-ID": "r-10"}).text
        found, without = (httpx.get(f"{url}/api/v1/jobs/{one}").json() for one in (id, other))
        assert (found["trace_id"], found["request_id"]) == (TRACEPARENT.split("-")[1], "r-9")
        assert (without["trace_id"], without["request_id"]) == (None, "r-10")


def test_the_pool_is_closed_with_the_application_that_includes_the_router(app: PgQueue) -> None:
    host = FastAPI()
    router = api.router(app)
    host.include_router(router)
    with served(host) as url:
        assert httpx.get(f"{url}/health/ready").status_code == 200
        service = router.route_class.service  # type: ignore[attr-defined]
        assert service.database._pools
    assert not service.database._pools
