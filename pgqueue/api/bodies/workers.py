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
