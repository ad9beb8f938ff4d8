"""Pages and acts as data: what answers a path, and the endpoint of the API whose rights it has."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.convertors import IntegerConvertor, register_url_convertor
from starlette.responses import Response

from .form import Form
from .visit import Visit

Handler = Callable[..., Awaitable[Response]]


class _Id(IntegerConvertor):
    """An id in a path. Starlette's own `int` fails at more digits than Python reads, before any page could say so."""

    regex = "[0-9]{1,19}"


register_url_convertor("pgqueue_id", _Id())  # by a name of ours: all applications of a process share them


@dataclass(frozen=True, slots=True)
class Page:
    """One method of one path.

    Attributes:
        method: GET for a page, POST for an act.
        path: below the dashboard, with parameters in braces.
        handler: takes the Visit, an act also its form, and the parameters of the path by name.
        of: the endpoint of the API: who may call it may come here, and nobody else.
    """

    method: str
    path: str
    handler: Handler
    of: str


class Pages:
    """The pages of one noun."""

    def __init__(self) -> None:
        self.all: list[Page] = []

    def page(self, path: str, of: str) -> Callable[[Handler], Handler]:
        """Declare a page: `async def limit(at: Visit, key: str) -> Response`."""
        return self._declare("GET", path, of)

    def act(self, path: str, of: str) -> Callable[[Handler], Handler]:
        """Declare what a form does: `async def reset(at: Visit, form: Form, key: str) -> Response`."""
        return self._declare("POST", path, of)

    def _declare(self, method: str, path: str, of: str) -> Callable[[Handler], Handler]:
        def declare(handler: Handler) -> Handler:
            self.all.append(Page(method, path, handler, of))
            return handler

        return declare


__all__ = ["Form", "Page", "Pages", "Visit"]
