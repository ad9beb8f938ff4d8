"""Enqueuing: one job, many jobs, and which job a call would be a duplicate of."""

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from typing import Any

import psycopg
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response

from ...database.call import Call
from ...database.calls import enqueue as calls
from ...database.calls import reads
from ...database.calls import requests as request_calls
from ...database.calls.enqueue import Added
from ...errors import InvalidArgument, JobNotFound, PgQueueError, WrongState
from ...tracing.sending import sending
from .. import answers, exact
from ..bodies.enqueue import AddedOut, BatchIn, BatchOut, FoundOut, HolderOut, JobIn
from ..bodies.filters import id_of
from ..callers.caller import PRODUCERS, READERS
from ..endpoint import Endpoints
from ..here import Here, at
from ..jobs import enqueuing, idempotency
from ..jobs.enqueuing import One, Order
from ..jobs.owned import check_owned
from ..problems import Problem, of

endpoints = Endpoints("jobs")
MOST_PARENTS_LOOKED_AT = 100  # of a key for some queues: each costs a look

_DUPLICATE: dict[int | str, dict[str, Any]] = {200: {"description": "the job was there already", "model": AddedOut}}
_MADE: Mapping[str, Any] = {"may": PRODUCERS, "is_bound": True, "refuses": (404, 409, 413)}


@endpoints.post(
    "/jobs",
    **_MADE,
    hot_body=JobIn,
    calls=("enqueue", "enqueue_plain", "enqueue_many", "enqueue_once"),
    model=AddedOut,
    status=201,
    responses=_DUPLICATE,
)
async def enqueue(request: Request, body: JobIn, idempotency_key: idempotency.Key = None) -> Response:
    """Add a job.

    The answer is 201 with the id of the new job, or 200 with that of the job that has its key, if it is unique. If the server
    has the app of the task, its options are the defaults, and the arguments are checked by its hints.
    """
    here = at(request)
    app = here.service.app
    with ExitStack() as stack:
        one = enqueuing.one_of(app, enqueuing.order_of(app, body), body.args, stack)
        await _check_queues(here, [one])
        sent, headers = stack.enter_context(sending(one.order.name, one.order.options.queue)), dict[str, str]()
        if idempotency_key is None:
            ((id, duplicate),) = await _run(here, sent.noting(enqueuing.enqueuing(app, one, sent.trace, stack)), [one])
        else:
            [(id, duplicate)], headers = await _run_once(here, request, idempotency_key, [one], sent.trace)
    headers = {**headers, "Location": f"{request.url.path}/{id}"}
    return answers.json({"id": str(id), "duplicate": duplicate}, 200 if duplicate else 201, headers)


@endpoints.post(
    "/jobs/batch", **_MADE, hot_body=BatchIn, calls=("enqueue_many", "enqueue_once", "first_refused"), model=BatchOut, status=201
)
async def enqueue_batch(request: Request, body: BatchIn, idempotency_key: idempotency.Key = None) -> Response:
    """Add up to 10,000 jobs: all of them, or none.

    A refusal names the place of the job, from 0: `jobs[17]`. It is fastest if they differ in nothing but their arguments.
    """
    here = at(request)
    app = here.service.app
    with ExitStack() as stack:
        jobs = _ordered(here, body.jobs, stack)
        await _check_queues(here, jobs)
        names = {one.order.name for one in jobs}
        sent = stack.enter_context(sending(names.pop() if len(names) == 1 else None, None))
        headers = dict[str, str]()
        try:
            if idempotency_key is None:
                added = await _run(here, sent.noting(enqueuing.enqueuing_all(app, jobs, sent.trace, stack)), jobs)
            else:
                added, headers = await _run_once(here, request, idempotency_key, jobs, sent.trace)
        except (InvalidArgument, JobNotFound, WrongState) as error:
            raise await _placed(here, jobs, error) from None
    ids = {"ids": [str(id) for id, _ in added], "duplicates": [str(id) for id, duplicate in added if duplicate]}
    return answers.json(ids, 201, headers)


