"""The API as an application of its own, and as a part of another one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from ..app import PgQueue
from ..version import __version__
from . import problems
from .endpoint import REFUSES, Endpoint
from .guard import routes_of
from .rates import RateLimits
from .routes import ALL
from .service import Service

PREFIX = "/api/v1"
_ABOUT = "Every path but health needs the header `Authorization: Bearer <key>`, once a key exists. Ids are texts."


def create_app(app: PgQueue, limits: RateLimits | None = None) -> FastAPI:
    """The REST API as an application: to be served, or mounted in another one.

    Args:
        app: the install; the options of its tasks apply to what is enqueued. `PgQueue()` knows only the schema.
        limits: how many requests a key may send a minute; None = the defaults of RateLimits. Each process counts for itself.
    """
    service = Service(app, limits)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await service.start()
        yield
        await service.stop()

    api = FastAPI(
        title="pgqueue",
        version=__version__,
        description=_ABOUT,
        lifespan=lifespan,
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
    )
    api.include_router(_router(service))
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
    made = APIRouter(route_class=routes_of(service, ALL), redirect_slashes=False)
    for endpoint in ALL:
        _add(made, endpoint)
    return made


def _add(made: APIRouter, endpoint: Endpoint) -> None:
    options = dict(endpoint.options)
    model, status = options.pop("model", None), options.pop("status", 200)
    responses = {**problems.documented((*REFUSES, *endpoint.refuses)), **options.pop("responses", {})}
    path = endpoint.path if endpoint.is_root else PREFIX + endpoint.path
    made.add_api_route(
        path,
        endpoint.handler,
        methods=[endpoint.method],
        response_model=model,
        status_code=status,
        responses=responses,
        **options,
    )


async def _not_ours(request: Request, error: Exception) -> Response:
    """What FastAPI refuses itself: no such path, a wrong method."""
    problem = problems.of(error)
    assert problem is not None
    return problems.answer(problem, request.headers.get("x-request-id"), request.url.path)
