"""A request of the REST API: its span is named by its route, and its jobs belong to its trace."""

import httpx
import pytest
from fastapi import FastAPI
from opentelemetry.trace import SpanKind, StatusCode
from starlette.requests import Request
from starlette.responses import Response

from pgqueue import PgQueue
from pgqueue.api import build, create_app, router
from pgqueue.api.callers.caller import ANYONE
from pgqueue.api.endpoint import Endpoint
from pgqueue.api.routes import ALL
from tests.api.serving import served

from .spans import Spans

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
HEADERS = {"traceparent": f"00-{TRACE}-{PARENT}-01"}


def test_a_request_has_a_span_of_its_route_and_health_has_none(app: PgQueue, spans: Spans) -> None:
    with served(create_app(app)) as url, httpx.Client(base_url=url) as client:
        client.get("/api/v1/jobs/17", headers=HEADERS)
        client.get("/health/live", headers=HEADERS)
        client.get("/metrics", headers=HEADERS)
    [span] = spans.all()
    assert span.name == "GET /api/v1/jobs/{job_id}"
    assert span.kind == SpanKind.SERVER
    assert span.attributes is not None
    assert dict(span.attributes) == {
        "http.request.method": "GET", "http.route": "/api/v1/jobs/{job_id}", "http.response.status_code": 404,
    }  # fmt: skip
    assert span.status.status_code == StatusCode.UNSET
    assert span.parent is not None
    assert f"{span.parent.span_id:016x}" == PARENT
    assert span.context is not None
    assert f"{span.context.trace_id:032x}" == TRACE


def test_a_job_that_a_request_enqueues_belongs_to_its_span(app: PgQueue, spans: Spans, monkeypatch: pytest.MonkeyPatch) -> None:
    @app.task
    async def noop() -> None: ...

    async def enqueue(request: Request) -> Response:
        return Response(str((await noop.aenqueue()).id))

    async def broken(request: Request) -> Response:
        raise RuntimeError

    more = [Endpoint("POST", "/try", enqueue, ANYONE), Endpoint("POST", "/broken", broken, ANYONE)]
    monkeypatch.setattr(build, "ALL", [*ALL, *more])
    with served(create_app(app)) as url, httpx.Client(base_url=url) as client:
        client.post("/api/v1/try", headers=HEADERS)
        client.post("/api/v1/broken")
    request, sent, failed = spans.all()
    assert (request.name, sent.name) == ("POST /api/v1/try", "send default")
    assert sent.parent is not None
    assert request.context is not None
    assert sent.parent.span_id == request.context.span_id
    assert failed.status.status_code == StatusCode.ERROR
    assert failed.parent is None


def test_in_an_application_that_makes_spans_a_request_has_one(app: PgQueue, spans: Spans) -> None:
    host = FastAPI()
    host.include_router(router(app))
    with served(host) as url, httpx.Client(base_url=url) as client:
        client.get("/api/v1/jobs/17", headers=HEADERS)
    assert len([span for span in spans.all() if span.kind == SpanKind.SERVER]) == 1
