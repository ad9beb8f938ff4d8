"""What a page says once about what was done just before: in a cookie from the answer to a form to the page after it."""

import base64
import json
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

NAME = "pgqueue_notice"
FACTS = ("title", "detail", "remedy")  # of a problem
MOST = 900  # bytes of each of at most three texts: a cookie has room for 4,096, and each three bytes become four
SECONDS = 60


def keep(response: Response, said: str | None, problem: Mapping[str, Any] | None) -> None:
    """Say this on the next page."""
    facts = {"said": said} if problem is None else {name: problem.get(name) for name in FACTS}
    cut = {name: _cut(str(text)) for name, text in facts.items() if text}
    text = base64.urlsafe_b64encode(json.dumps(cut, ensure_ascii=False).encode()).decode()
    response.set_cookie(NAME, text, max_age=SECONDS, path="/", httponly=True, samesite="strict")


def _cut(text: str) -> str:
    """A text of bounded size, as UTF-8 and as JSON, whatever is in it."""
    plain = "".join(one if one.isprintable() else " " for one in text)
    return plain.encode()[:MOST].decode(errors="ignore").replace("\\", "/").replace('"', "'")


def read(request: Request) -> dict[str, str] | None:
    """What is to be said; None = nothing."""
    text = request.cookies.get(NAME)
    if not text:
        return None
    try:
        found = json.loads(base64.urlsafe_b64decode(text))
    except (ValueError, RecursionError):
        return None
    return {name: str(found.get(name) or "") for name in ("said", *FACTS)} if isinstance(found, dict) else None


def drop(response: Response) -> None:
    """It was said."""
    response.delete_cookie(NAME, path="/", httponly=True, samesite="strict")
