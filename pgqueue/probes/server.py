"""Probes over HTTP: /live, /ready and /metrics, answered by threads that need neither the database nor an event loop."""

import json
import logging
import socket
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from ..errors import ConfigurationError
from . import exposition
from .address import Address
from .seen import Look

log = logging.getLogger("pgqueue.probes")
MOST_AT_ONCE = 20  # requests; further ones are turned away
QUIET_FOR = 5.0  # seconds for which a client may be silent
JSON = "application/json"


class Probes:
    """A server of probes, from `with` on until its end.

    Args:
        address: where it listens.
        look: says which processes there are; called in any thread.
        within: seconds without progress after which a process counts as stuck.

    Raises:
        ConfigurationError: it cannot listen there.
    """

    def __init__(self, address: Address, look: Look, within: float) -> None:
        self._look, self._within = look, within
        if not address.host.strip():  # the socket would take it for all addresses
            raise ConfigurationError(
                f"probe_host: {address.host[:200]!r} is not valid; use an address, or 0.0.0.0 for all of them"
            )
        try:
            self._server = _Server(address, self.answer)
        except (OSError, OverflowError, ValueError, TypeError) as error:  # the last two: the host is no name
            why = error.strerror if isinstance(error, OSError) and error.strerror else error
            where = (
                f"{address.host[:200]!r}:{address.port}"
                if isinstance(error, ValueError | TypeError)
                else f"{address.host}:{address.port}"
            )
            raise ConfigurationError(
                f"probe_port: {where} is not valid: {why}; give another --probe-port or --probe-host"
            ) from None
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, name="pgqueue-probes", daemon=True)

    def __enter__(self) -> "Probes":
        self._thread.start()
        log.info("probes on %s:%s: /live, /ready, /metrics", *self._server.server_address[:2])
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, path: str) -> tuple[int, str, str]:
        """The status, the type and the text for a path."""
        if path == "/metrics":
            return 200, exposition.TYPE, exposition.exposition(self._look())
        if path == "/live":
            return _verdict(self._look().stuck(self._within))
        if path == "/ready":
            return _verdict(self._look().unready())
        return 404, JSON, json.dumps({"problem": "there are /live, /ready and /metrics"})


def _verdict(problems: list[str]) -> tuple[int, str, str]:
    return 503 if problems else 200, JSON, json.dumps({"ok": not problems, "problems": problems[:100]})


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 32

    def __init__(self, address: Address, answer: Any) -> None:
        self.answer, self._room = answer, threading.BoundedSemaphore(MOST_AT_ONCE)
        if ":" in address.host:
            self.address_family = socket.AF_INET6
        super().__init__((address.host, address.port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._room.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        log.debug("a probe was not answered", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    timeout = QUIET_FOR
    server: _Server

    def do_GET(self) -> None:
        code, kind, text = self.server.answer(self.path.partition("?")[0])
        body = text.encode()
        with suppress(ConnectionError):
            self.send_response(code)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

    do_HEAD = do_GET

    def version_string(self) -> str:
        return "pgqueue"

    def log_message(self, format: str, *args: Any) -> None:  # a line each few seconds would be noise
        log.debug(format, *args)
