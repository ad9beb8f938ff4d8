"""What may come next in a filter, while somebody writes it."""

from starlette.responses import JSONResponse, Response

from ..._text import harmless
from ..ask import Refused
from ..nouns import filter_text
from ..page import Pages, Visit

pages = Pages()
MOST = 12
LOOK = 10_000  # dead letters, for the types of their errors
FIELDS = {
    "queue:": "of a queue", "task:": "of a task, * stands for any text", "state:": "in a state", "error:": "of the last error",
    "args.": "arguments contain, as in args.customer.id:5", "meta.": "meta contains", "since:": "2h, 7d or a time",
    "until:": "before then", "reason:": "why it ended", "limit:": "key of a limit", "workflow:": "id of a workflow",
    "schedule:": "name of a schedule", "worker:": "id of a worker", "fingerprint:": "failures of one kind", "id:": "ids of jobs",
}  # fmt: skip
SPANS = ("1h", "24h", "7d", "30d", "ever")
REASONS = (
    "error", "timeout", "user_requested", "dependency_failed", "worker_shutdown", "crashed", "memory", "expired",
    "rate_limit_exceeded", "system_error", "other",
)  # fmt: skip


@pages.page("/suggestions", of="GET /jobs")
async def suggestions(at: Visit) -> Response:
    """Terms that begin with, or contain, what was written last: each replaces it."""
    text = at.query.get("q", "")
    last = "" if not text or text[-1].isspace() else (filter_text.terms(text) or [""])[-1]
    name, colon, value = last.partition(":")
    found = await _values(at, name, value.rpartition(",")[2]) if colon else await _words(at, last)
    before = value.rpartition(",")[0]
    lead = f"{name}:{before}," if before else f"{name}:" if colon else ""
    items = [{"text": harmless(lead + term), "says": harmless(says)} for term, says in found[:MOST]]
    return JSONResponse({"last": len(last), "items": items})


async def _words(at: Visit, word: str) -> list[tuple[str, str]]:
    fields = [(field, says) for field, says in FIELDS.items() if field.startswith(word.lower())]
    if not word:
        return fields
    fields += [(f"state:{one}", "state") for one in filter_text.STATES if one.startswith(word.lower())]
    for name, says in (("task", "task"), ("queue", "queue")):
        fields += [(f"{name}:{value}", says) for value, _ in await _values(at, name, word)]
    return fields


async def _values(at: Visit, name: str, part: str) -> list[tuple[str, str]]:
    known = {"state": filter_text.STATES, "since": SPANS, "until": SPANS[:-1], "reason": REASONS}.get(name)
    if known is None:
        known = tuple(await _names(at, name, part.strip('"')))
    wanted = part.strip('"').lower()
    first = [one for one in known if one.lower().startswith(wanted)]
    rest = [one for one in known if wanted in one.lower() and one not in first]
    return [(filter_text.quoted(one), "") for one in [*first, *rest][:MOST]]


async def _names(at: Visit, name: str, part: str) -> list[str]:
    """Names that the API tells; none where this person may not read them. Of keys there may be many: those that begin so."""
    try:
        if name == "queue":
            return [one["name"] for one in (await at.ask("/queues", limit=500))["items"]]
        if name == "task":
            return await _tasks(at)
        if name == "error":
            types = (await at.ask("/dead-letters/stats", by="error_type", look=LOOK, limit=100))["counts"]
            return list(dict.fromkeys(one["value"].rpartition(".")[2] for one in types if one["value"]))
        if name == "schedule":
            return [one["name"] for one in (await at.ask("/schedules", limit=500))["items"]]
        if name == "limit" and at.can("GET /limits"):
            return [one["key"] for one in (await at.ask("/limits", prefix=part or None, count_to=1, limit=MOST))["items"]]
        if name == "worker" and at.can("GET /workers"):
            return [one["id"] for one in (await at.ask("/workers", limit=100))["items"]]
    except Refused:
        pass
    return []


async def _tasks(at: Visit) -> list[str]:
    """Tasks that somebody knows, and those of which jobs have ended lately: in the last minutes, or on the last days."""
    found = {one["name"] for one in (await at.ask("/tasks"))["items"]}
    if at.can("GET /metrics"):
        found |= {one["name"] for one in (await at.ask("/metrics"))["tasks"]}
    if at.can("GET /metrics/aggregate"):
        found |= {one["task"] for one in (await at.ask("/metrics/aggregate", by="day", since="-2d", limit=500))["items"]}
    return sorted(found)
