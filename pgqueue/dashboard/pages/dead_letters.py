"""Dead letters: the kinds of failures, and all of one kind."""

from typing import Any

from starlette.responses import Response

from ..guard import back_of
from ..page import Form, Pages, Visit

pages = Pages()
FILTER = {"task": "task", "error": "error_type", "queue": "queue", "since": "finished_after"}  # as the page and the API name it
SPANS = {"24h": "24 hours", "7d": "7 days", "30d": "30 days"}
ORDERS = {"jobs": "most", "last_at": "latest"}
MOST_GROUPS = 50
LETTERS = 25  # a page of one kind
LOOK = 10_000  # dead letters that are counted, the latest ones


@pages.page("/dead-letters", of="GET /dead-letters/groups")
async def dead_letters(at: Visit) -> Response:
    """Each kind of failure with its number."""
    filter = {name: at.query.get(name) or None for name in FILTER}
    shown = {"sort": _chosen(at, "sort", ORDERS), "series": _chosen(at, "series", SPANS)}
    asked = {field: filter[name] for name, field in FILTER.items()}
    groups = at.panel("/dead-letters/groups", **asked, **shown, limit=MOST_GROUPS, look=LOOK)
    facts: dict[str, Any] = {
        "groups": groups,
        "filter": filter,
        "shown": shown,
        "spans": SPANS,
        "orders": ORDERS,
        "most": MOST_GROUPS,
        "look": LOOK,
    }
    return await at.show("dead_letters.html", "Dead letters", **facts)


@pages.page("/dead-letters/{fingerprint}", of="GET /dead-letters/groups")
async def dead_group(at: Visit, fingerprint: str) -> Response:
    """All dead letters of one kind."""
    series = _chosen(at, "series", SPANS)
    found = await at.ask("/dead-letters/groups", fingerprint=fingerprint, limit=1, series=series, look=LOOK)
    facts: dict[str, Any] = {"fingerprint": fingerprint, "group": None, "looked_to": found["looked_to"], "look": LOOK}
    if found["groups"]:
        facts |= _of_group(at, fingerprint, found["groups"][0]) | {"series": series, "spans": SPANS}
    return await at.show("dead_group.html", "Dead letters of one kind", **facts)


def _of_group(at: Visit, fingerprint: str, group: dict[str, Any]) -> dict[str, Any]:
    counted = {
        by: at.panel("/dead-letters/stats", fingerprint=fingerprint, by=by, limit=10, look=LOOK)
        for by in ("task", "queue", "version", "host", "worker")
    }
    letters = at.panel("/dead-letters", fingerprint=fingerprint, limit=LETTERS, cursor=at.query.get("cursor"))
    return {"group": group, "sample": at.panel(f"/dead-letters/{group['sample_id']}"), "letters": letters, **counted}


@pages.act("/dead-letters/{fingerprint}/retry", of="POST /dead-letters/retry")
async def retry_group(at: Visit, form: Form, fingerprint: str) -> Response:
    """Run all of one kind again, or those that a filter means: an operation."""
    body = {
        "filter": {field: value for name, field in FILTER.items() if (value := form.text(name))},
        "fingerprint": fingerprint,
        "reason": form.text("reason"),
        "reset_attempts": "keep_attempts" not in form,
        "force": "force" in form,
        "per_second": form.number("per_second"),
    }
    return _started(at, await at.tell("POST", "/dead-letters/retry", body), "runs them again")


@pages.act("/dead-letters/{fingerprint}/discard", of="POST /dead-letters/purge")
async def discard_group(at: Visit, form: Form, fingerprint: str) -> Response:
    """Remove all of one kind for good: an operation."""
    body = {"fingerprint": fingerprint, "reason": form.text("reason")}
    return _started(at, await at.tell("POST", "/dead-letters/purge", body), "removes them")


@pages.act("/dead-letters/jobs/{job_id}/retry", of="POST /dead-letters/{job_id}/retry")
async def retry_one(at: Visit, form: Form, job_id: str) -> Response:
    """Run one again."""
    again = await at.tell("POST", f"/dead-letters/{job_id}/retry", {"force": "force" in form})
    said = f"Job {again['id']} has its unique key and is live; the dead letter stays." if again["duplicate"] else None
    return at.go(back_of(at, form), said=said or f"Job {again['id']} runs again.")


@pages.act("/dead-letters/jobs/{job_id}/discard", of="POST /jobs/{job_id}/discard")
async def discard_one(at: Visit, form: Form, job_id: str) -> Response:
    """Remove one for good."""
    await at.tell("POST", f"/jobs/{job_id}/discard", {"reason": form.text("reason")})
    return at.go(back_of(at, form), said=f"Job {job_id} is removed.")


def _started(at: Visit, operation: dict[str, Any], does: str) -> Response:
    """To the page of the operation, which goes on whatever becomes of this browser."""
    return at.go(f"operations/{operation['id']}", said=f"Operation {operation['id']} {does}; this page shows how far it is.")


def _chosen(at: Visit, name: str, choices: dict[str, str]) -> str:
    """What the query chooses; the first one if it is none of them."""
    given = at.query.get(name)
    return given if given in choices else next(iter(choices))
