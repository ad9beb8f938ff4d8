"""Queues: counts, pauses, settings."""

import asyncio
from contextlib import suppress
from typing import Annotated, Any

from fastapi import Body
from starlette.requests import Request
from starlette.responses import Response

from ..._checks import read_text
from ...control.drain import Drain
from ...control.queue_settings import settings_json
from ...database.calls import metrics
from ...database.calls import queues as calls
from ...errors import DrainTimeout
from ..bodies.pages import USUAL, Cursor, Limit, Page, Paging
from ..bodies.queues import (
    Drained,
    DrainIn,
    Paused,
    PauseIn,
    QueueDetail,
    QueueName,
    QueueOut,
    Reset,
    Resumed,
    SettingsIn,
    SettingsOut,
    queue_shown,
)
from ..endpoint import Endpoints
from ..here import Here, at
from ..problems import Problem, invalid

endpoints = Endpoints("queues")

MOST_WORKERS = 100
LAST_MINUTES = "-360 seconds"
_STILL_RUNS: dict[int | str, dict[str, Any]] = {202: {"model": Drained, "description": "Jobs of it still run; ask again"}}


@endpoints.get("/queues", may_lag=True, is_bound=True, model=Page[QueueOut])
async def queues(request: Request, limit: Limit = USUAL, cursor: Cursor = None) -> Response:
    """Every queue that holds live jobs, is served, has settings or is paused, in the order of their names."""
    here = at(request)
    only = None if here.caller.queues is None else sorted(here.caller.queues)
    paging = Paging(("queues",), limit, cursor)
    rows = await here.run(calls.queue_page(paging.after[0], only, paging.fetch))
    return here.answer(paging.page(rows, lambda row: (row["name"],), queue_shown))


@endpoints.get("/queues/{name}", calls=("metric_series",), is_bound=True, refuses=(404,), model=QueueDetail)
async def queue(request: Request, name: QueueName) -> Response:
    """One queue: jobs by state and priority, what holds it, who serves it, its settings and its last minutes."""
    here = at(request)
    here.caller.check_queue(name)
    found = await here.run(calls.queue_page(None, [name], 1))
    if not found:
        raise Problem("not-found", f"name: there is no queue {name}: it has no live jobs, workers, settings or pause")
    series = metrics.metric_series("60 seconds", None, LAST_MINUTES, None, name, None)
    parts = {
        "jobs": await here.run(calls.depth_of(name)),
        "pauses": await here.run(calls.pauses_of_queue(name)),
        "served_by": await here.run(calls.workers_of(name, MOST_WORKERS)),
        "minutes": await here.run(series),
    }
    return here.answer(queue_shown(found[0]) | parts)


@endpoints.post("/queues/{name}/pause", calls=("pause",), is_bound=True, model=Paused)
async def pause_queue(request: Request, name: QueueName, body: Annotated[PauseIn | None, Body()] = None) -> Response:
    """Let no job of a queue start. What runs goes on; so do enqueues and schedules.

    Pausing again replaces the time, the name and the reason.
    """
    here = at(request)
    here.caller.check_queue(name)
    return await pause(here, "queue", name, body or PauseIn())


@endpoints.post("/queues/{name}/resume", calls=("resume",), is_bound=True, model=Resumed)
async def resume_queue(request: Request, name: QueueName) -> Response:
    """End the pause of a queue. It stays paused while everything is."""
    here = at(request)
    here.caller.check_queue(name)
    with here.acting():
        changed = await here.act(calls.resume("queue", name))
    return here.answer({"changed": changed, "pauses": await here.run(calls.pauses_of_queue(name))})


@endpoints.post("/queues/{name}/drain", calls=("pause", "draining"), is_bound=True, model=Drained, responses=_STILL_RUNS)
async def drain(request: Request, name: QueueName, body: Annotated[DrainIn | None, Body()] = None) -> Response:
    """Pause a queue and wait until none of its jobs runs: 200 then, 202 if some still run after `timeout`.

    It stays paused, whatever happens. Ask again to wait longer.
    """
    here, body = at(request), body or DrainIn()
    here.caller.check_queue(name)
    with here.acting():
        await here.act(calls.pause("queue", name, None, None, None, read_text("reason", body.reason)))
    is_drained, running = await _drained(here, request, Drain(name, body.timeout))
    return here.answer({"drained": is_drained, "running": running}, 200 if is_drained else 202)


async def _drained(here: Here, request: Request, wait: Drain) -> tuple[bool, int]:
    """Look again and again; no connection is held between two looks."""
    while True:
        found = await here.run(wait.call())
        try:
            seconds = wait.look(found)
        except DrainTimeout:
            return False, found.running
        if seconds is None:
            return True, 0
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await here.service.stopping.wait()
        if here.service.stopping.is_set() or await request.is_disconnected():
            return False, found.running


@endpoints.patch("/queues/{name}", calls=("set_queue",), is_bound=True, model=SettingsOut)
async def patch_queue(request: Request, name: QueueName, body: SettingsIn) -> Response:
    """Change settings of a queue; what is left out stays. They apply at once, also to waiting jobs."""
    here = at(request)
    here.caller.check_queue(name)
    settings = body.model_dump(exclude_unset=True)
    if not settings:
        raise invalid("body", "{}", "give at least one setting, such as max_ready")
    with here.acting():
        await here.act(calls.set_queue(name, settings_json(settings)))
    found = await here.run(calls.settings_of(name))
    if not found:
        raise Problem("not-found", f"name: somebody has reset the queue {name} meanwhile")
    return here.answer(found[0])


@endpoints.delete("/queues/{name}/settings", calls=("reset_queue",), is_bound=True, model=Reset)
async def reset_queue(request: Request, name: QueueName) -> Response:
    """Give all settings of a queue their defaults."""
    here = at(request)
    here.caller.check_queue(name)
    with here.acting():
        return here.answer({"changed": await here.act(calls.reset_queue(name))})


async def pause(here: Here, kind: str, name: str | None, body: PauseIn) -> Response:
    """Pause a queue, a task or everything, and answer what is paused now."""
    until, after = body.read()
    with here.acting():
        call = calls.pause(kind, read_text("name", name), until, after, None, read_text("reason", body.reason))
        changed = await here.act(call)
    found = await here.run(calls.pause_of(kind, name or ""))
    return here.answer({"changed": changed, "pause": found[0] if found else None})
