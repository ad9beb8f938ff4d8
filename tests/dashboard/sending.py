"""Forms, sent as a browser without scripts sends them."""

import re
from html import unescape

import httpx


def send(http: httpx.Client, page: str, action: str, **fields: str) -> httpx.Response:
    """Send the form of a page that has this action, with its hidden fields and these; the redirect is not followed.

    Raises:
        AssertionError: the page has no such form.
    """
    html = http.get(page).text
    found = [form for form in re.findall(r"<form\b.*?</form>", html, re.DOTALL) if _action(form).endswith(action)]
    assert found, f"{page} has no form for {action}"
    hidden = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', found[0])
    return http.post(action, data={name: unescape(value) for name, value in hidden} | fields)


def said(http: httpx.Client, answer: httpx.Response) -> str:
    """What the page says to which a form has led."""
    assert answer.status_code == 303, answer.text
    html = http.get(str(answer.next_request.url) if answer.next_request else "").text
    found = re.search(r'class="notice[^>]*>(.*?)</(?:p|div)>', html, re.DOTALL)
    assert found, html
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", found[1])).split())


def _action(form: str) -> str:
    found = re.search(r'action="([^"]*)"', form)
    return found[1] if found else ""
