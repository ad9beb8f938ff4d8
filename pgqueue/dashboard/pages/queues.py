"""Queues: what waits in them, what holds them, and their settings."""

from urllib.parse import unquote

from starlette.responses import Response

from ..guard import back_of
from ..nouns.ages import began
from ..nouns.leads import terms
from ..nouns.queue_forms import end_of, settings_of
from ..page import Form, Pages, Visit
from ..render import seen

pages = Pages()
# Of the chart, by what the address says: how far back, and the step in seconds.
SPANS = {"1h": ("-1h", 60), "6h": ("-6h", 300), "24h": ("-24h", 1200), "7d": ("-7d", 7200)}
MOST_PAUSES = 100
COUNTED = 10_000  # jobs that wait for its limit


@pages.page("/queues", of="GET /queues")
async def queues(at: Visit) -> Response:
    """All queues."""
    listed = at.panel("/queues", cursor=at.query.get("cursor"), limit=100)
    pauses = at.panel("/pauses", limit=MOST_PAUSES) if at.can("GET /pauses") else None
    figures = at.panel("/metrics", window_seconds=300) if at.can("GET /metrics") else None
    return await at.show("queues.html", "Queues", listed=listed, pauses=pauses, figures=figures, began=began, terms=terms)


@pages.page("/queues/{name}", of="GET /queues/{name}")
async def queue(at: Visit, name: str) -> Response:
    """One queue."""
    over = at.query.get("over", "1h")
    since, step = SPANS.get(over) or SPANS["1h"]
    series = at.panel("/metrics/series", queue=name, since=since, step=step) if at.can("GET /metrics/series") else None
    pauses = at.panel("/pauses", limit=MOST_PAUSES) if at.can("GET /pauses") else None
    limit = at.panel(f"/limits/queue:{name}", count_to=COUNTED) if at.can("GET /limits/{key:path}") else None
    its = await at.ask(f"/queues/{name}")
    return await at.show(
        "queue.html",
        f"Queue {seen(name)}",
        its=its,
        series=series,
        pauses=pauses,
        limit=limit,
        began=began,
        spans=list(SPANS),
        over=over,
    )


@pages.act("/queues/{name}/pause", of="POST /queues/{name}/pause")
async def pause(at: Visit, form: Form, name: str) -> Response:
    """Pause it."""
    found = await at.tell("POST", f"/queues/{name}/pause", end_of(form))
    said = f"Queue {name} is paused." if found["changed"] else f"Queue {name} was paused already; its pause is as you say now."
    return at.go(back_of(at, form), said=said)


@pages.act("/queues/{name}/resume", of="POST /queues/{name}/resume")
async def resume(at: Visit, form: Form, name: str) -> Response:
    """End its pause."""
    found = await at.tell("POST", f"/queues/{name}/resume")
    said = f"Queue {name} goes on." if found["changed"] else f"Queue {name} was not paused."
    if found["pauses"]:
        said += " It still waits, because everything is paused."
    return at.go(back_of(at, form), said=said)


@pages.act("/queues/{name}/drain", of="POST /queues/{name}/drain")
async def drain(at: Visit, form: Form, name: str) -> Response:
    """Pause it; the page shows how many jobs still run."""
    found = await at.tell("POST", f"/queues/{name}/drain", {"timeout": 0, "reason": form.text("reason") or "drain"})
    left = (
        "nothing of it runs"
        if found["drained"]
        else f"{found['running']:,} of its jobs still run; this page shows when they have ended"
    )
    return at.go(back_of(at, form), said=f"Queue {name} is paused: {left}.")


@pages.act("/queues/{name}/settings", of="PATCH /queues/{name}")
async def change(at: Visit, form: Form, name: str) -> Response:
    """Change its settings."""
    await at.tell("PATCH", f"/queues/{name}", settings_of(form))
    return at.go(back_of(at, form), said=f"The settings of queue {name} are changed; they apply at once.")


@pages.act("/queues/{name}/reset", of="DELETE /queues/{name}/settings")
async def reset(at: Visit, form: Form, name: str) -> Response:
    """Give all settings their defaults."""
    await at.tell("DELETE", f"/queues/{name}/settings")
    return at.go(back_of(at, form), said=f"All settings of queue {name} are the defaults.")


@pages.act("/pauses", of="POST /pauses")
async def pause_any(at: Visit, form: Form) -> Response:
    """Pause a task, or everything."""
    kind, name = form.get("kind", ""), form.text("name")
    await at.tell("POST", "/pauses", {"kind": kind, "name": name, **end_of(form)})
    return at.go(back_of(at, form), said=f"{_subject(kind, name)} is paused.")


@pages.act("/pauses/everything/resume", of="DELETE /pauses/everything")
async def resume_everything(at: Visit, form: Form) -> Response:
    """End the pause of everything."""
    await at.tell("DELETE", "/pauses/everything")
    return at.go(back_of(at, form), said="Everything goes on, but for what is paused by itself.")


@pages.act("/pauses/task/resume", of="DELETE /pauses/{kind}/{name:path}")
async def resume_task(at: Visit, form: Form) -> Response:
    """End the pause of a task."""
    name = unquote(form.get("name", ""))  # quoted: it may hold what a browser changes, or shows as something else
    await at.tell("DELETE", f"/pauses/task/{name}")
    return at.go(back_of(at, form), said=f"{_subject('task', name)} goes on.")


def _subject(kind: str, name: str | None) -> str:
    return "Everything" if kind == "everything" else f"{kind.capitalize()} {name or ''}".strip()
