"""Pools: how many workers are wanted, and who runs them."""

from typing import Annotated

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from ...control.pool_values import rules_json
from ...database.calls import pool_reads as reads
from ...database.calls import pool_verbs as verbs
from ...database.calls.pool_reads import PoolStatus
from ..bodies.pages import USUAL, Cursor, Limit, Page, Paging
from ..bodies.pools import (
    AutoscaleIn,
    NewPoolIn,
    PoolChanged,
    PoolDeleted,
    PoolEventOut,
    PoolIn,
    PoolMembers,
    PoolName,
    PoolOut,
    PoolRolled,
    PoolSamples,
    PoolScaled,
    RollIn,
    ScaleIn,
    WhyIn,
)
from ..callers.caller import ADMINS
from ..endpoint import Endpoints
from ..here import Here, at
from ..problems import Problem, invalid

endpoints = Endpoints("pools")

NAMING_AN_APP = "saying which app a pool loads"
MOST_WORKERS = 1000
Minutes = Annotated[int, Query(ge=1, le=10_080, description="how far back; they are kept as long as the history")]
_MADE = {201: {"headers": {"Location": {"schema": {"type": "string"}, "description": "the pool"}}}}


@endpoints.get("/pools", model=Page[PoolOut])
async def pools(request: Request, limit: Limit = USUAL, cursor: Cursor = None) -> Response:
    """Every pool, in the order of their names."""
    here, paging = at(request), Paging(("pools",), limit, cursor)
    rows = await here.run(reads.pools(paging.after[0], paging.fetch))
    return here.answer(paging.page(rows, lambda row: (row.name,)))


@endpoints.post("/pools", calls=("make_pool",), refuses=(409,), status=201, model=PoolOut, responses=_MADE)
async def new_pool(request: Request, body: NewPoolIn) -> Response:
    """Make a pool, which needs the role admin; 409 if there is one of this name. It runs where agents are."""
    here = at(request)
    here.caller.must_be(ADMINS, NAMING_AN_APP)
    with here.acting():
        await here.act(verbs.make_pool(body.name, body.values(), body.autoscale, rules_json(body.rules)))
    return here.answer(await found(here, body.name), 201, {"Location": f"{request.url.path}/{body.name}"})


@endpoints.get("/pools/{name}", refuses=(404,), model=PoolOut)
async def pool(request: Request, name: PoolName) -> Response:
    """One pool: what it wants, what runs, and what waits."""
    here = at(request)
    return here.answer(await found(here, name))


@endpoints.patch("/pools/{name}", calls=("set_pool",), refuses=(404, 409), model=PoolOut)
async def patch_pool(request: Request, name: PoolName, body: PoolIn) -> Response:
    """Change a pool; another app, which needs the role admin, other queues or another concurrency replace its workers."""
    here = at(request)
    if not body.model_fields_set:
        raise invalid("body", "{}", "give at least one field, such as maximum")
    for field in body.model_fields_set:
        if getattr(body, field) is None:
            raise invalid(field, None, "leave it out, and it stays as it is")
    if body.app is not None:
        here.caller.must_be(ADMINS, NAMING_AN_APP)
    with here.acting():
        await here.act(verbs.set_pool(name, body.values()))
    return here.answer(await found(here, name))


@endpoints.delete("/pools/{name}", calls=("delete_pool",), refuses=(404,), model=PoolDeleted)
async def delete_pool(
    request: Request,
    name: PoolName,
    now: Annotated[bool, Query(description="jobs have the grace of the agent, and are then given back")] = False,
) -> Response:
    """End all workers of a pool, each when its jobs are done, and remove it with the last of them."""
    here = at(request)
    with here.acting():
        return here.answer({"is_gone": await here.act(verbs.delete_pool(name, now))})


