"""Workers: who they are, what they run, what was rescued."""

from typing import Annotated, Any, get_args
from uuid import UUID

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from ...database.calls import workers as calls
from ..bodies.pages import USUAL, Cursor, Limit, Page, Paging
from ..bodies.workers import MOST_RUNS, RescueOut, Status, ToldOut, WorkerDetail, WorkerOut, WorkerStats
from ..endpoint import Endpoints
from ..here import Here, at
from ..problems import Problem

endpoints = Endpoints("workers")
_STATUSES: tuple[Status, ...] = get_args(Status)


def _told(worker: dict[str, Any], may_read_arguments: bool) -> dict[str, Any]:
    """A worker without what a key that may not read arguments does not see: an error may quote them."""
    return worker if may_read_arguments else worker | {"last_error": None}


@endpoints.get("/workers", model=Page[WorkerOut])
async def workers(request: Request, status: Status | None = None, limit: Limit = USUAL, cursor: Cursor = None) -> Response:
    """Every registered worker, the newest first; lost ones stay in the list for a while."""
    here = at(request)
    paging = Paging(("workers", status), limit, cursor, 2)
    rows = await here.run(calls.workers(status, paging.after, paging.fetch))
    found = [_told(row, here.caller.may_read_arguments) for row in rows]
    return here.answer(paging.page(found, lambda row: (row["started_at"], row["id"])))


@endpoints.get("/workers/stats", model=WorkerStats)
async def worker_stats(request: Request) -> Response:
    """How many workers there are by status, with the jobs that they can run at once."""
    here = at(request)
    found = {row["status"]: row for row in await here.run(calls.worker_counts())}
    none = {"workers": 0, "slots": 0, "running": 0}
    return here.answer({"by_status": [found.get(status) or {"status": status, **none} for status in _STATUSES]})


@endpoints.get("/workers/rescues", may_lag=True, model=Page[RescueOut])
async def rescues(
    request: Request,
    worker: UUID | None = None,
    queue: Annotated[str | None, Query(max_length=200)] = None,
    limit: Limit = USUAL,
    cursor: Cursor = None,
) -> Response:
    """Jobs that were taken from lost workers, by worker and queue, the latest first; as long as the history is kept."""
    here = at(request)
    paging = Paging(("rescues", worker, queue), limit, cursor, 3)
    found = await here.run(calls.rescues(worker, queue, paging.after, paging.fetch))
    return here.answer(paging.page(found, lambda row: (row["last_rescued_at"], row["worker_id"], row["queue"])))


@endpoints.get("/workers/{worker_id}", refuses=(404,), model=WorkerDetail)
async def worker(request: Request, worker_id: UUID) -> Response:
    """One worker with the jobs that it runs."""
    here = at(request)
    found = await here.run(calls.worker(worker_id))
    if not found:
        raise Problem("not-found", f"there is no worker {worker_id}; it never registered, has left, or is no longer kept")
    jobs = await here.run(calls.runs_of(worker_id, MOST_RUNS))
    if not here.caller.may_read_arguments:
        jobs = [job | {"progress": None} for job in jobs]
    return here.answer(_told(found[0], here.caller.may_read_arguments) | {"jobs": jobs})


@endpoints.post("/workers/{worker_id}/drain", calls=("tell_worker",), refuses=(404, 409), model=ToldOut)
async def drain(request: Request, worker_id: UUID) -> Response:
    """Tell a worker to claim nothing more, and to end once its handlers have, however long they take.

    A supervisor or an agent leaves its place empty.
    """
    return await _tell(at(request), worker_id, "drain")


@endpoints.post("/workers/{worker_id}/restart", calls=("tell_worker",), refuses=(404, 409), model=ToldOut)
async def restart(request: Request, worker_id: UUID) -> Response:
    """Tell a worker to drain with exit code 75, so that whoever looks after its process starts another one."""
    return await _tell(at(request), worker_id, "restart")


async def _tell(here: Here, worker_id: UUID, what: str) -> Response:
    with here.acting():
        changed = await here.act(calls.tell_worker(worker_id, what))
    return here.answer({"worker_id": worker_id, "told": what, "changed": changed})
