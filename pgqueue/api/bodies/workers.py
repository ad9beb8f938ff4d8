"""Workers as they are answered."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

MOST_RUNS = 1000  # jobs of one worker that are answered
Status = Literal["ACTIVE", "IDLE", "PAUSED", "DRAINING", "DEAD"]

STATUSES = (
    "the first that holds: DEAD: it has missed its lease; DRAINING: it ends once its jobs have; PAUSED: all of its queues are "
    "paused; ACTIVE: it runs jobs; IDLE: it runs none"
)


class WorkerOut(BaseModel):
    """A process that runs jobs."""

    id: UUID
    name: str = Field(examples=["mail@web-1:4711"])
    host: str
    pid: int
    version: str
    status: Status = Field(description=STATUSES)
    queues: list[str] = Field(examples=[["default", "mail"]])
    concurrency: int = Field(description="how many jobs it can run at once")
    running: int = Field(description="how many it ran at its last heartbeat")
    wake_mode: str = Field(description="notify, or polling and why", examples=["notify"])
    started_at: datetime
    heartbeat_at: datetime
    lease: float = Field(description="seconds after a heartbeat until it counts as lost", examples=[30.0])
    loop_lag: float | None = Field(
        description="seconds for which its event loop was blocked at the longest before its last heartbeat; null: not measured"
    )
    memory: int | None = Field(description="bytes of its process at its last heartbeat; null: not measured")
    memory_limit: int | None = Field(description="bytes that its container may use; null: no limit")
    cores: float | None = Field(description="CPUs that its container may use; null: it has not said")
    cpu_seconds: float | None = Field(description="what its process has used of them since its start; null: not measured")
    done: int = Field(description="runs that have succeeded since its start")
    failed: int = Field(description="runs that have failed since its start")
    last_error: str | None = Field(description="type and message of the last one; null for a key that may not read arguments")
    app_version: str | None = Field(description="of the application, as it says", examples=["2026.11"])
    told: Literal["drain", "restart"] | None = Field(description="what it was told")
    lost_because: str | None = Field(description="why its process has ended, if its supervisor has said so")
    pool: str | None = Field(description="the pool whose agent has started it")
    slot: int | None = Field(description="the slot of the pool that it fills")
    generation: int | None = Field(description="of the slot when it started")


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
    timeout: float | None = Field(description="seconds that a run may take; null: any time")
    ends_at: datetime | None = Field(description="about when its timeout, or the deadline of the job, ends the run")


class WorkerDetail(WorkerOut):
    """A worker with what it runs."""

    tasks: list[str] | None = Field(description="the tasks that it can run, 1,000 at most; null: it has not said")
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


class ToldOut(BaseModel):
    """What a worker was told."""

    worker_id: UUID
    told: Literal["drain", "restart"]
    changed: bool = Field(description="whether it was not told so before")


class RescueOut(BaseModel):
    """Jobs of one queue that were taken from a worker that was lost."""

    worker_id: UUID
    queue: str
    rescued: int
    crashed: int = Field(description="how many of them became dead letters, because their workers were lost too often")
    last_rescued_at: datetime


class FrameOut(BaseModel):
    """A place in a stack."""

    file: str
    line: int | None
    function: str
    code: str = Field(description="the line, without secrets; empty: its file is not there")


class GroupOut(BaseModel):
    """Threads or tasks that stand at the same place."""

    names: list[str] = Field(description="the first ones")
    jobs: list[str] = Field(description="ids of the jobs that they run, the first ones")
    count: int
    frames: list[FrameOut] = Field(description="the innermost last")


class ProcessOut(BaseModel):
    """A process of a worker that runs a handler."""

    pid: int | None
    job: str
    threads: list[GroupOut] | None = None
    problem: str | None = Field(None, description="why it does not say what it does")


class StacksOfWorker(BaseModel):
    """What a worker does at a moment."""

    pid: int
    python: str
    blocked_for: float = Field(description="seconds for which its event loop has not answered")
    threads: list[GroupOut] = []
    tasks: list[GroupOut] = Field([], description="asyncio tasks that wait; the one that runs is in the thread of the loop")
    processes: list[ProcessOut] = []
    left_out: int = Field(0, description="how many found no room in 256 kB")
    problem: str | None = Field(None, description="why they could not be taken")


class StacksOut(BaseModel):
    """A question to a worker, and its answer."""

    worker_id: UUID
    asked_at: datetime
    asked_by: str
    answered_at: datetime | None = Field(description="null: not yet")
    is_open: bool = Field(description="whether the answer is on its way; what is there is that of an earlier question")
    stacks: StacksOfWorker | None
