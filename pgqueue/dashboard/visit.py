"""One request of a page: who looks, what it asks the API for, and how it is answered."""

import asyncio
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from ..api.callers.caller import Caller
from . import door, notices, render, rights
from .ask import Refused, ask
from .desk import Desk
from .panel import Panel, panel

THEME = "pgqueue_theme"  # the cookie that the script of the page sets
WITHIN = 1.9  # seconds for which a page waits for what it cannot do without
_UNREAD = {
    "title": "The database did not answer in time",
    "detail": "what this page shows could not be read; nothing was changed",
    "remedy": "Wait a moment, and load the page again: a lock, or much work, may hold the database up.",
}
PART = "x-part"  # the header of a page that is open and asks for what has changed in it


class Visit:
    """One request.

    Attributes:
        request: as it came.
        desk: what all pages share.
        caller: who looks.
        request_id: as in the API.
    """

    def __init__(self, request: Request, desk: Desk, caller: Caller, request_id: str) -> None:
        self.request, self.desk, self.caller, self.request_id = request, desk, caller, request_id

    @property
    def query(self) -> Mapping[str, str]:
        """The query parameters."""
        return self.request.query_params

    @cached_property
    def base(self) -> str:
        """The way from this page to the top of the dashboard: links are relative, so no proxy needs to tell us its prefix."""
        return base_of(self.request)

    @property
    def path(self) -> str:
        """The path below the dashboard, without a slash at its beginning."""
        return path_of(self.request)

    @property
    def here(self) -> str:
        """The path and the query, for a form that comes back."""
        return render.path(self.path) + (f"?{self.request.url.query}" if self.request.url.query else "")

    @property
    def section(self) -> str:
        """The entry of the navigation to which the page belongs."""
        return self.path.partition("/")[0]

    @property
    def theme(self) -> str | None:
        """Light or dark, if somebody has chosen; None = as the system."""
        chosen = self.request.cookies.get(THEME)
        return chosen if chosen in ("light", "dark") else None

    @property
    def signed_in(self) -> bool:
        """Whether it was a key that let this person in."""
        return self.desk.authorize is None and door.KEY in self.request.cookies

    @property
    def lag(self) -> float | None:
        """Seconds by which the replica that answers is behind; None = the primary answers."""
        service = self.desk.service
        return service.replica.lag if service.replica is not None and service.reads_late(self.caller) else None

    def can(self, name: str) -> bool:
        """Whether this person may call an endpoint of the API, such as "POST /jobs/{job_id}/cancel"."""
        return rights.may(self.caller, name, self.desk.is_read_only)

    async def ask(self, path: str, **query: Any) -> Any:
        """What GET of this path of the API answers; what others have asked just now is not asked again.

        Raises:
            Refused: the API refuses it, or the answer takes longer than a page may.
        """
        rights_of = self.caller.role, self.caller.queues, self.caller.may_read_arguments
        key = (rights_of, path, repr(sorted(query.items())), self.desk.service.reads_late(self.caller))
        try:
            async with asyncio.timeout(WITHIN):
                return await self.desk.answers.get(key, lambda: self._ask("GET", path, query))
        except TimeoutError:
            raise Refused(504, _UNREAD) from None

    async def fetch(self, path: str, **query: Any) -> Any:
        """As `ask`, for what may be large: it is not kept for others.

        Raises:
            Refused: the API refuses it.
        """
        return await self._ask("GET", path, query)

    async def tell(self, method: str, path: str, body: Any = None, *, once: str | None = None, **query: Any) -> Any:
        """What the API answers to a change.

        Args:
            method, path, body, query: of the request.
            once: an Idempotency-Key; None = without one.

        Raises:
            Refused: the API refuses it.
        """
        try:
            return await self._ask(method, path, query, body, once)
        finally:
            self.desk.answers.forget()

    def panel(self, path: str, **query: Any) -> "asyncio.Task[Panel]":
        """A part of the page, which is asked for at once, beside the others; `show` waits for it."""
        return asyncio.ensure_future(panel(self.ask(path, **query)))

    async def _ask(self, method: str, path: str, query: Mapping[str, Any], body: Any = None, once: str | None = None) -> Any:
        try:
            return await self._send(method, path, query, body, once)
        except Refused as refused:
            if refused.status == 504 and method == "GET":  # the API says that nobody knows whether it was done
                raise Refused(504, {**refused.problem, **_UNREAD}) from None
            raise

    async def _send(self, method: str, path: str, query: Mapping[str, Any], body: Any, once: str | None) -> Any:
        return await ask(self.desk.api, self.caller, self.request_id, method, path, query, body, once)

    async def show(self, template: str, title: str, /, status: int = 200, **shown: Any) -> Response:
        """The page of a template.

        Args:
            template: its file.
            title: of the page.
            status: of HTTP.
            shown: what the template shows by name; panels are waited for.
        """
        waiting = [one for one in shown.values() if isinstance(one, asyncio.Future)]
        if waiting:
            await asyncio.wait(waiting)
        values = {name: one.result() if isinstance(one, asyncio.Future) else one for name, one in shown.items()}
        seed = door.seeded(self.request)
        notice = None if self.is_part else notices.read(self.request)
        facts = {"at": self, "title": title, "csrf": door.token_of(self.request), "notice": notice, **values}
        response = render.page(template, facts, self.request.headers.get("x-shown") if self.is_part else None, self.is_part)
        response.status_code = status if response.status_code == 200 else response.status_code
        if seed is not None:
            door.keep_seed(response, self.request, seed)
        if notice is not None:
            notices.drop(response)
        return response

    @property
    def is_part(self) -> bool:
        """Whether an open page asks what has changed."""
        return PART in self.request.headers

    def go(self, path: str, said: str | None = None, problem: Mapping[str, Any] | None = None) -> Response:
        """Go to another page of the dashboard, which says what was done, or what was refused."""
        response = RedirectResponse(self.base + path, 303)
        if said is not None or problem is not None:
            notices.keep(response, said, problem)
        return response


def path_of(request: Request) -> str:
    """The path below the dashboard, without a slash at its beginning."""
    path: str = request.scope["path"]
    return path.removeprefix(request.scope.get("root_path", "")).lstrip("/")


def base_of(request: Request) -> str:
    """The way from a path of the dashboard to its top, as the browser sees the path: there %2F separates nothing."""
    sent = request.scope.get("raw_path") or request.scope["path"].encode()
    depth = sent.partition(b"?")[0].count(b"/") - request.scope.get("root_path", "").count("/") - 1
    return "../" * depth or "./"
