"""Forms of pages, sent as a browser without scripts sends them."""

import html
import re
from typing import Any

import httpx


def send(http: httpx.Client, page: str, act: str, **fields: Any) -> httpx.Response:
    """The page after a form of a page was sent, whatever came of it.

    Args:
        http: below the dashboard.
        page: the path of the page that has the form.
        act: the path to which it goes, below the dashboard and encoded.
        fields: what is typed; what is hidden in the form goes with it.
    """
    shown = http.get(page)
    assert shown.status_code == 200, shown.text
    for form in re.findall(r'<form [^>]*method="post".*?</form>', shown.text, re.S):
        action = html.unescape(re.search(r'action="([^"]*)"', form)[1])  # type: ignore[index]
        if re.sub(r"^(\.\./|\./)*", "", action) == act:
            hidden = dict(re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', form))
            given = {name: html.unescape(value) for name, value in hidden.items()} | fields
            return http.post(str(shown.url.join(action)), data=given, follow_redirects=True)
    raise AssertionError(f"{page} has no form that goes to {act}")


def text_of(answer: httpx.Response) -> str:
    """What a page shows, without its tags."""
    main = answer.text[answer.text.index('<div class="content"') :]
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", main)))
