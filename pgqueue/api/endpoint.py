"""Endpoints as data: what each answers, who may call it, and which functions of SQL stand behind it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel

from .callers.caller import OPERATORS, READERS

PREFIX = "/api/v1"
REFUSES = (401, 403, 415, 422, 429, 500, 503, 504)  # any endpoint may
Handler = Callable[..., Any]
Rate = Literal["read", "write", "lease", "none"]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One method of one path.

    Attributes:
        method, path: below /api/v1, or below nothing if `is_root`.
        handler: the async function that answers; its first parameter is the request.
        may: the roles that may call it; empty = everybody, without a key.
        calls: the functions of SQL that it calls: whoever may call the endpoint may call these, and the other way round.
        rate: which limit of requests counts it: of reads, of writes, or none; "lease" is what keeps a worker's jobs its own.
        is_bound: whether it honours the queues of a key; if not, keys for some queues may not call it.
        is_stream: whether its answer does not end.
        is_root: whether its path stands beside /api/v1, as probes expect it.
        may_lag: whether its answer may be some seconds old, and so come from a replica.
        is_quiet: whether it is neither logged nor traced, like what probes ask.
        hot_body: the model of its body, if FastAPI is not asked for each request: its handler takes the request, the body and the
            header Idempotency-Key, and nothing else. It saves a fifth of what a request costs.
        refuses: statuses of its refusals besides REFUSES, such as 404 and 409.
        options: for FastAPI: model, status, summary, further answers.
    """

    method: str
    path: str
    handler: Handler
    may: frozenset[str] = READERS
    calls: tuple[str, ...] = ()
    rate: Rate = "read"
    is_bound: bool = False
    is_stream: bool = False
    is_root: bool = False
    is_quiet: bool = False
    may_lag: bool = False
    hot_body: type[BaseModel] | None = None
    refuses: tuple[int, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)


def route_of(endpoint: Endpoint) -> str:
    """The template of its path, as logs and traces name it: the same wherever the API is mounted or included."""
    return endpoint.path if endpoint.is_root else PREFIX + endpoint.path


class Endpoints:
    """The endpoints of one noun.

    Args:
        tag: the noun, for the document.
    """

    def __init__(self, tag: str) -> None:
        self._tag = tag
        self.all: list[Endpoint] = []

    def get(self, path: str, **facts: Any) -> Callable[[Handler], Handler]:
        """Declare what answers GET; see `Endpoint`, and `options` for FastAPI."""
        return self._declare("GET", path, {"may": READERS, "rate": "read", **facts})

    def post(self, path: str, **facts: Any) -> Callable[[Handler], Handler]:
        """Declare what answers POST."""
        return self._declare("POST", path, {"may": OPERATORS, "rate": "write", **facts})

    def put(self, path: str, **facts: Any) -> Callable[[Handler], Handler]:
        """Declare what answers PUT."""
        return self._declare("PUT", path, {"may": OPERATORS, "rate": "write", **facts})

    def patch(self, path: str, **facts: Any) -> Callable[[Handler], Handler]:
        """Declare what answers PATCH."""
        return self._declare("PATCH", path, {"may": OPERATORS, "rate": "write", **facts})

    def delete(self, path: str, **facts: Any) -> Callable[[Handler], Handler]:
        """Declare what answers DELETE."""
        return self._declare("DELETE", path, {"may": OPERATORS, "rate": "write", **facts})

    def _declare(self, method: str, path: str, facts: dict[str, Any]) -> Callable[[Handler], Handler]:
        own = {name: facts.pop(name) for name in list(facts) if name in _OWN}

        def declare(handler: Handler) -> Handler:
            self.all.append(Endpoint(method, path, handler, **own, options={"tags": [self._tag], **facts}))
            return handler

        return declare


_OWN = {"may", "calls", "rate", "is_bound", "is_stream", "is_root", "is_quiet", "may_lag", "refuses", "hot_body"}
