"""Asks the REST API, within this process and for the person who looks: so pages show and do what the API allows, and no more."""

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from starlette.types import ASGIApp, Message, Scope

from ..api import exact
from ..api.callers.caller import Caller
from ..api.door import INSIDE
from ..api.endpoint import PREFIX
from .words import for_people


class Refused(Exception):
    """A refusal of the API.

    Attributes:
        status: of HTTP.
        problem: the document of RFC 9457, for people: title, detail, remedy.
    """

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__(problem.get("detail", ""))
        self.status, self.problem = status, for_people(problem)


async def ask(
    api: ASGIApp,
    caller: Caller,
    request_id: str,
    method: str,
    path: str,
    query: Mapping[str, Any],
    body: Any = None,
    once: str | None = None,
) -> Any:
    """What an endpoint answers: JSON, or a plain text.

    Args:
        api: the API.
        caller: for whom.
        request_id: of the request for which this is asked.
        method, path: of the endpoint; the path is that below /api/v1, with its parameters filled in.
        query: parameters; None = not given, a list = several times.
        body: as JSON; None = without one.
        once: an Idempotency-Key; the answer then says as `repeated` whether it was given before. None = without one.

    Raises:
        Refused: it refuses.
    """
    payload = b"" if body is None else exact.write(body)
    scope = _scope(caller, request_id, method, PREFIX + path, query, len(payload))
    if once is not None:
        scope["headers"].append((b"idempotency-key", once.encode()))
    status, heads, answer = await _run(api, scope, payload)
    if heads.get(b"content-type", b"").startswith(b"text/plain"):
        return answer.decode()
    found: Any = exact.read(answer) if answer else None
    if status >= 400:
        raise Refused(status, found or {})
    return found if once is None else {**found, "repeated": b"idempotency-replayed" in heads}


def _scope(caller: Caller, request_id: str, method: str, path: str, query: Mapping[str, Any], length: int) -> Scope:
    given = {name: value for name, value in query.items() if value is not None}
    heads = [(b"host", b"localhost"), (b"x-request-id", request_id.encode("latin-1", "replace"))]
    if length:
        heads += [(b"content-type", b"application/json"), (b"content-length", str(length).encode())]
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "http",
        "method": method,
        "path": path,
        "root_path": "",
        "query_string": urlencode(given, doseq=True).encode(),
        "headers": heads,
        "client": (caller.address, 0),
        "server": ("localhost", 0),
        INSIDE: caller,
    }


async def _run(api: ASGIApp, scope: Scope, payload: bytes) -> tuple[int, dict[bytes, bytes], bytes]:
    unread, parts = [payload], list[bytes]()
    status, heads = 500, dict[bytes, bytes]()

    async def receive() -> Message:
        if unread:
            return {"type": "http.request", "body": unread.pop(), "more_body": False}
        await asyncio.Future[None]()  # the client stays
        raise AssertionError

    async def send(message: Message) -> None:
        nonlocal status, heads
        if message["type"] == "http.response.start":
            status, heads = message["status"], dict(message["headers"])
        else:
            parts.append(message.get("body", b""))

    await api(scope, receive, send)
    return status, heads, b"".join(parts)
