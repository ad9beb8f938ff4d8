"""Workers: who they are, what they run, what was rescued."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from ...database.calls import pages
from ..bodies.page import Cursor, Limit, Page, Paging
from ..endpoint import Endpoints
from ..here import at
from ..problems import Problem

endpoints = Endpoints("workers")
MOST_RUNS = 1000
Status = Literal["ACTIVE", "IDLE", "DEAD"]
_STATUSES: tuple[Status, ...] = ("ACTIVE", "IDLE", "DEAD")


class WorkerOut(BaseModel):
    """A process that runs jobs."""

    id: UUID
    name: str = Field(examples=["mail@web-1:4711"])
    host: str
    pid: int
    version: str
    status: Status = Field(description="ACTIVE: it runs jobs; IDLE: it runs none; DEAD: it has missed its lease")
    queues: list[str] = Field(examples=[["default", "mail"]])
    concurrency: int = Field(description="how many jobs it can run at once")
    running: int = Field(description="how many it ran at its last heartbeat")
    wake_mode: str = Field(description="notify, or polling and why", examples=["notify"])
    started_at: datetime
    heartbeat_at: datetime
    lease: float = Field(description="seconds after a heartbeat until it counts as lost", examples=[30.0])


class RunOut(BaseModel):
    """A job that a worker runs."""

    id: str
    task: str
    queue: str
    priority: int
    attempt: int
    max_attempts: int
    run_at: datetime
    claimed_at: datetime | None
    workflow_id: str | None
    progress: Any = Field(description="as its handler has reported it; null for a key that may not read arguments")


class WorkerDetail(WorkerOut):
    """A worker with what it runs."""

    jobs: list[RunOut] = Field(description=f"what it has claimed, {MOST_RUNS:,} at most, the oldest first")


class WorkerCount(BaseModel):
    """The workers of one status."""

    status: Status
    workers: int
    slots: int = Field(description="how many jobs they can run at once")
    running: int


class WorkerStats(BaseModel):
    """How many workers there are."""

    by_status: list[WorkerCount] = Field(description="each status once, also one that no worker has")


class RescueOut(BaseModel):
    """Jobs of one queue that were taken from a worker that was lost."""

    worker_id: UUID
    queue: str
    rescued: int
    crashed: int = Field(description="how many of them became dead letters, because their workers were lost too often")
    last_rescued_at: datetime


@endpoints.get("/workers", model=Page[WorkerOut])
async def workers(request: Request, status: Status | None = None, limit: Limit = 50, cursor: Cursor = None) -> Response:
    """Every registered worker, the newest first; lost ones stay in the list for a while."""
    here = at(request)
    paging = Paging(("workers", status), limit, cursor, 2)
    found = await here.run(pages.workers(status, paging.after, paging.fetch))
    return here.answer(paging.page(found, lambda row: (row["started_at"], row["id"])))


@endpoints.get("/workers/stats", model=WorkerStats)
async def worker_stats(request: Request) -> Response:
    """How many workers there are by status, with the jobs that they can run at once."""
    here = at(request)
    found = {row["status"]: row for row in await here.run(pages.worker_counts())}
    none = {"workers": 0, "slots": 0, "running": 0}
    return here.answer({"by_status": [found.get(status) or {"status": status, **none} for status in _STATUSES]})


@endpoints.get("/workers/rescues", model=Page[RescueOut])
async def rescues(
    request: Request,
    worker: UUID | None = None,
    queue: Annotated[str | None, Query(max_length=200)] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """Jobs that were taken from lost workers, by worker and queue, the latest first; as long as the history is kept."""
    here = at(request)
    paging = Paging(("rescues", worker, queue), limit, cursor, 3)
    found = await here.run(pages.rescues(worker, queue, paging.after, paging.fetch))
    return here.answer(paging.page(found, lambda row: (row["last_rescued_at"], row["worker_id"], row["queue"])))


@endpoints.get("/workers/{worker_id}", refuses=(404,), model=WorkerDetail)
async def worker(request: Request, worker_id: UUID) -> Response:
    """One worker with the jobs that it runs."""
    here = at(request)
    found = await here.run(pages.worker(worker_id))
    if not found:
        raise Problem("not-found", f"there is no worker {worker_id}; it never registered, has left, or is no longer kept")
    jobs = await here.run(pages.runs_of(worker_id, MOST_RUNS))
    if not here.caller.may_read_arguments:
        jobs = [job | {"progress": None} for job in jobs]
    return here.answer(found[0] | {"jobs": jobs})
