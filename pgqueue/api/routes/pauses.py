"""Pauses of queues, of tasks and of everything."""

from typing import Annotated

from fastapi import Path
from starlette.requests import Request
from starlette.responses import Response

from ..._checks import read_text
from ...database.calls import queues as calls
from ..bodies.pages import USUAL, Cursor, Limit, Page, Paging
from ..bodies.queues import Paused, PauseKind, PauseOfIn, PauseOut, Reset
from ..endpoint import Endpoints
from ..here import Here, at
from .queues import pause

endpoints = Endpoints("queues")

_Kind = Annotated[PauseKind, Path(description="queue or task")]
_Name = Annotated[str, Path(description="of the queue or the task")]


@endpoints.get("/pauses", model=Page[PauseOut])
async def pauses(request: Request, limit: Limit = USUAL, cursor: Cursor = None) -> Response:
    """Everything that is paused now."""
    here = at(request)
    paging = Paging(("pauses",), limit, cursor, 2)
    kind, name = paging.after
    rows = await here.run(calls.pause_page(kind or "", name or "", paging.fetch))
    return here.answer(paging.page(rows, lambda row: (row.kind, row.name or "")))


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
