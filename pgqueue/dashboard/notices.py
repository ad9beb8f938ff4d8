"""What a page says once about what was done just before: in a cookie from the answer to a form to the page after it."""

import base64
import json
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

NAME = "pgqueue_notice"
MOST = 2000  # bytes of a notice: a cookie has room for 4,096
SECONDS = 60


def keep(response: Response, said: str | None, problem: Mapping[str, Any] | None) -> None:
    """Say this on the next page."""
    facts = {"said": said} if problem is None else {name: problem.get(name) for name in ("title", "detail", "remedy")}
    cut = {name: str(text)[:500] for name, text in facts.items() if text}
    text = base64.urlsafe_b64encode(json.dumps(cut).encode()[:MOST]).decode()
    response.set_cookie(NAME, text, max_age=SECONDS, path="/", httponly=True, samesite="strict")


def read(request: Request) -> dict[str, str] | None:
    """What is to be said; None = nothing."""
    text = request.cookies.get(NAME)
    if not text:
        return None
    try:
        found = json.loads(base64.urlsafe_b64decode(text))
    except ValueError:
        return None
    return {name: str(one) for name, one in found.items()} if isinstance(found, dict) else None


def drop(response: Response) -> None:
    """It was said."""
    response.delete_cookie(NAME, path="/", httponly=True, samesite="strict")
