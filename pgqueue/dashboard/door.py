"""Who may look, and whether a change was sent by a page of ours."""

import hmac
import secrets
from collections.abc import Mapping
from hashlib import sha256
from inspect import isawaitable

from starlette.requests import Request
from starlette.responses import Response

from ..api import door
from ..api.callers.caller import READERS, Caller
from ..api.problems import Problem
from .desk import Desk

KEY = "pgqueue_key"  # the cookie with the API key of who has signed in
SEED = "pgqueue_seed"  # the cookie that a form's token is made of where nobody signs in here
NOT_A_READER = "this key may not look at the dashboard: it needs the role viewer, operator or admin"
_FIELD = "csrf"


async def enter(desk: Desk, request: Request) -> Caller:
    """Who looks.

    Raises:
        Problem: it is not known, it may not look, or it asks too often.
    """
    address = door.address_of(request)
    if desk.authorize is not None:
        said = desk.authorize(request)
        viewer = await said if isawaitable(said) else said
        if viewer is None:
            raise Problem("forbidden", "this application does not let you look at its queue; ask who runs it")
        caller = viewer.as_caller(address)
    else:
        caller = await by_key(desk, request, request.cookies.get(KEY))
    desk.service.rates.count("write" if request.method == "POST" else "read", caller.key_id or address)
    return caller


async def by_key(desk: Desk, request: Request, key: str | None) -> Caller:
    """Whose key this is; without one, somebody on this machine as long as there are no keys.

    Raises:
        Problem: it is not valid, or may not look.
    """
    heads = door.heads_of(request)
    if key is not None:
        heads = {**heads, b"authorization": b"Bearer " + key.encode("latin-1", "replace")}
    caller = await door.caller_of(desk.service, heads, door.address_of(request))
    if caller.role not in READERS:
        raise Problem("forbidden", NOT_A_READER)
    return caller


def check_site(request: Request) -> None:
    """Raise Problem if a page of another origin made the browser send this.

    A browser says it in Sec-Fetch-Site, wherever it trusts the connection (TLS, or this machine), also behind a proxy that does
    not pass the name of the host on. Without that header Origin must name our host.
    """
    heads = door.heads_of(request)
    said = heads.get(b"sec-fetch-site")
    if said is None:
        door.check_site(heads)
    elif said not in (b"same-origin", b"none"):
        raise Problem("forbidden", "a page of another site may not change anything here")


def check_form(request: Request, form: Mapping[str, str]) -> None:
    """Raise Problem unless a page of ours sent this form: no other site's, and with the token of this session."""
    check_site(request)
    expected = token_of(request)
    if expected is None or not hmac.compare_digest(form.get(_FIELD, "").encode(), expected.encode()):
        raise Problem("forbidden", "the form is not of this session; load its page again, and send it once more")


def token_of(request: Request) -> str | None:
    """The token that forms of this session carry; None before there is a session."""
    seed = request.cookies.get(KEY) or request.cookies.get(SEED)
    return None if seed is None else hmac.new(sha256(seed.encode()).digest(), b"pgqueue form", "sha256").hexdigest()


def seeded(request: Request) -> str | None:
    """The seed for a request that has none yet, put where `token_of` finds it; None if it has one."""
    if token_of(request) is not None:
        return None
    seed = secrets.token_urlsafe(24)
    request.cookies[SEED] = seed
    return seed


def keep_seed(response: Response, request: Request, seed: str) -> None:
    """Send the seed of this session."""
    # For the whole host: a proxy may take away a prefix that we do not know, and the seed opens nothing.
    response.set_cookie(SEED, seed, path="/", httponly=True, samesite="strict", secure=is_secure(request))


def keep_key(response: Response, request: Request, key: str) -> None:
    """Let the browser send this key from now on, as long as it is open, and only to the path of the dashboard."""
    # Without a path: that of the page that sets it, which lies at the top of the dashboard, whatever prefix a proxy gives it.
    response.set_cookie(KEY, key, path=None, httponly=True, samesite="strict", secure=is_secure(request))


def drop_key(response: Response, request: Request) -> None:
    """Let the browser forget the key."""
    response.set_cookie(KEY, "", max_age=0, path=None, httponly=True, samesite="strict", secure=is_secure(request))


def is_secure(request: Request) -> bool:
    """Whether the browser uses TLS, as far as we are told."""
    return request.url.scheme == "https" or request.headers.get("x-forwarded-proto", "").lower() == "https"
