"""The job as its handler sees it."""

from datetime import datetime
from typing import Any


class JobContext:
    """One run of one job; passed to a handler that has a parameter annotated `JobContext`.

    Attributes:
        id: the job.
        queue, task, args, priority, meta: as enqueued.
        attempt: 1 for the first run; snoozed and given-back runs do not count.
        max_attempts: runs allowed, retries included.
        run_at, created_at: when it was due and when it was enqueued, on the database's clock.
        token: the claim's fence; finishing names (id, token).
    """

    __slots__ = (
        "args",
        "attempt",
        "created_at",
        "id",
        "max_attempts",
        "meta",
        "priority",
        "queue",
        "run_at",
        "task",
        "token",
    )

    def __init__(
        self,
        token: str,
        id: int,
        queue: str,
        task: str,
        args: dict[str, Any],
        attempt: int,
        max_attempts: int,
        priority: int,
        run_at: datetime,
        created_at: datetime,
        meta: Any,
    ) -> None:
        self.token = token
        self.id = id
        self.queue = queue
        self.task = task
        self.args = args
        self.attempt = attempt
        self.max_attempts = max_attempts
        self.priority = priority
        self.run_at = run_at
        self.created_at = created_at
        self.meta = meta

    def __repr__(self) -> str:
        return f"JobContext(id={self.id}, task={self.task!r}, queue={self.queue!r}, attempt={self.attempt}/{self.max_attempts})"
