"""An act that all tests of the frame can use, whatever pages there are, and the forms that a browser would send."""

import hmac
import re
from collections.abc import Callable
from hashlib import sha256

import httpx
import pytest
from starlette.responses import Response

from pgqueue.dashboard import build
from pgqueue.dashboard.door import KEY, SEED
from pgqueue.dashboard.guard import back_of
from pgqueue.dashboard.page import Form, Pages, Visit
from pgqueue.dashboard.pages import ALL

pages = Pages()
PAUSE = "try/pause/mail"


@pages.act("/try/pause/{queue}", of="POST /queues/{name}/pause")
async def pause(at: Visit, form: Form, queue: str) -> Response:
    """Pause a queue."""
    until = form.text("until")
    await at.tell("POST", f"/queues/{queue}/pause", {"reason": form.text("reason"), **({"until": until} if until else {})})
    return at.go(back_of(at, form), said=f"The queue {queue} is paused.")


def with_acts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the dashboards that are made from now on have the act."""
    monkeypatch.setattr(build, "ALL", [*ALL, *pages.all])


def token_in(html: str) -> str:
    """The token of the forms of a page."""
    found = re.search(r'name="csrf" value="([0-9a-f]{64})"', html)
    assert found, "the page has no form of a change"
    return found[1]


def sign_in(client: httpx.Client, key: str, to: str = "") -> httpx.Response:
    """Sign in with a key."""
    return client.post("sign-in", params={"to": to} if to else {}, data={"key": key})


def token_of(client: httpx.Client) -> str:
    """The token of this client's session, which its first page begins."""
    client.get("audit")
    return token_from(client.cookies.get)


def token_from(cookie: Callable[[str], str | None]) -> str:
    """The token of the session with these cookies."""
    seed = cookie(KEY) or cookie(SEED)
    assert seed
    return hmac.new(sha256(seed.encode()).digest(), b"pgqueue form", "sha256").hexdigest()
