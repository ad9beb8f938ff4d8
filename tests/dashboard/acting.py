"""An act that all tests of the frame can use, whatever pages there are, and those who do it: their sessions and tokens."""

import hmac
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256

import httpx
import pytest
from starlette.responses import Response

from pgqueue import PgQueue
from pgqueue.dashboard import Viewer, build
from pgqueue.dashboard.door import KEY, SEED
from pgqueue.dashboard.guard import back_of
from pgqueue.dashboard.page import Form, Pages, Visit
from pgqueue.dashboard.pages import ALL
from tests.api.serving import served

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


@contextmanager
def seen_by(app: PgQueue, viewer: Viewer) -> Iterator[httpx.Client]:
    """A client of the dashboard of an app that takes everybody for this viewer."""
    with served(build.create_app(app, lambda _: viewer)) as url, httpx.Client(base_url=f"{url}/", timeout=20) as client:
        yield client


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
