"""Pauses of queues, of tasks and of everything."""

from typing import Annotated, Any

from fastapi import Path
from starlette.requests import Request
from starlette.responses import Response

from ..._checks import read_text
from ..._json import dumps
from ...database.calls import queues as calls
from ...database.calls.queues import Pause
from .. import exact
from ..bodies import cursor as cursors
from ..bodies.pages import USUAL, Cursor, PageLimit, page
from ..bodies.queues import Paused, PauseKind, PauseOfIn, PausePage, Reset
from ..endpoint import Endpoints
from ..here import Here, at
from ..problems import invalid
from .queues import pause

endpoints = Endpoints("queues")

_Kind = Annotated[PauseKind, Path(description="queue or task")]
_Name = Annotated[str, Path(description="of the queue or the task")]


@endpoints.get("/pauses", model=PausePage)
async def pauses(request: Request, limit: PageLimit = USUAL, cursor: Cursor = None) -> Response:
    """Everything that is paused now."""
    here = at(request)
    kind, name = _place(cursors.unseal(cursor, "pauses"), cursor)
    rows = await here.run(calls.pause_page(kind, name, limit + 1))
    return here.answer(page(rows, limit, _after, "pauses", lambda row: row))


@endpoints.post("/pauses", calls=("pause",), model=Paused)
async def pause_any(request: Request, body: PauseOfIn) -> Response:
    """Let no job of a queue, of a task, or of everything start. What runs goes on; so do enqueues and schedules."""
    return await pause(at(request), body.kind, body.name, body)


@endpoints.delete("/pauses/everything", calls=("resume",), model=Reset)
async def resume_everything(request: Request) -> Response:
    """End the pause of everything. Queues and tasks that are paused by themselves stay so."""
    return await _resume(at(request), "everything", None)


@endpoints.delete("/pauses/{kind}/{name:path}", calls=("resume",), model=Reset)
async def resume_any(request: Request, kind: _Kind, name: _Name) -> Response:
    """End the pause of a queue or of a task."""
    return await _resume(at(request), kind, name)


async def _resume(here: Here, kind: str, name: str | None) -> Response:
    with here.acting():
        return here.answer({"changed": await here.act(calls.resume(kind, read_text("name", name)))})


def _after(row: Pause) -> str:
    return dumps([row.kind, row.name])


def _place(after: str | None, cursor: str | None) -> tuple[str, str]:
    """Kind and name behind which a page begins."""
    if after is None:
        return "", ""
    try:
        found: Any = exact.read(after.encode())
        kind, name = found
        return read_text("cursor", kind) or "", read_text("cursor", name) or ""
    except (ValueError, TypeError, RecursionError):
        raise invalid("cursor", cursor, "use `next` of a page of the same list") from None
