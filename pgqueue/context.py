"""The job as its handler sees it."""

from datetime import datetime
from typing import Any

from ._json import loads


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
        "args_json",
        "attempt",
        "created_at",
        "id",
        "max_attempts",
        "meta_json",
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
        args_json: str,
        attempt: int,
        max_attempts: int,
        priority: int,
        run_at: datetime,
        created_at: datetime,
        meta_json: str | None,
    ) -> None:
        self.token = token
        self.id = id
        self.queue = queue
        self.task = task
        self.args_json = args_json
        self.attempt = attempt
        self.max_attempts = max_attempts
        self.priority = priority
        self.run_at = run_at
        self.created_at = created_at
        self.meta_json = meta_json

    @property
    def args(self) -> dict[str, Any]:
        """The arguments by name. Decoded here and not while claiming: what cannot be decoded is the failure of this job alone."""
        decoded: dict[str, Any] = loads(self.args_json)
        return decoded

    @property
    def meta(self) -> Any:
        """What was enqueued as `meta`, None without."""
        return None if self.meta_json is None else loads(self.meta_json)

    def __repr__(self) -> str:
        return f"JobContext(id={self.id}, task={self.task!r}, queue={self.queue!r}, attempt={self.attempt}/{self.max_attempts})"
