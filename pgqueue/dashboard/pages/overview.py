"""How the install does: what is wrong, figures, charts, queues, tasks that fail."""

import asyncio
from typing import Any

from starlette.responses import Response

from ..nouns.ages import began
from ..nouns.leads import lead_of, terms
from ..nouns.rates import rates
from ..nouns.spans import SPANS, span_of
from ..page import Pages, Visit
from ..panel import Panel

pages = Pages()
WINDOW = 300  # seconds of the figures, in whole minutes
MOST_QUEUES, MOST_TASKS = 200, 8
LOOK = 10_000  # dead letters that are counted, the latest ones


@pages.page("/", of="GET /metrics/queues")
async def overview(at: Visit) -> Response:
    """The first page. What a key for some queues may not see is not asked for."""
    span = span_of(at.query.get("span"))
    dead = {"by": "task", "finished_after": "-1h", "limit": MOST_TASKS, "look": LOOK}
    panels: dict[str, Any] = {
        "wrong": _panel(at, "/troubles"),
        "figures": _panel(at, "/metrics", window_seconds=WINDOW),
        "series": _panel(at, "/metrics/series", since=span.since, step=span.step),
        "dead": _panel(at, "/dead-letters/stats", **dead),
        "queues": _panel(at, "/metrics/queues", limit=MOST_QUEUES),
    }
    return await at.show("overview.html", "Overview", **panels, **_HELPERS, span=span, spans=SPANS, minutes=WINDOW // 60)


def _panel(at: Visit, path: str, **query: Any) -> "asyncio.Task[Panel] | None":
    """A panel; None if this person may not ask for it."""
    return at.panel(path, **query) if at.can(f"GET {path}") else None


def failing(figures: dict[str, Any] | None, dead: dict[str, Any] | None) -> list[dict[str, Any]]:
    """The tasks that fail most: attempts of the last minutes, and dead letters of the last hour."""
    tasks = {one["name"]: one for one in figures["tasks"]} if figures else {}
    letters = {one["value"]: one["jobs"] for one in dead["counts"]} if dead else {}
    names = {name for name, task in tasks.items() if task["failed_attempts"]} | letters.keys()
    found = [{"task": name, "dead": letters.get(name, 0), "lately": tasks.get(name)} for name in names]
    return sorted(found, key=lambda one: (-one["dead"], -_failed(one), one["task"]))[:MOST_TASKS]


def _failed(one: dict[str, Any]) -> int:
    return one["lately"]["failed_attempts"] if one["lately"] else 0


def is_new(queues: dict[str, Any] | None, figures: dict[str, Any] | None) -> bool:
    """Whether there is nothing here: no queue has done or holds anything, and no worker runs."""
    if queues is None or queues["queues"] or figures is None:
        return False
    return not any(figures["workers"][name] for name in ("active", "idle", "dead"))


def longest(queues: dict[str, Any]) -> dict[str, Any] | None:
    """The queue whose first in line has waited longest; None if nothing waits."""
    waiting = [one for one in queues["queues"] if one["oldest"] is not None and one["ready"]]
    return max(waiting, key=lambda one: float(one["oldest"]), default=None)


_HELPERS: dict[str, Any] = {
    "lead_of": lead_of, "rates": rates, "failing": failing, "is_new": is_new, "longest": longest, "began": began, "terms": terms,
}  # fmt: skip
