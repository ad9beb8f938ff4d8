"""The API as a process of its own: `pgqueue serve`."""

import asyncio
import logging
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from ipaddress import ip_address
from types import FrameType
from typing import Any

import psycopg
import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp

from ..app import PgQueue
from ..database.backoff import first_line
from ..database.calls import install as install_calls
from ..database.calls import keys as key_calls
from ..errors import ConfigurationError, PgQueueError
from . import door
from .build import create_app
from .protocol import BoundedProtocol
from .service import Service

log = logging.getLogger("pgqueue.api")
GRACE = 10  # seconds for requests to end when the process stops; streams and polls end at once
KEEP_ALIVE = 65  # seconds for an idle connection: more than clients and proxies keep theirs, so none is closed under a request
BACKLOG = 2048
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Server(uvicorn.Server):
    """Uvicorn, which ends streams and polls first when it stops, and then leaves with exit code 0.

    Args:
        config: of uvicorn.
        services: what the requests of each install share.
    """

    def __init__(self, config: uvicorn.Config, services: Sequence[Service]) -> None:
        super().__init__(config)
        self._services = services
        self._looks: list[asyncio.Task[None]] = []

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and look at the databases meanwhile: the log says what the first requests would meet."""
        await super().startup(sockets)
        self._looks = [asyncio.create_task(_look(service), name="pgqueue first look") for service in self._services]

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop; called by uvicorn after a signal."""
        log.info("stopping: streams end, requests have %s s", GRACE)
        for service in self._services:
            service.stopping.set()
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop; a second signal ends it without waiting for requests."""
        self.force_exit = self.should_exit
        self.should_exit = True

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Uvicorn's, without raising the signal once more at the end: a graceful stop is no failure."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {one: signal.signal(one, self.handle_exit) for one in _SIGNALS}
        try:
            yield
        finally:
            for one, handler in before.items():
                signal.signal(one, handler)


async def _look(service: Service) -> None:
    try:
        await service.run(install_calls.installed_version())
    except (PgQueueError, psycopg.Error) as error:
        log.warning("requests will fail until this is mended: %s", first_line(error))


def serve(app: PgQueue, host: str, port: int, build: Callable[[PgQueue], FastAPI] = create_app) -> None:
    """Serve the API until a signal.

    Args:
        app: as in `create_app`.
        host: the address to listen at; one that others reach needs an API key in the database.
        port: 0 = any that is free; the log says which.
        build: makes the application; it has the API, and may have more.

    Raises:
        ConfigurationError: nothing can listen there, or others could come in without a key.
        DatabaseNotConfigured: there is no database URL.
    """

    def made() -> tuple[ASGIApp, list[Service]]:
        api = build(app)
        return api, [api.state.pgqueue]

    serve_several([app], host, port, made)


def serve_several(apps: Sequence[PgQueue], host: str, port: int, build: Callable[[], tuple[ASGIApp, list[Service]]]) -> None:
    """Serve the APIs of several installs until a signal.

    Args:
        apps: one for each install.
        host, port: as in `serve`; where others come, each install needs an API key.
        build: makes the application; and what the requests of each install share.

    Raises:
        ConfigurationError, DatabaseNotConfigured: as in `serve`.
    """
    for app in apps:
        app.url  # noqa: B018  # it is asked here, so that a missing one is no error of the first request
        _check_bind(app, host)
    api, services = build()
    listening = _listen(host, port)
    config = uvicorn.Config(api, **_options())
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    schemas = ", ".join(app.settings.schema_name for app in apps)
    log.info("serving %s of schema%s %s", _url(listening), "s" * (len(apps) > 1), schemas)
    Server(config, services).run([listening])


def _check_bind(app: PgQueue, host: str) -> None:
    """Raise ConfigurationError if others could come in without a key; the database is asked only if others can come."""
    try:
        door.check_bind(host, has_keys=False)
    except ConfigurationError:
        door.check_bind(host, app.database.run(key_calls.has_keys()))


def _options() -> dict[str, Any]:
    return {
        "log_config": None,  # its lines go where ours go
        "access_log": False,
        "http": BoundedProtocol,
        "lifespan": "on",
        "proxy_headers": False,  # a caller has the address of its connection: anybody may write another one into a header
        "server_header": False,
        "timeout_graceful_shutdown": GRACE,
        "timeout_keep_alive": KEEP_ALIVE,
    }


def _listen(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Raises:
        ConfigurationError: it is not possible there.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listening = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigurationError(
            f"port: nothing can listen at {host} port {port}: {reason}; give another --port or --host"
        ) from None
    # Each connection inherits it. asyncio sets it only on sockets that it has made itself, and without it each answer whose head
    # and body are written one after the other waits 40 ms for the client's acknowledgement.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def _url(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ip_address(host.partition("%")[0]).version == 6 else f"http://{host}:{port}"
