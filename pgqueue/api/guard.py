"""Around each endpoint: who calls, what goes wrong, the id of the request, its trace, its line in the log, its deadline.

It works mounted, included, and alone.
"""

import asyncio
import logging
import uuid
from collections.abc import Callable, Coroutine
from time import monotonic, perf_counter
from typing import Any

from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from ..tracing.serving import serving_request
from . import access_log, door, exact, problems
from .compressed import compressed
from .endpoint import Endpoint, Handler, route_of
from .here import Here, enter
from .problems import Problem
from .service import Service

log = logging.getLogger("pgqueue.api")
MOST_BODY = 2**20  # bytes
LONGEST_ID = 200  # characters of the id of a request
DEADLINE = 60.0  # seconds for a request, but for a stream
# What is still read of a body that is too large: a client that is cut off while it sends does not see the answer.
DRAINED, DRAIN_WITHIN = 2**24, 2.0  # bytes, seconds
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
        endpoint, service = self.endpoints[self.endpoint], self.service
        inner = (
            super().get_route_handler() if endpoint.hot_body is None else _without_fastapi(endpoint.handler, endpoint.hot_body)
        )

        async def guarded(request: Request) -> Response:
            return await _guarded(service, endpoint, inner, request)

        return guarded


def _without_fastapi(handler: Handler, model: type[BaseModel]) -> Answer:
    async def answer(request: Request) -> Response:
        try:
            body = model.model_validate(await request.json())
        except ValidationError as error:
            raise RequestValidationError([{**fault, "loc": ("body", *fault["loc"])} for fault in error.errors()]) from None
        response: Response = await handler(request, body, request.headers.get("idempotency-key"))
        return response

    return answer


def routes_of(service: Service, endpoints: list[Endpoint]) -> type[GuardedRoute]:
    """The class of the routes of one service."""
    by_handler = {endpoint.handler: endpoint for endpoint in endpoints}
    return type("ServiceRoute", (GuardedRoute,), {"service": service, "endpoints": by_handler})


class ExactRequest(Request):
    """A request whose body is bounded, and whose numbers stay as they were sent."""

    async def body(self) -> bytes:
        """The body. Raises Problem if it is too large."""
        if not hasattr(self, "_body"):
            await self._check_length()
            chunks, size = list[bytes](), 0
            async for chunk in self.stream():
                size += len(chunk)
                if size > MOST_BODY:
                    raise await self._too_large()
                chunks.append(chunk)
            self._body = b"".join(chunks)
        return self._body

    async def _check_length(self) -> None:
        """Raise Problem if the header already says that the body is too large."""
        said = self.headers.get("content-length", "")
        if said.isascii() and said.isdecimal() and (len(said) > 18 or int(said) > MOST_BODY):
            raise await self._too_large()

    async def _too_large(self) -> Problem:
        """The refusal; what follows is read for a moment and dropped, unless the client waits to be asked for it."""
        if "expect" not in self.headers:
            await self._drain()
        return Problem("too-large", f"the body has more than {MOST_BODY:,} bytes", {"Connection": "close"})

    async def _drain(self) -> None:
        left, ends = DRAINED, monotonic() + DRAIN_WITHIN
        while left > 0 and monotonic() < ends:
            try:
                async with asyncio.timeout(max(0.0, ends - monotonic())):
                    message = await self.receive()
            except TimeoutError:
                return
            left -= len(message.get("body", b""))
            if not message.get("more_body"):
                return

    async def json(self) -> Any:
        """The body as JSON. Raises Problem if it is none."""
        try:
            return exact.read(await self.body())
        except (ValueError, RecursionError) as error:
            raise Problem("not-json", f"body: it is no valid JSON: {str(error)[:300]}") from None


async def _guarded(service: Service, endpoint: Endpoint, inner: Answer, request: Request) -> Response:
    began = perf_counter()
    here = Here(service, endpoint, request_id_of(request))
    enter(request, here)
    route = route_of(endpoint)
    is_quiet = endpoint.is_quiet or door.INSIDE in request.scope
    traced = None if is_quiet or endpoint.is_stream else route
    with serving_request(here.request_id, request.method, traced, request.headers) as served:
        response = await _answered(here, inner, request)
        served.answered(response.status_code)
    response.headers["X-Request-ID"] = here.request_id
    if not is_quiet:
        key_id = here.caller.key_id if hasattr(here, "caller") else None
        access_log.note(request.method, route, response.status_code, began, here.request_id, key_id)
    return response


async def _answered(here: Here, inner: Answer, request: Request) -> Response:
    deadline = asyncio.timeout(None if here.endpoint.is_stream else DEADLINE)
    try:
        async with deadline:
            here.caller = await door.enter(here.service, here.endpoint, request)
            response = await _inner(here, inner, request)
            return response if here.endpoint.is_stream else await compressed(request, response)
    except Exception as error:
        if isinstance(error.__cause__ or error, ClientDisconnect):
            return Response(status_code=499)  # nobody reads it
        if deadline.expired() and isinstance(error, TimeoutError):
            error = Problem("deadline", f"the request took more than {DEADLINE:.0f} s; it is not known whether it was done")
        return _refused(error, here, request)


async def _inner(here: Here, inner: Answer, request: Request) -> Response:
    try:
        return await inner(ExactRequest(request.scope, request.receive))
    finally:
        if here.endpoint.method != "GET":  # also if it was refused: nobody knows what was done by then
            here.service.note_write(here.caller)


def _refused(error: Exception, here: Here, request: Request) -> Response:
    problem = problems.of(error)
    if problem is None:
        log.exception("request %s failed: %s %s", here.request_id, request.method, here.endpoint.path)
        problem = Problem("internal", "an unexpected error; the log of the server has it")
    problem.detail = here.service.redactor.text(problem.detail)
    return problems.answer(problem, here.request_id, request.url.path)


def request_id_of(request: Request) -> str:
    """The id of a request: that of its header, or a new one."""
    given = request.headers.get("x-request-id", "")
    return given if given.isascii() and given.isprintable() and 0 < len(given) <= LONGEST_ID else str(uuid.uuid4())
