"""Pools: how many workers are wanted, who runs them, and what was decided."""

from typing import Any

from starlette.responses import Response

from ..form import Form
from ..guard import back_of
from ..nouns.ages import began
from ..nouns.pools import ABOUT_POOLS, SHOWN, changes_of, marks_of
from ..page import Pages, Visit

pages = Pages()
SPANS = {"1h": 60, "6h": 360, "24h": 1440, "7d": 10_080}  # of the charts, in minutes
MARKED = 200  # last events in which decisions are looked for


@pages.page("/pools", of="GET /pools")
async def pools(at: Visit) -> Response:
    """All pools."""
    found = at.panel("/pools", cursor=at.query.get("cursor"), limit=100)
    doctor = at.panel("/doctor") if at.can("GET /doctor") else None
    return await at.show("pools.html", "Pools", found=found, doctor=doctor, about=ABOUT_POOLS, shown=SHOWN, began=began)


@pages.page("/pools/{name}", of="GET /pools/{name}")
async def pool(at: Visit, name: str) -> Response:
    """One pool."""
    over = at.query.get("over", "1h")
    cursor = at.query.get("cursor")
    panels: dict[str, Any] = {
        "members": at.panel(f"/pools/{name}/workers"),
        "samples": at.panel(f"/pools/{name}/samples", minutes=SPANS.get(over) or SPANS["1h"]),
        "events": at.panel(f"/pools/{name}/events", cursor=cursor, limit=25 if cursor is None else 100),
        "marked": at.panel(f"/pools/{name}/events", limit=MARKED),
    }
    one = await at.ask(f"/pools/{name}")
    facts: dict[str, Any] = {"shown": SHOWN, "spans": list(SPANS), "over": over, "marks_of": marks_of, "began": began}
    return await at.show("pool.html", f"Pool {name}", one=one, **panels, **facts)


@pages.act("/pools/{name}/scale", of="POST /pools/{name}/scale")
async def scale(at: Visit, form: Form, name: str) -> Response:
    """Say how many workers shall run."""
    body = {"wanted": form.number("wanted")} | _why(form)
    wanted = (await at.tell("POST", f"/pools/{name}/scale", body))["wanted"]
    return at.go(back_of(at, form), said=f"Pool {name} wants {wanted:,} {'worker' if wanted == 1 else 'workers'}.")


@pages.act("/pools/{name}/autoscale", of="POST /pools/{name}/autoscale")
async def autoscale(at: Visit, form: Form, name: str) -> Response:
    """Let it scale itself, or no longer."""
    on = form.get("on") == "yes"
    await at.tell("POST", f"/pools/{name}/autoscale", {"on": on})
    return at.go(back_of(at, form), said=f"Pool {name} {'scales itself' if on else 'no longer scales itself'}.")


@pages.act("/pools/{name}/change", of="PATCH /pools/{name}")
async def change(at: Visit, form: Form, name: str) -> Response:
    """Change its values."""
    await at.tell("PATCH", f"/pools/{name}", changes_of(form))
    return at.go(back_of(at, form), said=f"Pool {name} is changed.")


@pages.act("/pools/{name}/roll", of="POST /pools/{name}/roll")
async def roll(at: Visit, form: Form, name: str) -> Response:
    """Replace all workers."""
    await at.tell("POST", f"/pools/{name}/roll", {"max_unavailable": form.number("max_unavailable")} | _why(form))
    return at.go(back_of(at, form), said=f"Pool {name} replaces its workers; each ends when its jobs are done.")


@pages.act("/pools/{name}/pause", of="POST /pools/{name}/pause")
async def pause(at: Visit, form: Form, name: str) -> Response:
    """End all workers until it is resumed."""
    changed = (await at.tell("POST", f"/pools/{name}/pause", _why(form)))["changed"]
    return at.go(back_of(at, form), said=f"Pool {name} is paused." if changed else f"Pool {name} was paused already.")


@pages.act("/pools/{name}/resume", of="POST /pools/{name}/resume")
async def resume(at: Visit, form: Form, name: str) -> Response:
    """Let its workers run again."""
    changed = (await at.tell("POST", f"/pools/{name}/resume", {}))["changed"]
    return at.go(back_of(at, form), said=f"Pool {name} runs again." if changed else f"Pool {name} was not paused.")


@pages.act("/pools/{name}/delete", of="DELETE /pools/{name}")
async def delete(at: Visit, form: Form, name: str) -> Response:
    """End all workers and remove it."""
    is_gone = (await at.tell("DELETE", f"/pools/{name}", now="true" if form.get("now") == "yes" else None))["is_gone"]
    said = f"The pool {name} is deleted." if is_gone else f"The pool {name} is being deleted: it goes with its last worker."
    return at.go("pools" if is_gone else back_of(at, form), said=said)


def _why(form: Form) -> dict[str, str]:
    return {"reason": reason} if (reason := form.text("reason")) else {}
