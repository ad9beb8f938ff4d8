"""What workers without a driver call: register, claim, heartbeat, finish, leave."""

import asyncio
from typing import Annotated, Any
from uuid import UUID, uuid4

import orjson
from fastapi import Body as BodyParam
from starlette.requests import Request
from starlette.responses import Response

from ...database.call import Rows
from ...database.calls import manage as manage_calls
from ...database.calls import workers as worker_calls
from ...database.instants import moment
from ...errors import WorkerLost
from .. import exact
from ..bodies.filters import id_of
from ..bodies.http_workers import Beat, Beaten, ClaimAnswer, ClaimBody, FinishBody, Left, Registered, Registration, Verdicts
from ..callers.caller import WORKERS
from ..endpoint import Endpoints
from ..here import Here, at
from ..jobs import outcomes
from ..problems import Problem, invalid
from ..waiting.gone import until_gone
from ..workers.handover import Handover
from ..workers.polls import Poll, Wanted

endpoints = Endpoints("HTTP workers")
WAKE_MODE = "http"
GRACE = 12.0  # seconds in which the answer to a claim may be on its way: those jobs are not given back by a heartbeat
FACTS: dict[str, Any] = {"may": WORKERS, "rate": "lease", "is_bound": True}


def worker_of(text: str) -> UUID:
    """The id of a worker.

    Raises:
        Problem: it is none.
    """
    try:
        return UUID(text)
    except ValueError:
        raise invalid("worker_id", text, "use the id that registering has answered") from None


async def check_worker(here: Here, worker: UUID) -> list[str]:
    """The queues of a worker of the caller.

    Raises:
        WorkerLost: it is not registered, has missed its lease, or is one of other queues.
    """
    queues, mine = await here.run(worker_calls.queues_of(worker)), here.caller.queues
    if queues is None or (mine is not None and not mine.issuperset(queues)):
        raise WorkerLost(
            f"worker {worker} is not registered, or missed its lease; its jobs run elsewhere: register under a new id"
        )
    return queues


async def check_bound(here: Here, worker: UUID) -> None:
    """Raise WorkerLost if the key of the caller is for some queues, and the worker serves others."""
    if here.caller.queues is not None:
        await check_worker(here, worker)


@endpoints.post("/workers", calls=("register_worker",), status=201, model=Registered, **FACTS)
async def register(request: Request, body: Registration) -> Response:
    """Register a worker.

    Each start of a worker takes a new id. A worker whose lease is lost registers again under a new id. Asking again with the same
    id, because the answer was lost, changes nothing.
    """
    here = at(request)
    for queue in body.queues:
        here.caller.check_queue(queue)
    here.service.upkeep.start()
    id, version = body.id or uuid4(), f"http {body.version}".strip()
    call = worker_calls.register_worker(
        id, body.name, body.host, body.pid, version, body.queues, body.concurrency, body.lease, None, body.tasks
    )
    await here.run(call)
    location = {"Location": f"{request.url.path}/{id}"}
    return here.answer({"id": str(id), "lease": body.lease, "heartbeat_every": round(body.lease / 3, 3)}, 201, location)


@endpoints.post(
    "/workers/{worker_id}/heartbeat",
    calls=("heartbeat", "cancel_requests", "reconcile"),
    refuses=(409,),
    model=Beaten,
    **FACTS,
)
async def heartbeat(request: Request, worker_id: str, body: Beat) -> Response:
    """Keep the lease, and hear which runs are to end.

    Jobs that run under this worker for more than 12 s (or its lease, if that is shorter) and that are not among `known` are given
    back, because the answer to their claim was lost. 409 if the lease is lost already.
    """
    here, worker = at(request), worker_of(worker_id)
    await check_bound(here, worker)
    here.service.upkeep.start()
    known = body.running if body.known is None else list({*body.known, *body.running})
    timed = None if not body.timed else exact.write([one.model_dump() for one in body.timed]).decode()
    beat = await here.run(worker_calls.heartbeat(worker, body.running, WAKE_MODE, timed))
    to_end = await here.run(manage_calls.cancel_requests(worker, known, False))
    gave_back = await here.run(worker_calls.reconcile(worker, known, GRACE))
    cancel = [{"job_id": id, "force": fenced} for id, fenced in to_end if id not in gave_back]
    return here.answer({"cancel": cancel, "active_workers": beat.workers, "gave_back": [str(id) for id in gave_back]})


