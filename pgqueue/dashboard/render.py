"""Templates, and what they write: figures, times, states. Every value is escaped; there is no way around that here."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import sha256
from typing import Any
from urllib.parse import quote, urlencode

import orjson
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup
from starlette.responses import HTMLResponse, Response

from .._json import Exact
from .._text import harmless
from ..api import exact
from ..insight import short
from .static import version

# What is not a change: the words for a time, which the page itself keeps up to date.
_WORDS_OF_TIMES = re.compile(r"(<time [^>]*>)[^<]*")


def page(template: str, facts: dict[str, Any], shown: str | None, is_part: bool) -> Response:
    """A page, or only its main part for a page that is open.

    Args:
        template: the file.
        facts: what it shows.
        shown: the mark of what the open page shows already: if it is the same, there is no answer.
        is_part: whether a page that is open asks.
    """
    base = "part.html" if is_part else "whole.html"
    html = _environment().get_template(template).render({"base": base, **facts})
    begin = html.index("<main")  # what stands around it differs, such as what was said once
    mark = sha256(_WORDS_OF_TIMES.sub(r"\1", html[begin:]).encode()).hexdigest()[:16]
    if is_part and shown == mark:
        return Response(status_code=204)
    return HTMLResponse(html.replace("<main", f'<main data-shown="{mark}"', 1))


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("pgqueue.dashboard"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(
        count=_plain(short.count), rate=_plain(short.rate), span=_plain(short.span), ms=_plain(short.milliseconds),
        when=when, took=took, json=json_text, seen=seen, url=url,
    )  # fmt: skip
    made.globals.update(version=version(), query=query)
    return made


def _plain(words: Callable[[Any], str]) -> Callable[[Any], str]:
    """A filter of numbers that takes those as well that `exact.read` has kept as text, such as 0.00006."""
    return lambda value: words(float(value.text) if isinstance(value, Exact) else value)


def when(value: str | datetime | None, fallback: str = "") -> Markup:
    """A time: how long ago or in how long, with the time itself for who points at it."""
    if value is None:
        return Markup("{}").format(fallback)
    time = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    utc = time.astimezone(UTC)
    return Markup('<time datetime="{}" title="{} UTC">{}</time>').format(
        utc.isoformat().replace("+00:00", "Z"), f"{utc:%Y-%m-%d %H:%M:%S}", from_now(utc - datetime.now(UTC))
    )


def took(begin: str, end: str) -> str:
    """How long it was from one time to another; nothing if a clock was set back meanwhile."""
    seconds = (datetime.fromisoformat(end) - datetime.fromisoformat(begin)).total_seconds()
    return short.span(seconds) if seconds >= 0 else ""


def from_now(left: timedelta) -> str:
    """How long ago, or in how long; the script of the page says it in the same words."""
    seconds = left.total_seconds()
    words = short.age(abs(seconds))
    return "now" if abs(seconds) < 1 else f"in {words}" if seconds > 0 else f"{words} ago"


def json_text(value: Any, indented: bool = True) -> str:
    """JSON for people: numbers as they are stored, and nothing that a browser would obey."""
    text = exact.shown(value).decode()
    if not indented:
        return text
    return harmless(orjson.dumps(orjson.Fragment(text), option=orjson.OPT_INDENT_2).decode())


def seen(text: Any) -> str:
    """Text from anywhere, without what is not seen but obeyed."""
    return "" if text is None else harmless(str(text))


def url(part: Any) -> str:
    """A name as a part of a path."""
    return quote(str(part), safe="")


def query(**given: Any) -> str:
    """A query of these parameters; None and an empty text are left out."""
    text = urlencode({name: value for name, value in given.items() if value not in (None, "")}, doseq=True)
    return f"?{text}" if text else ""
