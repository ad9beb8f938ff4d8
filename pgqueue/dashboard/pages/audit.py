"""What people have done."""

from functools import partial
from typing import Any

from starlette.responses import Response

from ...control.audit import KINDS, VERBS
from ..nouns.changes import changes_of
from ..page import Pages, Visit
from ..render import query, url

pages = Pages()
FIELDS = ("verb", "kind", "by", "subject", "since")
SINCE = {"-1h": "last hour", "-24h": "24 hours", "-7d": "7 days", None: "all"}
# The page of what was changed, by its kind, and the endpoint of the API that says who may see it.
_PLACES = {
    "job": ("jobs/", "GET /jobs/{job_id}"),
    "queue": ("queues/", "GET /queues/{name}"),
    "limit": ("limits/", "GET /limits/{key:path}"),
    "schedule": ("schedules/", "GET /schedules/{name}"),
    "workflow": ("workflows/", "GET /workflows/{workflow_id}"),
    "operation": ("operations/", "GET /operations/{operation_id}"),
    "worker": ("workers/", "GET /workers/{worker_id}"),
}


@pages.page("/audit", of="GET /audit")
async def audit(at: Visit) -> Response:
    """The changes, the newest first."""
    filter = {name: at.query.get(name) or None for name in FIELDS}
    facts: dict[str, Any] = {
        "entries": at.panel("/audit", **filter, cursor=at.query.get("cursor"), limit=50),
        "filter": filter,
        "verbs": sorted(VERBS),
        "kinds": sorted(KINDS),
        "spans": SINCE,
        "place": partial(place_of, at),
        "changes": lambda entry: changes_of(entry["before"], entry["after"]),
    }
    return await at.show("audit.html", "Audit", **facts)


def place_of(at: Visit, entry: dict[str, Any]) -> str | None:
    """The page of what an entry is about, below the dashboard; None if it has none, or not for this person."""
    kind, subject = entry["kind"], entry["subject"]
    if kind == "task":
        return "jobs" + query(q=f"task:{subject}") if at.can("GET /jobs") else None
    if kind == "key":
        return "settings" if at.can("GET /keys") else None
    if kind not in _PLACES or not subject:
        return None
    path, of = _PLACES[kind]
    return path + url(subject) if at.can(of) else None
