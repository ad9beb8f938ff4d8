"""Where the dashboard may stand: behind nginx below a prefix, and in an application with its own sessions and CSRF."""

import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager

import httpx
import pytest
from fastapi import FastAPI, HTTPException
from playwright.sync_api import Browser, Page, expect
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from pgqueue import PgQueue
from pgqueue.api import create_app as create_api
from pgqueue.dashboard import Authorize, Viewer, create_app
from pgqueue.errors import ConfigurationError
from tests.api.keyed import key_of
from tests.api.serving import served
from tests.looking import Look

from . import chromium
from .acting import PAUSE, token_from, token_of, with_acts
from .proxy import nginx

OURS = {"Sec-Fetch-Site": "same-origin"}
SESSIONS = {"s-ann": "ann", "s-bob": "bob"}


@pytest.fixture(autouse=True)
def _acts(monkeypatch: pytest.MonkeyPatch) -> None:
    with_acts(monkeypatch)


def login(request: Request) -> Viewer | None:
    """Who the sessions of the application say it is."""
    name = SESSIONS.get(request.cookies.get("session", ""))
    if name is None:
        raise HTTPException(307, headers={"Location": "/login"})
    return Viewer(name, "operator" if name == "ann" else "viewer") if name != "eve" else None


async def login_async(request: Request) -> Viewer | None:
    """The same, as a coroutine."""
    return login(request)


def shop(app: PgQueue, authorize: Authorize) -> FastAPI:
    """An application with sessions, and with CSRF for its own paths."""
    pages = create_app(app, authorize)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with pages.router.lifespan_context(pages):
            yield

    made = FastAPI(lifespan=lifespan)

    @made.middleware("http")
    async def csrf(request: Request, call: Callable[[Request], Awaitable[Response]]) -> Response:
        is_ours = request.url.path.startswith("/staff/queue/")
        if request.method == "POST" and not is_ours and request.headers.get("x-csrf") != request.cookies.get("csrf"):
            return PlainTextResponse("no CSRF token of the shop", 403)
        response = await call(request)
        response.set_cookie("csrf", secrets.token_hex(8))
        return response

    @made.get("/login")
    async def log_in() -> Response:
        return PlainTextResponse("log in at the shop")

    made.mount("/staff/queue", pages)
    return made


@pytest.fixture(params=[login, login_async], ids=["sync", "async"])
def staff(request: pytest.FixtureRequest, app: PgQueue) -> Iterator[httpx.Client]:
    """Somebody in the shop."""
    with (
        served(shop(app, request.param), lifespan="on") as url,
        httpx.Client(base_url=f"{url}/staff/queue/", timeout=20) as client,
    ):
        yield client


def test_in_an_application_its_login_decides_who_looks_and_acts(staff: httpx.Client, look: Look) -> None:
    asked = staff.get("audit")
    assert (asked.status_code, asked.headers["location"]) == (307, "/login")
    staff.cookies.set("session", "s-bob")
    assert staff.get("audit").status_code == 200
    assert staff.post(PAUSE, data={"csrf": token_of(staff)}, headers=OURS).status_code == 403
    staff.cookies.set("session", "s-ann")
    csrf = token_of(staff)
    for heads in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}):
        assert staff.post(PAUSE, data={"csrf": csrf}, headers=heads).status_code == 403
    assert staff.post(PAUSE, data={"csrf": "x"}, headers=OURS).status_code == 403
    assert look.value("select count(*) from pauses") == 0
    done = staff.post(PAUSE, data={"csrf": csrf, "back": "audit"}, headers=OURS)
    assert (done.status_code, done.headers["location"]) == (303, "../../audit")
    assert look.rows("select by, verb from audit") == [{"by": "ann", "verb": "pause"}]


def test_in_an_application_nobody_is_asked_for_a_key_and_every_link_stays_below_the_prefix(staff: httpx.Client) -> None:
    staff.cookies.set("session", "s-ann")
    html = staff.get("audit").text
    assert 'href="/' not in html
    assert 'src="/' not in html
    assert "Sign out" not in html
    assert staff.get("sign-in").headers["location"] == "./"
    assert staff.get("audit/").status_code == 404
    assert 'href="../static/' in staff.get("nothing/x").text
    with staff.stream("GET", "live") as stream:
        assert next(stream.iter_bytes()).startswith(b"retry:")


def test_whom_the_application_refuses_sees_why(app: PgQueue) -> None:
    def nobody(_: Request) -> None:
        return None

    with served(create_app(app, nobody)) as url:
        refused = httpx.get(f"{url}/audit")
    assert refused.status_code == 403
    assert "does not let you look" in refused.text


