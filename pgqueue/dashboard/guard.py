"""Around each page: who looks, what goes wrong, the headers that keep other pages and scripts out, its line in the log."""

import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from time import perf_counter
from typing import Any
from urllib.parse import unquote, urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from ..api import access_log, problems
from ..api.compressed import compressed
from ..api.guard import ExactRequest, request_id_of
from ..api.problems import KINDS, Problem
from . import door, render
from .ask import Refused
from .desk import Desk
from .form import Form, read_form
from .page import Page
from .visit import PART, Visit, base_of, path_of
from .words import for_people

log = logging.getLogger("pgqueue.dashboard")
Answer = Callable[[Request], Awaitable[Response]]
_TITLES = {404: "There is no such page", 405: "This page cannot do that"}
LONGEST = 2000  # characters of a path to which a form leads
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def guarded(desk: Desk, page: Page) -> Answer:
    """What answers a page, or an act."""

    async def answer(request: Request) -> Response:
        at = await _enter(desk, request)
        desk.service.counting.start()
        if not at.can(page.of):
            raise Problem("forbidden", _refusal(desk, at, page))
        if page.method == "GET":
            return await page.handler(at, **request.path_params)
        form = await read_form(ExactRequest(request.scope, request.receive))
        door.check_form(request, form)
        try:
            return await page.handler(at, form, **request.path_params)
        except Refused as refused:
            return at.go(back_of(at, form), problem=refused.problem)

    return around(desk, answer, page.path)


def around(desk: Desk, inner: Answer, route: str) -> Answer:
    """What answers a path, whatever happens in it.

    Args:
        desk: what all pages share.
        inner: answers, or raises.
        route: the template of the path, for the log.
    """

    async def answer(request: Request) -> Response:
        began = perf_counter()
        try:
            response = await inner(request)
        except Exception as error:
            response = await _refused(desk, request, error)
        response = await compressed(request, response)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        request_id = request_id_of(request)
        response.headers["X-Request-ID"] = request_id
        if PART not in request.headers:  # an open page asks each second
            access_log.note(request.method, route, response.status_code, began, request_id, None)
        return response

    return answer


async def sign_in(desk: Desk, request: Request) -> Response:
    """The page that asks for an API key, and what it does."""
    to = _inside(request.query_params.get("to", ""))
    if desk.authorize is not None:
        return RedirectResponse(base_of(request) + to, 303)
    if request.method != "POST":
        return _ask_for_key(request, to, None)
    form = await read_form(ExactRequest(request.scope, request.receive))
    door.check_site(request)  # there is no session yet that could have a token
    try:
        await door.by_key(desk, request, form.get("key", "").strip())
    except Problem as problem:
        return _ask_for_key(request, to, problem)
    response = RedirectResponse(base_of(request) + to, 303)
    door.keep_key(response, request, form["key"].strip())
    return response


async def sign_out(desk: Desk, request: Request) -> Response:
    """Forget the key in this browser."""
    door.check_form(request, await read_form(ExactRequest(request.scope, request.receive)))
    response = RedirectResponse(base_of(request) + "sign-in", 303)
    door.drop_key(response, request)
    return response


def back_of(at: Visit, form: Form) -> str:
    """The page from which a form was sent, below the dashboard."""
    return _inside(form.get("back", ""))


def _inside(path: str) -> str:
    """A path below the dashboard; the top if it leads elsewhere."""
    if len(path) > LONGEST or not path.isprintable():
        return ""
    try:
        parts = urlsplit(path)
    except ValueError:
        return ""
    steps = unquote(parts.path).split("/")  # a browser reads %2e%2e as it reads ..
    is_ours = not (parts.scheme or parts.netloc or path.startswith("/") or "\\" in unquote(path) or ".." in steps)
    return path if is_ours else ""


async def _enter(desk: Desk, request: Request) -> Visit:
    return Visit(request, desk, await door.enter(desk, request), request_id_of(request))


def _refusal(desk: Desk, at: Visit, page: Page) -> str:
    if desk.is_read_only and page.method != "GET":
        return "this dashboard is read-only: it was started so"
    remedy = "sign in with a key that has it" if desk.authorize is None else "ask who runs this application"
    return f"{at.caller.name} may not do this: it needs another role, or the right to all queues; {remedy}"


def _ask_for_key(request: Request, to: str, problem: Problem | None) -> Response:
    facts = {"title": "Sign in", "base": base_of(request), "to": to, "problem": problem and _document(problem)}
    return render.bare("sign_in.html", 200 if problem is None else KINDS[problem.kind].status, facts)


async def nowhere(desk: Desk, request: Request, error: HTTPException) -> Response:
    """What answers a path that is no page, or a method that its page does not have."""

    async def answer(_: Request) -> Response:
        raise error

    return await around(desk, answer, "(no such page)")(request)


async def _refused(desk: Desk, request: Request, error: Exception) -> Response:
    document, status = _known(error)
    if document is None:
        log.exception("request %s failed: %s", request_id_of(request), request.method)
        document, status = _document(Problem("internal", "an unexpected error; the log of the server has it")), 500
    is_open = PART in request.headers
    if status == 401 and desk.authorize is None and not is_open:
        if request.method == "GET":
            asked = path_of(request) + (f"?{request.url.query}" if request.url.query else "")
            return RedirectResponse(base_of(request) + "sign-in" + render.query(to=asked), 303)
        return RedirectResponse(base_of(request) + "sign-in", 303)
    if is_open:
        return Response(status_code=status)
    facts = {"title": document["title"], "problem": document, "base": base_of(request), "is_top": not path_of(request)}
    response = render.bare("refused.html", status, facts)
    if isinstance(error, HTTPException):  # such as where the application around us lets people log in
        response.headers.update(error.headers or {})
    return response


def _known(error: Exception) -> tuple[dict[str, Any] | None, int]:
    if isinstance(error, Refused):
        return error.problem, error.status
    if isinstance(error, HTTPException):
        title, detail = _TITLES.get(error.status_code, HTTPStatus(error.status_code).phrase), str(error.detail)
        return {
            "title": title,
            "detail": "" if detail == HTTPStatus(error.status_code).phrase else detail,
            "remedy": "",
        }, error.status_code
    problem = problems.of(error)
    return (None, 500) if problem is None else (_document(problem), KINDS[problem.kind].status)


def _document(problem: Problem) -> dict[str, Any]:
    kind = KINDS[problem.kind]
    return for_people({"type": problem.kind, "title": kind.title, "detail": problem.detail, "remedy": kind.remedy})
