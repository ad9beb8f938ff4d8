"""Forms of pages, sent as a browser sends them."""

import html
import re
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from pgqueue import PgQueue
from pgqueue.dashboard import Viewer, create_app
from tests.api.serving import served

_TOKEN = re.compile(r'name="csrf" value="([0-9a-f]+)"')


def send(http: httpx.Client, page: str, action: str, **fields: str) -> httpx.Response:
    """Load a page, and send a form of it; the answer is not followed."""
    loaded = http.get(page)
    assert loaded.status_code == 200, loaded.text
    token = _TOKEN.search(loaded.text)
    assert token is not None, "the page has no form"
    return http.post(action, data={"csrf": token[1], "back": page, **fields})


def hidden_of(page: str) -> dict[str, str]:
    """What is hidden in the forms of a page."""
    return {
        name: html.unescape(value) for name, value in re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page)
    }


def said(http: httpx.Client, answer: httpx.Response) -> str:
    """What the page after an act says was done, or was refused."""
    assert answer.status_code == 303, answer.text
    page = http.get(answer.headers["location"].replace("../", ""))
    notice = re.search(r'<(?:p|div) class="notice[^>]*>(.*?)</(?:p|div)>', page.text, re.S)
    assert notice is not None, page.text
    return html.unescape(re.sub(r"<[^>]+>", "", notice[1]))


@contextmanager
def seen_by(app: PgQueue, viewer: Viewer) -> Iterator[httpx.Client]:
    """A client of the dashboard of an app that takes everybody for this viewer."""
    with served(create_app(app, lambda _: viewer)) as url, httpx.Client(base_url=f"{url}/", timeout=20) as client:
        yield client
