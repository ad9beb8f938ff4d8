"""The list of jobs."""

from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from ...insight import short
from ..nouns import filter_text
from ..page import Pages, Visit
from ..panel import Panel
from ..render import query

pages = Pages()
ROWS = 50  # of a page
LOOK = 20_000  # jobs at which a page looks, whatever it finds
_SIZES = {"rows_of_page": ROWS, "look": LOOK}
SHOWN = "x-rows"  # the header in which an open page names the jobs that it shows …
FAR = "far"  # … or says that each look at them takes long
ORDERS = (
    ("id", "newest first"),
    ("claim", "as workers take them"),
    ("run_at", "next to run first"),
    ("finished_at", "last ended first"),
)
WIDER = (("since:30d", "30 days"), ("since:365d", "a year"), ("since:ever", "all"))


@dataclass(frozen=True, slots=True)
class Listing:
    """What the table shows.

    Attributes:
        panel: the page of jobs as the API has answered it now.
        rows: jobs in the order in which they are shown; of one that is gone only the id.
        new: how many jobs match now that are not shown.
    """

    panel: Panel
    rows: list[dict[str, Any]]
    new: int

    @property
    def is_far(self) -> bool:
        """Whether the page has ended because so many jobs were looked through."""
        return self.panel.value is not None and self.panel.value["next"] is not None and len(self.rows) < ROWS


@pages.page("/jobs", of="GET /jobs")
async def jobs(at: Visit) -> Response:
    """Jobs of a filter that is written as text; a number alone is a job, and leads to its page.

    A list for which the API has looked through as many jobs as it may is not kept up to date: an open page would ask for that
    each second.
    """
    if at.is_part and at.request.headers.get(SHOWN) == FAR:
        return Response(status_code=204)
    q = at.query.get("q", "").strip()
    if q.isascii() and q.isdecimal():
        return at.go(f"jobs/{q}")
    order, cursor = at.query.get("order") or None, at.query.get("cursor") or None
    if (bounded := filter_text.bounded(q)) != q:
        return at.go("jobs" + query(q=bounded, order=order))
    is_counted = at.can("GET /stats") and filter_text.names(q) <= {"state"}
    live = at.panel("/stats", tasks="false") if is_counted else None
    dead = at.panel("/jobs", state="failed", count="bounded", limit=1) if is_counted else None
    listing = await _listing(at, q, order, cursor)
    facts: dict[str, Any] = {"q": q, "order": order, "orders": _orders(q), "states": filter_text.states(q), "listing": listing}
    figures = {} if live is None or dead is None else _counted((await live).value, (await dead).value)
    return await at.show("jobs.html", "Jobs", **facts, counts=figures, chips=_chips(q), wider=_wider(q), **_SIZES)


async def _listing(at: Visit, q: str, order: str | None, cursor: str | None) -> Listing:
    view = "errors" if at.caller.may_read_arguments else "basic"
    asking = at.panel("/jobs", q=q or None, order=order, cursor=cursor, limit=ROWS, look=LOOK, view=view)
    shown = filter_text.ids_of(at.request.headers.get(SHOWN, "").split(","))[:ROWS] if at.is_part else []
    if not shown:
        now = await asking
        return Listing(now, now.value["items"] if now.value else [], 0)
    again = await at.panel("/jobs", ids=shown, limit=ROWS, view=view)
    now = await asking
    if again.value is None:
        return Listing(again, [], 0)
    found = {job["id"]: job for job in again.value["items"]}
    others = [job for job in now.value["items"] if job["id"] not in shown] if now.value and cursor is None else []
    return Listing(
        Panel(now.value or {"next": None, "looked_to": None}), [found.get(id, {"id": id}) for id in shown], len(others)
    )


def _orders(q: str) -> list[tuple[str, str]]:
    """The orders that jobs of these states have; others are refused by the API."""
    states = filter_text.states(q)
    fits = {"id": True, "claim": states == {"ready"}, "run_at": states == {"scheduled"}}
    fits["finished_at"] = bool(states) and states <= filter_text.OVER
    return [(name, says) for name, says in ORDERS if fits[name]]


def _chips(q: str) -> list[tuple[str, str, bool]]:
    """A link for each state: the same filter with this state, or without it where it is the one."""
    states = filter_text.states(q)
    return [
        (one, filter_text.replaced(q, "state", None if states == {one} else one), states == {one}) for one in filter_text.STATES
    ]


def _wider(q: str) -> list[tuple[str, str]]:
    """Links to wider times of a filter of arguments, which is looked through."""
    if not filter_text.names(q) & {"args", "meta"} or "since:7d" not in filter_text.terms(q):
        return []
    return [(filter_text.replaced(q, "since", term.partition(":")[2]), says) for term, says in WIDER]


def _counted(stats: Any, dead: Any) -> dict[str, str]:
    """Jobs by state, as the API knows them anyway; of jobs that are over dead letters are counted, up to 10,000."""
    found = dict[str, str]()
    if stats is not None:
        for state in filter_text.STATES[:4]:
            found[state] = short.count(sum(one["jobs"] for one in stats["queues"] if one["state"] == state))
    if dead is not None:
        found["failed"] = dead["count"]["text"]
    return found
