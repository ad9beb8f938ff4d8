"""One server over several installs: each below its own path, and an index page that leads there."""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route

from ..api import answers
from ..api.health.health import Health
from ..api.service import Service
from ..app import PgQueue
from ..errors import ConfigurationError
from . import render, static
from .build import create_server_app
from .guard import HEADERS

_OURS = frozenset({"health", "static"})
_PATH = re.compile(r"[\w-]+")
FRESH = {"Cache-Control": "no-store"}


class Installs:
    """The installs of one server.

    Args:
        apps: one for each; their schemas differ.
        is_read_only: nobody may change anything by the dashboards.

    Attributes:
        parts: their applications, by schema.
    """

    def __init__(self, apps: Sequence[PgQueue], is_read_only: bool) -> None:
        self.parts: dict[str, FastAPI] = {}
        for app in apps:
            schema = _path_of(app.settings.schema_name)
            self.parts[schema] = create_server_app(app, is_read_only=is_read_only, is_one_of_several=True)

    @property
    def services(self) -> list[Service]:
        """What the requests of each install share."""
        return [part.state.pgqueue for part in self.parts.values()]

    async def health(self) -> list[Health]:
        """How each install is."""
        return await asyncio.gather(*(service.health.get() for service in self.services))

    async def index(self, request: Request) -> Response:
        """The page that leads to each install. It says their names and whether they answer, and no more: keys are per install."""
        links = [
            (schema, render.url(schema), found.problem is None)
            for schema, found in zip(self.parts, await self.health(), strict=True)
        ]
        response = render.bare("installs.html", 200, {"title": "Installs", "base": "./", "links": links})
        response.headers.update(HEADERS)
        return response

    async def live(self, request: Request) -> Response:
        """Whether this process answers."""
        return answers.json({"status": "pass"}, headers=FRESH)

    async def ready(self, request: Request) -> Response:
        """Whether requests for any install can be served: one that is down must not take the others with it."""
        answering = sum(found.problem is None for found in await self.health())
        status = "pass" if answering else "fail"
        body = {"status": status, "installs": len(self.parts), "answering": answering}
        return answers.json(body, 200 if answering else 503, FRESH)

    @asynccontextmanager
    async def lifespan(self, _: Any) -> AsyncIterator[None]:
        """That of all parts: nobody runs it where they are mounted."""
        async with AsyncExitStack() as running:
            for part in self.parts.values():
                await running.enter_async_context(part.router.lifespan_context(part))
            yield


def create_app_of_several(apps: Sequence[PgQueue], *, is_read_only: bool = False) -> tuple[Starlette, list[Service]]:
    """The REST APIs and dashboards of several installs, each below /SCHEMA/, as `pgqueue serve --schemas` serves them.

    Args:
        apps: one for each install; their schemas differ.
        is_read_only: nobody may change anything by the dashboards.

    Returns:
        The application, and what the requests of each install share.

    Raises:
        ConfigurationError: the name of a schema cannot be a path.
    """
    installs = Installs(apps, is_read_only)
    made = Starlette(
        routes=[
            Route("/", installs.index, methods=["GET"]),
            Route("/health/live", installs.live, methods=["GET"]),
            Route("/health/ready", installs.ready, methods=["GET"]),
            Route("/static/{version}/{path:path}", static.serve, methods=["GET"]),
            *(Mount(f"/{schema}", app=part) for schema, part in installs.parts.items()),
            *(Route(f"/{schema}", _to_top, methods=["GET"]) for schema in installs.parts),
        ],
        lifespan=installs.lifespan,
    )
    made.router.redirect_slashes = False  # it would say where by the header Host
    return made, installs.services


def _path_of(schema: str) -> str:
    if _PATH.fullmatch(schema) is None or schema in _OURS:
        raise ConfigurationError(
            f"schemas: {schema!r} cannot be a path of the server; serve it alone, with --schema, "
            f"or use names of letters, digits, - and _ other than {', '.join(sorted(_OURS))}"
        )
    return schema


async def _to_top(request: Request) -> Response:
    """The links of a page are relative to its path, which must end with a slash."""
    return RedirectResponse(request.url.path.rpartition("/")[2] + "/", 307)