def test_a_viewer_without_a_name_or_with_a_role_of_programs_is_a_mistake_of_the_application() -> None:
    for name, role in (("", "viewer"), ("ann", "producer"), ("ann", "root")):
        with pytest.raises(ConfigurationError):
            Viewer(name, role)  # type: ignore[arg-type]


def test_the_lifespan_of_the_application_ends_the_streams_of_the_dashboard(app: PgQueue) -> None:
    def anybody(_: Request) -> Viewer:
        return Viewer("ann")

    with served(shop(app, anybody), lifespan="on") as url:
        for _ in range(3):
            with httpx.stream("GET", f"{url}/staff/queue/live") as stream:
                assert stream.status_code == 200
        assert httpx.get(f"{url}/staff/queue/audit").status_code == 200
    began = time.monotonic()
    app.close()
    assert time.monotonic() - began < 5


def test_beside_the_api_in_one_application_both_work(app: PgQueue) -> None:
    both = FastAPI()
    both.mount("/api-of-queue", create_api(app))
    both.mount("/queue", create_app(app))
    with served(both) as url:
        assert httpx.get(f"{url}/queue/audit").status_code == 200
        assert httpx.get(f"{url}/api-of-queue/api/v1/stats").status_code == 200


def test_buttons_links_and_live_figures_work_in_an_application(app: PgQueue, browser: Browser, look: Look) -> None:
    with served(shop(app, login), lifespan="on") as url, chromium.context(browser, f"{url}/staff/queue") as profile:
        profile.add_cookies([{"name": "session", "value": "s-ann", "url": url}])
        tab, complaints = profile.new_page(), chromium.Complaints()
        complaints.hear(tab)
        _act_and_see(app, tab, look)
        tab.close()
        assert complaints == []


def test_behind_nginx_as_it_comes_all_works_below_a_prefix(app: PgQueue, url: str, browser: Browser, look: Look) -> None:
    key = key_of(app, "operator")
    with nginx(url) as outside, chromium.context(browser, outside) as profile:
        assert httpx.get(f"{outside}/audit").headers["location"].endswith("sign-in?to=audit")
        tab, complaints = profile.new_page(), chromium.Complaints()
        complaints.hear(tab)
        tab.goto("audit?verb=pause")
        tab.get_by_label("API key").fill(key)
        tab.get_by_role("button", name="Sign in").click()
        expect(tab).to_have_url(f"{outside}/audit?verb=pause")
        (cookie,) = [one for one in profile.cookies() if one["name"] == "pgqueue_key"]
        assert (cookie["path"], cookie["httpOnly"], cookie["sameSite"]) == ("/ops/queue", True, "Strict")
        _act_and_see(app, tab, look)
        tab.get_by_role("button", name="Sign out").click()
        expect(tab).to_have_url(f"{outside}/sign-in")
        assert not [one for one in profile.cookies() if one["name"] == "pgqueue_key"]
        tab.close()
        assert complaints == []


def _act_and_see(app: PgQueue, tab: Page, look: Look) -> None:
    """Follow a link, send a form, see what it did, and then what somebody else does: soon, or the stream is held back."""
    tab.goto("audit")
    expect(tab.locator("[data-live-state]")).to_have_text("live")
    expect(tab.get_by_role("link", name="Audit")).to_have_attribute("aria-current", "page")
    tab.get_by_role("link", name="Audit").click()
    expect(tab.get_by_role("heading", name="Audit")).to_be_visible()
    form = _token_in(tab)
    tab.evaluate(
        """([path, csrf]) => {
          const form = document.createElement('form'); form.method = 'post'; form.action = path;
          for (const [name, value] of [['csrf', csrf], ['back', 'audit']]) {
            const field = document.createElement('input'); field.name = name; field.value = value; form.append(field);
          }
          document.querySelector('main').append(form); form.submit();
        }""",
        [PAUSE, form],
    )
    expect(tab.locator(".notice")).to_have_text("The queue mail is paused.")
    rows = tab.locator("main tr[id^=entry-]")
    before = look.value("select count(*) from audit")
    expect(rows).to_have_count(before)
    expect(tab.locator("[data-live-state]")).to_have_text("live")
    app.resume("mail")
    expect(rows).to_have_count(before + 1)  # without the stream the page would ask after 30 s


def _token_in(tab: Page) -> str:
    """The token of the session of a tab."""
    cookies = {str(one.get("name")): str(one.get("value")) for one in tab.context.cookies(tab.url)}
    return token_from(cookies.get)
