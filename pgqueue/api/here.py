"""What an endpoint has at hand: who calls, the database, and how to answer."""

from collections.abc import Mapping
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from ..database.acting import acting_as
from ..database.call import Call
from . import answers
from .callers.caller import Caller
from .endpoint import Endpoint
from .service import Service

T = TypeVar("T")
_KEY = "pgqueue"


class Here:
    """One request.

    Attributes:
        service: what all requests of the process share.
        endpoint: what answers it.
        request_id: given by the caller, or made.
        caller: who calls; known before the handler runs.
    """

    __slots__ = ("caller", "endpoint", "request_id", "service")

    def __init__(self, service: Service, endpoint: Endpoint, request_id: str) -> None:
        self.service, self.endpoint, self.request_id = service, endpoint, request_id
        self.caller: Caller

    async def run(self, call: Call[T]) -> T:
        """Run a call in a transaction of its own: on a replica, if there is one and the answer may be some seconds old."""
        if self.endpoint.may_lag:
            return await self.service.read(call, self.caller)
        return await self.service.run(call)

    async def add(self, call: Call[T]) -> T:
        """Run a call that adds nodes or jobs behind others: they get results of those as far as the caller may read them."""
        return await self.service.run(call, key=None if self.caller.may_read_results else self.caller.key_id or self.caller.name)

    async def act(self, call: Call[T]) -> T:
        """Run a verb of people, which the audit log keeps with the key and the address of the caller.

        The name is read when a `Call` is made, so make it inside of `with here.acting():` and use `run`, or pass `by`.
        """
        return await self.service.act(call, self.caller.address)

    def acting(self) -> Any:
        """A context manager: verbs whose calls are made inside of it are the caller's."""
        return acting_as(self.caller.name)

    def shown(self, value: Any) -> Any:
        """A value of ours as it is answered, without secrets."""
        return answers.shown(value, self.service.redactor)

    def answer(self, value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
        """An answer with this value: a row, a list of rows, or what else `answers.shown` takes."""
        return answers.json(self.shown(value), status, headers)


def enter(request: Request, here: Here) -> None:
    """Put what belongs to a request into its scope."""
    request.scope[_KEY] = here


def at(request: Request) -> Here:
    """What belongs to this request."""
    found: Here = request.scope[_KEY]
    return found
