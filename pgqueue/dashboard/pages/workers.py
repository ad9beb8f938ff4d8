"""Workers: who they are, what they run, what was rescued, and what they do just now."""

from uuid import UUID

from starlette.responses import Response

from ...api.problems import Problem
from ..guard import back_of
from ..nouns.stacks import groups_of, text_of
from ..page import Form, Pages, Visit
from ..render import seen

pages = Pages()
STATUSES = ("ACTIVE", "IDLE", "PAUSED", "DRAINING", "DEAD")
ABOUT_WORKERS = (
    "no-worker", "worker-lost", "worker-polls", "worker-version", "worker-clock", "queue-not-served", "unknown-task",
    "schedule-without-task",
)  # fmt: skip  # findings of doctor


@pages.page("/workers", of="GET /workers")
async def workers(at: Visit) -> Response:
    """All workers, and the jobs that run."""
    status = at.query.get("status")
    filter = {"status": status if status in STATUSES else None}
    listed = at.panel("/workers", **filter, cursor=at.query.get("cursor"), limit=50)
    return await at.show(
        "workers.html",
        "Workers",
        listed=listed,
        filter=filter,
        counts=at.panel("/workers/stats"),
        running=at.panel("/jobs", state="running", limit=50),
        doctor=at.panel("/doctor"),
        about=ABOUT_WORKERS,
    )


@pages.page("/workers/rescues", of="GET /workers/rescues")
async def rescues(at: Visit) -> Response:
    """Jobs that were taken from lost workers."""
    filter = {name: at.query.get(name) or None for name in ("worker", "queue")}
    listed = at.panel("/workers/rescues", **filter, cursor=at.query.get("cursor"), limit=50)
    return await at.show("rescues.html", "Rescues", listed=listed, filter=filter)


@pages.page("/workers/{worker_id}", of="GET /workers/{worker_id}")
async def worker(at: Visit, worker_id: str) -> Response:
    """One worker."""
    id = _id(worker_id)
    rescued = at.panel("/workers/rescues", worker=id, limit=20)
    its = await at.ask(f"/workers/{id}")
    return await at.show("worker.html", f"Worker {seen(its['name'])}", its=its, rescued=rescued)


@pages.page("/workers/{worker_id}/stacks", of="GET /workers/{worker_id}/stacks")
async def stacks(at: Visit, worker_id: str) -> Response:
    """What it does just now."""
    id = _id(worker_id)
    worker, asked = at.panel(f"/workers/{id}"), at.panel(f"/workers/{id}/stacks")
    told = (await asked).value
    groups = groups_of(told["stacks"], at.query.get("job")) if told and told["stacks"] else []
    text = text_of(groups)
    return await at.show("stacks.html", "Stacks", id=id, worker=worker, asked=asked, groups=groups, text=text)


@pages.act("/workers/{worker_id}/stacks", of="POST /workers/{worker_id}/stacks")
async def ask_stacks(at: Visit, form: Form, worker_id: str) -> Response:
    """Ask it."""
    id = _id(worker_id)
    await at.tell("POST", f"/workers/{id}/stacks")
    to = back_of(at, form)
    path = f"workers/{id}/stacks"
    return at.go(to if to.startswith(path) else path)


@pages.act("/workers/{worker_id}/drain", of="POST /workers/{worker_id}/drain")
async def drain(at: Visit, form: Form, worker_id: str) -> Response:
    """Let it end once its handlers have."""
    return await _tell(at, form, worker_id, "drain")


@pages.act("/workers/{worker_id}/restart", of="POST /workers/{worker_id}/restart")
async def restart(at: Visit, form: Form, worker_id: str) -> Response:
    """Let another one take its place."""
    return await _tell(at, form, worker_id, "restart")


async def _tell(at: Visit, form: Form, worker_id: str, what: str) -> Response:
    found = await at.tell("POST", f"/workers/{_id(worker_id)}/{what}")
    said = f"The worker is told to {what}." if found["changed"] else f"The worker was already told to {what}."
    return at.go(back_of(at, form), said=f"{said} It claims nothing more, and ends when its handlers have.")


def _id(text: str) -> str:
    """The id of a worker. Raises Problem if it is none."""
    try:
        return str(UUID(text))
    except ValueError:
        raise Problem("not-found", "there is no such worker; its id is a UUID") from None
