"""Schedules: when they fire, and what became of their ticks."""

from typing import Any

from starlette.responses import Response

from ..form import Form
from ..guard import back_of
from ..page import Pages, Visit

pages = Pages()
DOTS = 20  # ticks of a schedule in the list
NEXT = 10  # ticks to come on the page of a schedule


@pages.page("/schedules", of="GET /schedules")
async def schedules(at: Visit) -> Response:
    """All schedules."""
    filter = {"prefix": at.query.get("prefix") or None}
    found = at.panel("/schedules", **filter, ticks=DOTS, cursor=at.query.get("cursor"), limit=50)
    return await at.show("schedules.html", "Schedules", found=found, filter=filter, may_make=may_make(at))


@pages.page("/schedules/{name}", of="GET /schedules/{name}")
async def schedule(at: Visit, name: str) -> Response:
    """One schedule."""
    one = await at.ask(f"/schedules/{name}")
    cursor = at.query.get("cursor")
    panels: dict[str, Any] = {
        "preview": at.panel(f"/schedules/{name}/preview", n=NEXT),
        "ticks": at.panel(f"/schedules/{name}/ticks", cursor=cursor, limit=25 if cursor is None else 100),
    }
    return await at.show("schedule.html", name, one=one, options=options_of(one["job"]), **panels)


@pages.act("/schedules/{name}/pause", of="POST /schedules/{name}/pause")
async def pause(at: Visit, form: Form, name: str) -> Response:
    """Make no jobs."""
    changed = (await at.tell("POST", f"/schedules/{name}/pause"))["changed"]
    return at.go(back_of(at, form), said=f"{name} makes no more jobs." if changed else f"{name} was paused already.")


@pages.act("/schedules/{name}/resume", of="POST /schedules/{name}/resume")
async def resume(at: Visit, form: Form, name: str) -> Response:
    """Make jobs again."""
    changed = (await at.tell("POST", f"/schedules/{name}/resume"))["changed"]
    said = f"{name} makes jobs again, from its next tick on." if changed else f"{name} was not paused."
    return at.go(back_of(at, form), said=said)


@pages.act("/schedules/{name}/trigger", of="POST /schedules/{name}/trigger")
async def trigger(at: Visit, form: Form, name: str) -> Response:
    """Make a job now."""
    id = (await at.tell("POST", f"/schedules/{name}/trigger"))["job_id"]
    return at.go(back_of(at, form), said=f"Job {id} is made. The next tick stays as it is.")


@pages.act("/schedules/{name}/delete", of="DELETE /schedules/{name}")
async def delete(at: Visit, form: Form, name: str) -> Response:
    """Remove a schedule."""
    await at.tell("DELETE", f"/schedules/{name}")
    return at.go("schedules", said=f"The schedule {name} is deleted.")


def options_of(job: dict[str, Any]) -> dict[str, Any]:
    """The options of the jobs that were set, but for those that the page shows by themselves."""
    return {name: value for name, value in job.items() if value is not None and name not in ("task", "args", "queue", "priority")}


def may_make(at: Visit) -> bool:
    """Whether this person may say what jobs a schedule makes: the API asks for an admin, as for enqueuing."""
    return at.can("POST /schedules") and at.can("POST /jobs")
