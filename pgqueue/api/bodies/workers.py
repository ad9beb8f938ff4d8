"""Workers as they are answered."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

MOST_RUNS = 1000  # jobs of one worker that are answered
Status = Literal["ACTIVE", "IDLE", "DEAD"]


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
    loop_lag: float | None = Field(
        description="seconds for which its event loop was blocked at the longest before its last heartbeat; null: not measured"
    )
    memory: int | None = Field(description="bytes of its process at its last heartbeat; null: not measured")


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
