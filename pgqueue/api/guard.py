"""Around each endpoint: who calls, what goes wrong, the id of the request. It works mounted, included, and alone."""

import logging
import uuid
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from ..tracing import request_id as current_request
from . import door, exact, problems
from .endpoint import Endpoint, Handler
from .here import Here, enter
from .problems import Problem
from .service import Service

log = logging.getLogger("pgqueue.api")
MOST_BODY = 2**20  # bytes
LONGEST_ID = 200  # characters of the id of a request
Answer = Callable[[Request], Coroutine[Any, Any, Response]]


class GuardedRoute(APIRoute):
    """A route whose answers, refusals included, are ours, whatever application it belongs to.

    Attributes:
        service: what all requests share.
        endpoints: by their handlers.
    """

    service: Service
    endpoints: dict[Handler, Endpoint]

    def get_route_handler(self) -> Answer:
        """FastAPI's handler with ours around it."""
        inner, endpoint, service = super().get_route_handler(), self.endpoints[self.endpoint], self.service

        async def guarded(request: Request) -> Response:
            return await _guarded(service, endpoint, inner, request)

        return guarded


def routes_of(service: Service, endpoints: list[Endpoint]) -> type[GuardedRoute]:
    """The class of the routes of one service."""
    by_handler = {endpoint.handler: endpoint for endpoint in endpoints}
    return type("ServiceRoute", (GuardedRoute,), {"service": service, "endpoints": by_handler})


class ExactRequest(Request):
    """A request whose body is bounded, and whose numbers stay as they were sent."""

    async def body(self) -> bytes:
        """The body. Raises Problem if it is too large."""
        if not hasattr(self, "_body"):
            chunks, size = list[bytes](), 0
            async for chunk in self.stream():
                size += len(chunk)
                if size > MOST_BODY:
                    raise Problem("too-large", f"the body has more than {MOST_BODY:,} bytes", {"Connection": "close"})
                chunks.append(chunk)
            self._body = b"".join(chunks)
        return self._body

    async def json(self) -> Any:
        """The body as JSON. Raises Problem if it is none."""
        try:
            return exact.read(await self.body())
        except (ValueError, RecursionError) as error:
            raise Problem("not-json", f"body: it is no valid JSON: {str(error)[:300]}") from None


async def _guarded(service: Service, endpoint: Endpoint, inner: Answer, request: Request) -> Response:
    here = Here(service, endpoint, _id_of(request))
    enter(request, here)
    token = current_request.set(here.request_id)
    try:
        here.caller = await door.enter(service, endpoint, request)
        response = await inner(ExactRequest(request.scope, request.receive))
    except Exception as error:
        response = _refused(error, here, request)
    finally:
        current_request.reset(token)
    response.headers["X-Request-ID"] = here.request_id
    return response


def _refused(error: Exception, here: Here, request: Request) -> Response:
    problem = problems.of(error)
    if problem is None:
        log.exception("request %s failed: %s %s", here.request_id, request.method, here.endpoint.path)
        problem = Problem("internal", "an unexpected error; the log of the server has it")
    problem.detail = here.service.redactor.text(problem.detail)
    return problems.answer(problem, here.request_id, request.url.path)


def _id_of(request: Request) -> str:
    given = request.headers.get("x-request-id", "")
    return given if given.isascii() and given.isprintable() and 0 < len(given) <= LONGEST_ID else str(uuid.uuid4())
