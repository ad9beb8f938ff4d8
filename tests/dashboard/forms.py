"""Forms of pages, sent as a browser without scripts sends them, and what pages say and show."""

import html
import re
from typing import Any

import httpx

from tests.waiting import until


def send(http: httpx.Client, page: str | httpx.Response, act: str, **fields: Any) -> httpx.Response:
    """The page after a form of a page was sent, whatever came of it.

    Args:
        http: below the dashboard.
        page: the path of the page that has the form, or that page as it was loaded before.
        act: the path to which it goes, below the dashboard and encoded.
        fields: what is typed; what is hidden in the form goes with it.

    Raises:
        AssertionError: the page has no such form.
    """
    shown = page if isinstance(page, httpx.Response) else http.get(page)
    assert shown.status_code == 200, shown.text
    for form in re.findall(r'<form [^>]*method="post".*?</form>', shown.text, re.S):
        action = html.unescape(re.search(r'action="([^"]*)"', form)[1])  # type: ignore[index]
        if re.sub(r"^(\.\./|\./)*", "", action) == act:
            return http.post(str(shown.url.join(action)), data={**hidden_in(form), **fields}, follow_redirects=True)
    raise AssertionError(f"{shown.url.path} has no form that goes to {act}")


def token_in(page: str) -> str:
    """The token of the forms of a page."""
    found = re.search(r'name="csrf" value="([0-9a-f]{64})"', page)
    assert found, "the page has no form of a change"
    return found[1]


def said(answer: httpx.Response) -> str:
    """What the page to which a form has led says of it."""
    assert answer.history, answer.text
    found = re.search(r'<(p|div) class="notice[^>]*>(.*?)</\1>', answer.text, re.S)
    assert found, answer.text
    return _plain(found[2])


def text_of(page: httpx.Response | str) -> str:
    """What a page, or its HTML, shows without tags."""
    shown = page if isinstance(page, str) else page.text
    return _plain(shown[shown.index('<div class="content"') :])


def shows(http: httpx.Client, path: str, text: str) -> str:
    """Wait until a page shows a text, for its answers are shared for a second; the HTML of the page."""
    return until(lambda: found.text if text in text_of(found := http.get(path)) else "", f"{text!r} on {path}")


def hidden_in(form: str) -> dict[str, list[str]]:
    """What is hidden in a form, or in all of a page."""
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', form):
        found.setdefault(html.unescape(name), []).append(html.unescape(value))
    return found


def _plain(text: str) -> str:
    return html.unescape(" ".join(re.sub(r"<[^>]*>", " ", text).split()))
