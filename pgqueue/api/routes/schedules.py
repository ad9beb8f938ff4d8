"""Schedules and their ticks."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from ..._text import storable
from ...database.calls import schedules as calls
from ...database.calls.schedules import ScheduleStatus
from ...errors import InvalidArgument
from ...schedules.changes import NO_JOB, RESETTABLE, changes_json
from ...schedules.ranges import IN_ONE_CALL, check_range, next_ticks, ticks_between
from ...schedules.schedules import ticks_of
from ...schedules.ticks import Ticks
from ...schedules.values import read_fields
from ...schedules.words import describe_schedule
from ..bodies.pages import USUAL, Cursor, Limit, Page, Paging
from ..bodies.schedule_answers import (
    Backfilled,
    Changed,
    PreviewOut,
    ScheduleOut,
    TickOut,
    Triggered,
    absent,
    queue_of,
    schedule_shown,
)
from ..bodies.schedules import BackfillIn, NewScheduleIn, PreviewIn, ScheduledJob, ScheduleIn, ScheduleName
from ..callers.caller import ADMINS, READERS
from ..endpoint import Endpoints
from ..here import Here, at
from ..problems import invalid

endpoints = Endpoints("schedules")

SETTING_JOB = "setting the job of a schedule"
View = Annotated[Literal["basic", "full"], Query(description="full: with the arguments of the jobs")]
Prefix = Annotated[str | None, Query(max_length=100, description="only names that begin so", examples=["report"])]
LastTicks = Annotated[int, Query(ge=0, le=50, description="so many of the last ticks of each, with their outcomes")]
Count = Annotated[int, Query(ge=1, le=1000, description="how many ticks")]
_MADE = {201: {"headers": {"Location": {"schema": {"type": "string"}, "description": "the schedule"}}}}


@endpoints.get("/schedules", is_bound=True, model=Page[ScheduleOut])
async def schedules(
    request: Request,
    prefix: Prefix = None,
    ticks: LastTicks = 0,
    limit: Limit = USUAL,
    cursor: Cursor = None,
    view: View = "basic",
) -> Response:
    """Every schedule, in the order of their names."""
    here = at(request)
    queues = None if here.caller.queues is None else sorted(here.caller.queues)
    has_args = view == "full" and here.caller.may_read_arguments
    paging = Paging(("schedules", prefix), limit, cursor)
    wanted = None if prefix is None else storable("prefix", prefix)
    rows = await here.run(calls.schedule_page(paging.after[0], queues, paging.fetch, wanted))
    last = await here.run(calls.last_ticks([row.name for row in rows], ticks)) if ticks else {}
    return here.answer(
        paging.page(
            rows,
            lambda row: (row.name,),
            lambda row: schedule_shown(row, has_args, last.get(row.name, []) if ticks else None),
        )
    )


@endpoints.post(
    "/schedules", calls=("set_schedule",), is_bound=True, refuses=(409,), status=201, model=ScheduleOut, responses=_MADE
)
async def new_schedule(request: Request, body: NewScheduleIn) -> Response:
    """Make a schedule, which needs the role admin; 409 if there is one of this name. Workers follow within a second."""
    here = at(request)
    await _set(here, body.name, _whole(here, body.name, body), "new")
    return await _answer(here, body.name, 201, {"Location": f"{request.url.path}/{body.name}"})


@endpoints.post("/schedules/preview", may=READERS, rate="read", is_bound=True, model=PreviewOut)
async def preview_times(request: Request, body: PreviewIn) -> Response:
    """The next ticks of an expression or an interval, and its meaning in words. Nothing is stored."""
    name = body.name or ""
    fields = read_fields(name, body.model_dump(include={"cron", "every", "timezone", "starts_at", "ends_at"}))
    if not fields.keys() & {"cron", "every"}:
        raise invalid("cron", "nothing", 'give cron, such as "0 2 * * *", or every, such as 90')
    ticks = await asyncio.to_thread(next_ticks, Ticks.from_definition(fields, name), body.n, body.after)
    return at(request).answer({"description": describe_schedule(fields, name), "ticks": _shown(ticks), "error": None})


@endpoints.get("/schedules/{name}", is_bound=True, refuses=(404,), model=ScheduleOut)
async def schedule(request: Request, name: ScheduleName) -> Response:
    """One schedule, with its job and what came of its last tick."""
    return await _answer(at(request), name)


@endpoints.put("/schedules/{name}", calls=("set_schedule",), is_bound=True, refuses=(404,), model=ScheduleOut)
async def put_schedule(request: Request, name: ScheduleName, body: ScheduleIn) -> Response:
    """Make a schedule, or replace one: what is left out has its default. A pause stays. It needs the role admin.

    A change of its times never fires at once, and no earlier tick fires any more.
    """
    here = at(request)
    if here.caller.queues is not None:
        await _found(here, name, may_be_new=True)
    await _set(here, name, _whole(here, name, body), None)
    return await _answer(here, name)


@endpoints.patch("/schedules/{name}", calls=("set_schedule",), is_bound=True, refuses=(404,), model=ScheduleOut)
async def patch_schedule(request: Request, name: ScheduleName, body: ScheduleIn) -> Response:
    """Change a schedule: what is left out stays, null is the default again, and the job changes option by option.

    Another job needs the role admin.
    """
    here = at(request)
    fields, job = body.fields(), body.job
    if not fields and (job is None or not job.model_fields_set):
        raise invalid("body", "{}", "give at least one field, such as cron")
    status = await _found(here, name)
    if job is not None:
        _check_job(here, status, job)
    removed = [field for field in RESETTABLE if field in fields and fields[field] is None]
    await _set(here, name, changes_json(name, fields, job.members() if job else (), removed), "existing")
    return await _answer(here, name)


@endpoints.delete("/schedules/{name}", calls=("delete_schedule",), is_bound=True, refuses=(404,), status=204)
async def delete_schedule(request: Request, name: ScheduleName) -> Response:
    """Remove a schedule. Jobs that were made go on. One that code declares comes back with the next worker: pause it instead."""
    here = at(request)
    await _check_mine(here, name)
    with here.acting():
        await here.act(calls.delete_schedule(name))
    return Response(status_code=204)


@endpoints.post("/schedules/{name}/pause", calls=("pause_schedule",), is_bound=True, refuses=(404,), model=Changed)
async def pause_schedule(request: Request, name: ScheduleName) -> Response:
    """Stop making jobs. Jobs that were made already go on."""
    here = at(request)
    await _check_mine(here, name)
    with here.acting():
        return here.answer({"changed": await here.act(calls.pause_schedule(name))})


@endpoints.post("/schedules/{name}/resume", calls=("resume_schedule",), is_bound=True, refuses=(404,), model=Changed)
async def resume_schedule(request: Request, name: ScheduleName) -> Response:
    """Make jobs again, from the next tick on; the ticks of the pause make none, see backfill."""
    here = at(request)
    await _check_mine(here, name)
    with here.acting():
        return here.answer({"changed": await here.act(calls.resume_schedule(name))})


@endpoints.post("/schedules/{name}/trigger", calls=("trigger_schedule",), is_bound=True, refuses=(404, 409), model=Triggered)
async def trigger_schedule(request: Request, name: ScheduleName) -> Response:
    """Make a job now, also of a paused schedule. The next tick stays as it is."""
    here = at(request)
    await _check_mine(here, name)
    with here.acting():
        return here.answer({"job_id": await here.act(calls.trigger_schedule(name))})


@endpoints.post("/schedules/{name}/backfill", calls=("backfill_schedule",), is_bound=True, refuses=(404, 409), model=Backfilled)
async def backfill_schedule(request: Request, name: ScheduleName, body: BackfillIn) -> Response:
    """Make the jobs of past ticks that have made none; at most 10,000 ticks, all or nothing.

    Each tick makes at most one job, so repeating a request is safe.
    """
    here, priority = at(request), body.number()
    with _as_from_and_to():
        check_range(body.since, body.to)
        rule = ticks_of(await _found(here, name), None)
        ticks = await asyncio.to_thread(ticks_between, rule, body.since, body.to, IN_ONE_CALL)
    with here.acting():
        made = await here.act(calls.backfill_schedule(name, ticks, body.dry_run, priority)) if ticks else 0
    return here.answer({"jobs": made, "dry_run": body.dry_run})


@endpoints.get("/schedules/{name}/ticks", may_lag=True, is_bound=True, refuses=(404,), model=Page[TickOut])
async def ticks(request: Request, name: ScheduleName, limit: Limit = USUAL, cursor: Cursor = None) -> Response:
    """What became of the ticks of a schedule, the newest first."""
    here, paging = at(request), Paging(("ticks", name), limit, cursor)
    await _found(here, name)
    rows = await here.run(calls.schedule_ticks(name, paging.fetch, paging.after[0]))
    return here.answer(paging.page(rows, lambda row: (row.tick,)))


@endpoints.get("/schedules/{name}/preview", is_bound=True, refuses=(404,), model=PreviewOut)
async def preview_schedule(request: Request, name: ScheduleName, n: Count = 5) -> Response:
    """The next ticks of a schedule, paused or not; with jitter its jobs start up to so much later."""
    here = at(request)
    status = await _found(here, name)
    said: dict[str, Any] = {"description": describe_schedule(status.definition, name), "ticks": [], "error": None}
    try:
        said["ticks"] = _shown(await asyncio.to_thread(next_ticks, ticks_of(status, None), n, None))
    except InvalidArgument as error:  # only workers read expressions, so SQL takes invalid ones
        said["error"] = str(error)
    return here.answer(said)


async def _set(here: Here, name: str, changes: str, only: Literal["new", "existing"] | None) -> None:
    with here.acting():
        await here.act(calls.set_schedule(name, changes, only))


async def _answer(here: Here, name: str, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    found = await _found(here, name)
    return here.answer(schedule_shown(found, here.caller.may_read_arguments), status, headers)


async def _found(here: Here, name: str, may_be_new: bool = False) -> Any:
    """The schedule, if its jobs are for a queue of the caller; None if it is not there and may be new.

    Raises:
        Problem: there is none for this caller.
    """
    found = await here.run(calls.exact_schedule(name))
    if not found and may_be_new:
        return None
    if not found or (here.caller.queues is not None and queue_of(found[0]) not in here.caller.queues):
        raise absent(name)
    return found[0]


async def _check_mine(here: Here, name: str) -> None:
    """Refuse a schedule of other queues; who may see all asks SQL at once."""
    if here.caller.queues is not None:
        await _found(here, name)


def _whole(here: Here, name: str, body: ScheduleIn) -> str:
    """A whole schedule as changes: whatever is not given gets its default.

    Raises:
        Problem: it has no job or no times, or the queue is not the caller's.
        InvalidArgument: a value is invalid.
    """
    job = body.job
    if job is None or job.task is None:
        raise invalid("job.task", "nothing", "give the task that the schedule calls")
    if body.cron is None and body.every is None:
        raise invalid("cron", "nothing", 'give cron, such as "0 2 * * *", or every, such as 90')
    here.caller.must_be(ADMINS, SETTING_JOB)
    task = here.service.app.tasks.get(job.task)
    here.caller.check_queue(job.queue or (task.options.queue if task else "default"))
    return changes_json(name, body.fields(), [*NO_JOB, *job.defaults(here.service.app.tasks), *job.members()], RESETTABLE)


def _check_job(here: Here, status: ScheduleStatus, job: ScheduledJob) -> None:
    """Refuse whoever may not enqueue, arguments that do not fit a task which the app knows, and queues of others."""
    here.caller.must_be(ADMINS, SETTING_JOB)
    if "queue" in job.model_fields_set:
        here.caller.check_queue(job.queue or "default")
    task = here.service.app.tasks.get(job.task or status.task)
    if task is not None and "args" in job.model_fields_set:
        task.parameters.load(job.args_text())


def _shown(ticks: list[datetime]) -> list[dict[str, Any]]:
    """Ticks in UTC, and as clocks of their zone show them."""
    return [{"at": tick.astimezone(UTC), "local": tick.isoformat()} for tick in ticks]


@contextmanager
def _as_from_and_to() -> Iterator[None]:
    """Name the fields of a range as the request has them."""
    try:
        yield
    except InvalidArgument as error:
        text = str(error)
        for given, said in (("since: ", "from: "), ("until: ", "to: ")):
            if text.startswith(given):
                raise InvalidArgument(said + text.removeprefix(given)) from None
        raise
