"""Templates, and what they write: figures, times, states. Every value is escaped; there is no way around that here."""

import re
import shlex
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import sha256
from typing import Any
from urllib.parse import quote, urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup
from starlette.responses import HTMLResponse, Response

from .._json import Exact
from .._text import harmless
from ..api import exact
from ..errors import InvalidArgument
from ..insight import short
from ..insight.traceback import parts_of
from ..schedules.zones import read_zone
from .nouns import filter_text
from .nouns.remedy import command_of
from .static import version

# A time in a text.
_ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)")
# What is not a change: the words for a time, which the page itself keeps up to date; what a form is told apart by; and a picture
# that grows as time passes, of which the page says the rest in words.
_NO_CHANGE = re.compile(
    r'(<time [^>]*>)[^<]*|(<input type="hidden" name="once" value=")[^"]*|(<div[^>]* data-by-time>).*?</div>', re.DOTALL
)


def page(template: str, facts: dict[str, Any], shown: str | None, is_part: bool) -> Response:
    """A page, or only its main part for a page that is open.

    Args:
        template: the file.
        facts: what it shows.
        shown: the mark of what the open page shows already: if it is the same, there is no answer.
        is_part: whether a page that is open asks.
    """
    base = "part.html" if is_part else "whole.html"
    html = _environment().get_template(template).render({"base": base, **facts})  # a bare page has its own
    main = html[html.index("<main") : html.rindex("</main>")]  # what stands around it differs, such as what was said once
    mark = sha256(_NO_CHANGE.sub(r"\1\2\3", main).encode()).hexdigest()[:16]
    if is_part and shown == mark:
        return Response(status_code=204)
    return HTMLResponse(html.replace("<main", f'<main data-shown="{mark}"', 1))


def bare(template: str, status: int, facts: dict[str, Any]) -> Response:
    """A page without the frame, for somebody who is not let in or for whom nothing can be shown.

    Args:
        template: the file.
        status: of HTTP.
        facts: what it shows.
    """
    return HTMLResponse(_environment().get_template(template).render(**facts), status)


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
        count=_plain(short.count),
        rate=_plain(short.rate),
        span=_plain(short.span),
        ms=_plain(short.milliseconds),
        when=when,
        timed=timed,
        json=json_text,
        seen=seen,
        url=url,
        frames=parts_of,
        command=command_of,
        path=path,
        clock=clock,
        took=took,
    )  # fmt: skip
    made.globals.update(version=version(), query=query, shell=shell, with_term=filter_text.replaced)
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


def timed(text: str, most: int | None = None) -> Markup:
    """A text with its times as the pages say them.

    Args:
        text: from anywhere.
        most: as many characters of it are shown, unless it is a time.
    """
    shown, at, made = seen(text), 0, Markup()
    if most is not None and len(shown) > most and not _ISO.fullmatch(shown):
        shown = shown[: most - 1].rstrip() + "…"
    for found in _ISO.finditer(shown):
        made += Markup("{}{}").format(shown[at : found.start()], _time_of(found[0]))
        at = found.end()
    return made + shown[at:]


def _time_of(text: str) -> Markup | str:
    """A time; a text that only looks like one stays as it is."""
    try:
        return when(text)
    except (ValueError, OverflowError):
        return text


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
    return exact.shown(value, indented).decode()


def seen(text: Any) -> str:
    """Text from anywhere, without what is not seen but obeyed."""
    return "" if text is None else harmless(str(text))


def url(part: Any) -> str:
    """A name as a part of a path."""
    return quote(str(part), safe="")


def path(key: Any) -> str:
    """A key that may hold slashes as the end of a path."""
    return quote(str(key), safe="/:")


def clock(value: str | datetime | None, zone: str | None = None, is_short: bool = False) -> Markup:
    """A time as the clocks of a zone show it; without a zone as those of who looks do, which the script of the page knows."""
    if value is None:
        return Markup()
    time = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    if zone is not None:
        return Markup("{}").format(on_clock(in_zone(time, zone), is_short))
    utc = time.astimezone(UTC)
    written = utc.isoformat().replace("+00:00", "Z")
    return Markup('<time data-clock="{}" datetime="{}">{}</time>').format(
        "short" if is_short else "", written, on_clock(utc, is_short)
    )


def in_zone(time: datetime, zone: str) -> datetime:
    """A time in a zone; in UTC if there is no such zone here."""
    try:
        return time.astimezone(read_zone(zone))
    except InvalidArgument:
        return time.astimezone(UTC)


def on_clock(time: datetime, is_short: bool = False) -> str:
    """A time with its zone: Wed, 2 Dec 2026, 02:00 CET, or 2 Dec, 02:00 CET; the script of the page says it in the same words."""
    zone = time.tzname() or ""
    name = f"UTC{zone}" if zone[:1] in "+-" else zone
    day = f"{time.day} {time:%b}" if is_short else f"{time:%a}, {time.day} {time:%b} {time.year}"
    return f"{day}, {time:%H:%M}{f':{time:%S}' if time.second else ''} {name}"


def shell(text: str) -> str:
    """A text as one word of a command line."""
    return shlex.quote(harmless(text))


def query(**given: Any) -> str:
    """A query of these parameters; None and an empty text are left out."""
    text = urlencode({name: value for name, value in given.items() if value not in (None, "")}, doseq=True)
    return f"?{text}" if text else ""
