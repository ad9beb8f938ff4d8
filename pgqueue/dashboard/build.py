"""The dashboard as an application of its own, as a part of another one, and beside the REST API."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from ..api.build import create_app as create_api
from ..api.callers.rates import RateLimits
from ..api.service import Service
from ..app import PgQueue
from . import guard, static
from .desk import Desk
from .pages import ALL
from .streams import stream
from .viewer import Authorize
from .visit import path_of


def create_app(
    app: PgQueue, authorize: Authorize | None = None, *, is_read_only: bool = False, limits: RateLimits | None = None
) -> Starlette:
    """The dashboard as an application: to be served, or mounted in another one under any prefix.

    Where it is mounted, nobody runs its lifespan: enter `pages.router.lifespan_context(pages)` in that of the application around.

    Args:
        app: the install; what its tasks declare is known to the pages then.
        authorize: says who sends a request, by the login of the application around it; None = the dashboard asks for an API key,
            and without any key answers programs and browsers of this machine only.
        is_read_only: nobody may change anything here, whatever its role.
        limits: how many requests somebody may send a minute; None = the defaults of RateLimits.
    """
    api = create_api(app, limits)
    desk = Desk(api, api.state.pgqueue, authorize, is_read_only)

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await desk.service.stop()

    async def nowhere(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return await guard.nowhere(desk, request, error)

    made = Starlette(routes=_routes(desk), lifespan=lifespan, exception_handlers={HTTPException: nowhere})
    made.router.redirect_slashes = False  # it would say where by the header Host
    return made


def create_server_app(app: PgQueue, *, is_read_only: bool = False, is_one_of_several: bool = False) -> FastAPI:
    """The REST API with the dashboard beside it, as `pgqueue serve` serves them.

    Args:
        app: the install.
        is_read_only: nobody may change anything by the dashboard.
        is_one_of_several: it is mounted beside others; their index is one step up.
    """
    api = create_api(app)
    service: Service = api.state.pgqueue
    desk = Desk(api, service, None, is_read_only, is_one_of_several=is_one_of_several)
    api.router.routes.extend(_routes(desk))
    refuse: Callable[[Request, Exception], Awaitable[Response]] = api.exception_handlers[HTTPException]  # type: ignore[assignment]

    async def nowhere(request: Request, error: Exception) -> Response:
        is_browser = "text/html" in request.headers.get("accept", "") and not path_of(request).startswith("api/")
        if is_browser and isinstance(error, HTTPException):
            return await guard.nowhere(desk, request, error)
        return await refuse(request, error)

    api.add_exception_handler(HTTPException, nowhere)
    return api


def _routes(desk: Desk) -> list[BaseRoute]:
    made: list[BaseRoute] = [
        Route("/static/{version}/{path:path}", static.serve, methods=["GET"]),
        Route("/live", guard.around(desk, partial(stream, desk), "/live"), methods=["GET"]),
        Route("/sign-in", guard.around(desk, partial(guard.sign_in, desk), "/sign-in"), methods=["GET", "POST"]),
        Route("/sign-out", guard.around(desk, partial(guard.sign_out, desk), "/sign-out"), methods=["POST"]),
    ]
    made += [Route(page.path, guard.guarded(desk, page), methods=[page.method]) for page in ALL]
    return made