@endpoints.post(
    "/workers/{worker_id}/claim", calls=("claim", "claimed_jobs", "give_back"), refuses=(409,), model=ClaimAnswer, **FACTS
)
async def claim(request: Request, worker_id: str, body: ClaimBody) -> Response:
    """Claim jobs, and wait for the first one if there are none.

    Asking again with the same `claim_id` gives the jobs of that claim that still run, and takes the place of a request with
    this id that still waits. A request whose client is gone claims nothing; jobs that could not be answered are given back.
    An answer has 1,000 jobs or 8 MiB at most, whatever is wanted.
    """
    here, worker = at(request), worker_of(worker_id)
    if not here.caller.may_read_arguments:
        raise Problem("forbidden", f"the key {here.caller.name} may not read arguments, and a claim answers them")
    for queue in body.queues or ():
        here.caller.check_queue(queue)
    queues = body.queues
    if queues is None or here.caller.queues is not None:
        own = await check_worker(here, worker)
        queues = queues or own
    here.service.upkeep.start()
    wanted = Wanted(worker, body.claim_id or uuid4(), tuple(queues), body.want, body.wait, body.claim_id is not None)
    return await _claimed(request, here, wanted)


async def _claimed(request: Request, here: Here, wanted: Wanted) -> Response:
    polls = here.service.polls
    gone = asyncio.create_task(until_gone(request.receive))
    try:
        poll = await polls.open(wanted, gone)
    except BaseException:
        gone.cancel()
        raise
    try:
        await polls.claim(poll)
        return Handover(_answer(poll), polls, poll)
    except BaseException:
        await polls.give_back(poll)
        polls.close(poll)
        raise


def _answer(poll: Poll) -> bytes:
    token = str(poll.wanted.token)
    jobs = [] if poll.is_replaced else _jobs(poll.rows)
    return exact.write({"claim_id": token, "token": token, "jobs": jobs, "look_again_in": round(poll.again_in, 3)})


def _jobs(rows: Rows) -> list[dict[str, Any]]:
    return [
        {
            "id": str(id),
            "queue": queue,
            "task": task,
            "args": orjson.Fragment(args),
            "attempt": attempt,
            "max_attempts": most,
            "priority": priority,
            "run_at": moment(run_at),
            "created_at": moment(created_at),
            "meta": _json_of(meta),
            "node": _json_of(node),
            "limits": limits,
            "terms": _json_of(terms),
        }
        for id, queue, task, args, attempt, most, priority, run_at, created_at, meta, node, limits, terms in rows
    ]


def _json_of(text: str | None) -> orjson.Fragment | None:
    return None if text is None else orjson.Fragment(text)


@endpoints.post("/workers/{worker_id}/finish", calls=("finish", "confirm"), model=Verdicts, **FACTS)
async def finish(request: Request, worker_id: str, body: FinishBody) -> Response:
    """Hand in outcomes of runs, and hear a verdict for each.

    It may be sent again when its answer was lost.
    """
    here, worker = at(request), worker_of(worker_id)
    verdicts = await outcomes.finish(here, body.outcomes, worker)
    return here.answer({"verdicts": [outcomes.shown(verdict) for verdict in verdicts]})


@endpoints.delete("/workers/{worker_id}", calls=("retire_worker",), model=Left, **FACTS)
async def leave(
    request: Request,
    worker_id: str,
    cut_off: Annotated[list[str] | None, BodyParam(embed=True, description="jobs whose handlers had begun")] = None,
) -> Response:
    """Leave: what still runs under this worker is given back at once, and no attempt counts. It may be sent again."""
    here, worker = at(request), worker_of(worker_id)
    await check_bound(here, worker)
    ids = [id_of("cut_off", id) for id in cut_off or ()]
    gave_back = await here.run(worker_calls.retire_worker(worker, ids))
    return here.answer({"gave_back": [str(id) for id in gave_back]})