@endpoints.post("/pools/{name}/scale", calls=("scale_pool",), refuses=(404, 409), model=PoolScaled)
async def scale_pool(request: Request, name: PoolName, body: ScaleIn) -> Response:
    """Say how many workers shall run. Idle ones end first, others when their jobs are done."""
    here = at(request)
    with here.acting():
        return here.answer({"wanted": await here.act(verbs.scale_pool(name, body.wanted, body.change, body.reason))})


@endpoints.post("/pools/{name}/autoscale", calls=("set_autoscale",), refuses=(404, 409), model=PoolOut)
async def set_autoscale(request: Request, name: PoolName, body: AutoscaleIn) -> Response:
    """Let a pool scale itself within its minimum and maximum, or no longer, and change its rules."""
    here = at(request)
    rules = body.rules_text()
    with here.acting():
        await here.act(verbs.set_autoscale(name, body.on, rules))
    return here.answer(await found(here, name))


@endpoints.post("/pools/{name}/roll", calls=("roll_pool",), refuses=(404, 409), model=PoolRolled)
async def roll_pool(request: Request, name: PoolName, body: RollIn) -> Response:
    """Replace all workers, so that they run with new code; each ends when its jobs are done."""
    here = at(request)
    with here.acting():
        return here.answer({"generation": await here.act(verbs.roll_pool(name, body.max_unavailable, body.reason))})


@endpoints.post("/pools/{name}/pause", calls=("pause_pool",), refuses=(404, 409), model=PoolChanged)
async def pause_pool(request: Request, name: PoolName, body: WhyIn) -> Response:
    """End all workers of a pool, each when its jobs are done, until it is resumed. How many are wanted is kept."""
    here = at(request)
    with here.acting():
        return here.answer({"changed": await here.act(verbs.pause_pool(name, body.reason))})


@endpoints.post("/pools/{name}/resume", calls=("resume_pool",), refuses=(404, 409), model=PoolChanged)
async def resume_pool(request: Request, name: PoolName, body: WhyIn) -> Response:
    """Let the workers of a pool run again."""
    here = at(request)
    with here.acting():
        return here.answer({"changed": await here.act(verbs.resume_pool(name, body.reason))})


@endpoints.get("/pools/{name}/workers", refuses=(404,), model=PoolMembers)
async def pool_workers(request: Request, name: PoolName) -> Response:
    """The slots of a pool with their workers, and its agents."""
    here = at(request)
    await found(here, name)
    workers = await here.run(reads.pool_workers(name, MOST_WORKERS + 1))
    agents = await here.run(reads.pool_agents(name))
    return here.answer({"workers": workers[:MOST_WORKERS], "agents": agents, "is_partial": len(workers) > MOST_WORKERS})


@endpoints.get("/pools/{name}/events", model=Page[PoolEventOut])
async def pool_events(request: Request, name: PoolName, limit: Limit = USUAL, cursor: Cursor = None) -> Response:
    """What was decided about a pool and what happened to it, the newest first; also of one that is gone."""
    here, paging = at(request), Paging(("pool-events", name), limit, cursor)
    after = paging.id()
    rows = await here.run(reads.pool_events(name, paging.fetch, None if after is None else str(after)))
    return here.answer(paging.page(rows, lambda row: (row.id,)))


@endpoints.get("/pools/{name}/samples", refuses=(404,), model=PoolSamples)
async def pool_samples(request: Request, name: PoolName, minutes: Minutes = 60) -> Response:
    """How many workers of a pool were wanted and ran, and how much waited, minute by minute, for a chart."""
    here = at(request)
    await found(here, name)
    return here.answer({"samples": await here.run(reads.pool_samples(name, f"{minutes} minutes"))})


async def found(here: Here, name: str) -> PoolStatus:
    """The pool of this name.

    Raises:
        Problem: there is none.
    """
    rows = await here.run(reads.pool(name))
    if not rows:
        raise Problem("not-found", f"name: there is no pool {name!r}; GET /pools lists them")
    return rows[0]
