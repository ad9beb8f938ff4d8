"""The API as an application of its own, and as a part of another one."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from time import perf_counter
from typing import Any

from fastapi import APIRouter, FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from ..app import PgQueue
from ..version import __version__
from . import access_log, problems
from .callers.rates import RateLimits
from .endpoint import REFUSES, Endpoint, route_of
from .guard import request_id_of, routes_of
from .routes import ALL
from .service import Service

# Of FastAPI's own telemetry only its metrics: the guard makes a span of each request that is worth one, and logs no values.
_TELEMETRY: Any = {"tracing": False, "operation_spans": False, "logs": False}
_ABOUT = "Every path but health needs the header `Authorization: Bearer <key>`, once a key exists. Ids are texts."


def create_app(app: PgQueue, limits: RateLimits | None = None) -> FastAPI:
    """The REST API as an application: to be served, or mounted in another one.

    Where it is mounted, nobody runs its lifespan: enter `api.router.lifespan_context(api)` in that of the application around it.

    Args:
        app: the install; the options of its tasks apply to what is enqueued. `PgQueue()` knows only the schema.
        limits: how many requests a key may send a minute; None = the defaults of RateLimits. Each process counts for itself.
    """
    service = Service(app, limits)
    api = FastAPI(
        title="pgqueue",
        version=__version__,
        description=_ABOUT,
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
        telemetry=_TELEMETRY,
        lifespan=_lifespan_of(service),
    )
    _add_all(api.router, service)  # its own routes: to look through those of an included router costs each request more
    api.add_exception_handler(HTTPException, _not_ours)
    api.state.pgqueue = service
    return api


def router(app: PgQueue, limits: RateLimits | None = None) -> APIRouter:
    """The REST API as a router: `fastapi_app.include_router(pgqueue.api.router(app), prefix="/queue")`.

    Args:
        app, limits: as in `create_app`.
    """
    return _router(Service(app, limits))


def _router(service: Service) -> APIRouter:
    made = APIRouter(redirect_slashes=False, lifespan=_lifespan_of(service))
    _add_all(made, service)
    return made


def _add_all(made: APIRouter, service: Service) -> None:
    made.route_class = routes_of(service, ALL)
    for endpoint in ALL:
        _add(made, endpoint)


def _lifespan_of(service: Service) -> Callable[[Any], AbstractAsyncContextManager[None]]:
    """That of the router: whichever application includes it, stops the service with itself. What it needs begins at first use."""

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await service.stop()

    return lifespan


def _add(made: APIRouter, endpoint: Endpoint) -> None:
    options = dict(endpoint.options)
    model, status = options.pop("model", None), options.pop("status", 200)
    responses = {**problems.documented((*REFUSES, *endpoint.refuses)), **options.pop("responses", {})}
    made.add_api_route(
        route_of(endpoint),
        endpoint.handler,
        methods=[endpoint.method],
        response_model=model,
        status_code=status,
        responses=responses,
        **options,
    )


async def _not_ours(request: Request, error: Exception) -> Response:
    """What FastAPI refuses itself: no such path, a wrong method."""
    problem, request_id = problems.of(error), request_id_of(request)
    assert problem is not None
    problem.headers["X-Request-ID"] = request_id
    response = problems.answer(problem, request_id, request.url.path)
    access_log.note(request.method, None, response.status_code, perf_counter(), request_id, None)
    return response
