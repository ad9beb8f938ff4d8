"""Limits and their keys: how much of each is used, and what waits for it."""

from typing import Any

from starlette.responses import Response

from ..form import Form
from ..guard import back_of
from ..nouns.limits import a_minute, readable
from ..page import Pages, Visit
from ..render import path

pages = Pages()
COUNTED, COUNTED_ALONE = 1000, 10_000  # waiting jobs of a key: in lists, and on its own page
OF_NAME = 10  # keys of a name that its page shows
_UNITS = {"s": 1, "min": 60, "h": 3600, "d": 86400}


@pages.page("/limits", of="GET /limits")
async def limits(at: Visit) -> Response:
    """All limits and the keys in use."""
    filter = {"prefix": at.query.get("prefix") or None}
    found = at.panel("/limits", **filter, count_to=COUNTED, cursor=at.query.get("cursor"), limit=50)
    parks = at.panel("/audit", verb="park", kind="limit", limit=100)
    facts: dict[str, Any] = {"filter": filter, "counted": COUNTED, "readable": readable, "last_parks": last_parks}
    return await at.show("limits.html", "Limits", found=found, parks=parks, **facts)


@pages.page("/limits/{key:path}", of="GET /limits/{key:path}")
async def limit(at: Visit, key: str) -> Response:
    """One key: its limit, what it has now, what started, and what people did to it."""
    one = readable(await at.ask(f"/limits/{key}", count_to=COUNTED_ALONE), COUNTED_ALONE)
    panels: dict[str, Any] = {
        "starts": at.panel("/limit-starts", key=key, minutes=30),
        "done": at.panel("/audit", kind="limit", subject=key, limit=5),
        "keys": at.panel("/limits", prefix=f"{key}:", count_to=COUNTED, limit=OF_NAME) if ":" not in key else None,
    }
    facts: dict[str, Any] = {
        "per_minute": a_minute(one), "minutes_of": minutes_of, "readable": readable, "counted": COUNTED, "last_parks": last_parks,
    }  # fmt: skip
    return await at.show("limit.html", key, one=one, **panels, **facts)


@pages.act("/limits/{key:path}/reset", of="POST /limits/{key:path}/reset")
async def reset(at: Visit, form: Form, key: str) -> Response:
    """Fill its buckets."""
    filled = (await at.tell("POST", f"/limits/{key}/reset"))["buckets"]
    said = f"{filled:,} buckets of {key} are full." if filled != 1 else f"The bucket of {key} is full."
    return at.go(back_of(at, form), said=said if filled else f"{key} was full already.")


@pages.act("/limits/{key:path}/park", of="POST /limits/{key:path}/park")
async def park(at: Visit, form: Form, key: str) -> Response:
    """Let none of its jobs start for a time."""
    number, unit = form.text("for") or "", form.get("unit", "")
    seconds: Any = float(number) * _UNITS.get(unit, 1) if number.replace(".", "", 1).isdecimal() and number.isascii() else number
    body = {"for_seconds": seconds} | ({"reason": reason} if (reason := form.text("reason")) else {})
    parked = await at.tell("POST", f"/limits/{key}/park", body)
    return at.go(back_of(at, form), said=f"{key} is parked until {str(parked['parked_until'])[:19].replace('T', ' ')} UTC.")


@pages.act("/limits/{key:path}/unpark", of="POST /limits/{key:path}/unpark")
async def unpark(at: Visit, form: Form, key: str) -> Response:
    """Open it again."""
    was_parked = (await at.tell("POST", f"/limits/{key}/unpark"))["changed"]
    return at.go(back_of(at, form), said=f"{key} is open." if was_parked else f"{key} was not parked itself.")


@pages.act("/limits/{key:path}/delete", of="DELETE /limits/{key:path}")
async def delete(at: Visit, form: Form, key: str) -> Response:
    """Remove a limit."""
    await at.tell("DELETE", f"/limits/{key}")
    return at.go("limits", said=f"The limit {key} is deleted.")


def last_parks(entries: Any) -> dict[str, Any]:
    """Who has parked a key last, by key; nothing without an answer."""
    found: dict[str, Any] = {}
    for entry in (entries or {}).get("items", ()):
        if entry["verb"] == "park":
            found.setdefault(entry["subject"], entry)
    return found


def minutes_of(minutes: list[dict[str, Any]], per_minute: float | None) -> list[dict[str, Any]]:
    """The minutes of a chart, with the limit beside what has started."""
    return [{**minute, "limit": per_minute} for minute in minutes]


def page_of(key: str) -> str:
    """The path of the page of a key."""
    return "limits/" + path(key)