@endpoints.post("/jobs/find-duplicate", may=PRODUCERS, calls=("find_duplicate",), is_bound=True, rate="read", model=FoundOut)
async def find_duplicate(request: Request, body: JobIn) -> Response:
    """Which job stands in the way of this one: nothing is added. It may be over when the answer arrives."""
    here = at(request)
    with ExitStack() as stack:
        call = enqueuing.finding(here.service.app, body, stack)
    found = await _run(here, call)
    if found is not None:
        found = found if await _sees(here, found) else None
    return here.answer({"id": found})


@endpoints.get("/jobs/{job_id}/duplicates", may=READERS, calls=("key_holder",), is_bound=True, refuses=(404,), model=HolderOut)
async def duplicates(request: Request, job_id: str) -> Response:
    """Who holds the key of a unique job now.

    Which requests were dropped as its duplicates is not kept.
    """
    here, id = at(request), id_of("job_id", job_id)
    await check_owned(here, id)
    found = await here.run(calls.key_holder(id))
    if found.is_unique is None:
        raise JobNotFound(f"there is no job {id}; it never existed, or the history no longer keeps it")
    return here.answer({"is_unique": found.is_unique, "holder": None if found.holder is None else str(found.holder)})


def _ordered(here: Here, jobs: list[dict[str, Any]], stack: ExitStack) -> list[One]:
    """The jobs of a batch. Options are read once for all jobs that have the same."""
    app, known, found = here.service.app, dict[bytes, Order](), list[One]()
    for place, job in enumerate(jobs):
        args = job.pop("args", {})
        try:
            if not isinstance(args, dict):
                raise InvalidArgument("args: it is not valid; give the arguments by name, as an object")
            options = exact.write(job)
            order = known.get(options)
            if order is None:
                order = known[options] = enqueuing.order_of(app, JobIn.model_validate(job))
            found.append(enqueuing.one_of(app, order, args, stack))
        except (ValidationError, InvalidArgument, Problem, TypeError) as error:
            raise _refused_at(place, error) from None
    return found


def _refused_at(place: int, error: Exception) -> Problem:
    if isinstance(error, ValidationError):
        fault = error.errors(include_url=False, include_context=False)[0]
        field = ".".join(map(str, (f"jobs[{place}]", *fault["loc"])))
        return Problem("invalid", f"{field}: it is not valid; {fault['msg'].removeprefix('Value error, ')}", field=field)
    known = of(error)
    what = str(error) if known is None else known.detail
    field = f"jobs[{place}]"
    return Problem("invalid", f"{field}: {what}", field=field)


async def _placed(here: Here, jobs: list[One], error: PgQueueError) -> Exception:
    """What the database refuses, with the place of the job: it does not know which one it was."""
    place = await _run(here, request_calls.first_refused([enqueuing.element(one, None) for one in jobs]))
    problem = of(error)
    if place is None or problem is None:
        return error
    return Problem(problem.kind, f"jobs[{place}]: {problem.detail}", problem.headers, field=f"jobs[{place}]")


async def _check_queues(here: Here, jobs: list[One]) -> None:
    """Raise Problem for a queue, or a parent in a queue, that the key is not for."""
    if here.caller.queues is None:
        return
    for queue in {one.order.options.queue for one in jobs}:
        here.caller.check_queue(queue)
    parents = {parent for one in jobs for parent in one.order.options.depends_on or ()}
    if len(parents) > MOST_PARENTS_LOOKED_AT:
        raise Problem("forbidden", f"depends_on: a key for some queues may name {MOST_PARENTS_LOOKED_AT} jobs at most")
    for parent in sorted(parents):
        await check_owned(here, parent)


async def _sees(here: Here, job_id: int) -> bool:
    if here.caller.queues is None:
        return True
    found = await here.run(reads.job(job_id))
    return bool(found) and found[0]["queue"] in here.caller.queues


async def _run(here: Here, call: Call[Any], jobs: Iterable[One] = ()) -> Any:
    run = here.add if any(one.order.options.depends_on for one in jobs) else here.run
    try:
        return await run(call)
    except psycopg.DataError as error:
        raise enqueuing.stored_badly(error) from None


async def _run_once(
    here: Here, request: Request, key: str, jobs: list[One], trace: str | None
) -> tuple[list[Added], dict[str, str]]:
    elements = [enqueuing.element(one, trace) for one in jobs]
    done = await _run(here, await idempotency.once(here, request, key, elements), jobs)
    headers = idempotency.headers_of(done)
    return done.added, headers
