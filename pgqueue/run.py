"""One run of one job, as the claim has told it; `JobContext` adds what a handler can do."""

from datetime import datetime
from typing import Any

from ._json import loads
from .inject import ContextMarker
from .workflow.node import Node
from .workflow.own_workflow import OwnWorkflow


class Run(ContextMarker):
    """What is known of a run.

    Attributes:
        id: the job.
        queue, task, args, priority, meta: as enqueued.
        attempt: 1 for the first run; snoozed and given-back runs do not count.
        max_attempts: runs allowed, retries included.
        run_at, created_at: when it was due and when it was enqueued, on the database's clock.
        token: the claim's fence; finishing names (id, token).
        started: when the handler began, on time.perf_counter().
        is_in_block: whether a `transaction()` of this run is open.
        is_finished: whether a `transaction()` has finished the job.
        result_json: the result that it has finished it with, as JSON text; None for none.
        own_workflow: what the handler adds nodes by; None until it asks.
        node: what makes the job a node of a workflow; None for others, and for those that became one while they ran.
        limits: the keys of the limits that this start was counted for; None for a job without limits.
        cancelled: whether the job's workflow was cancelled while it runs. Async handlers are cancelled then, and processes
            ended; a handler in a thread cannot be stopped: let long ones look at this, and return `Cancel()`. However it ends,
            it does not run again.
        dropped: whether the worker has given this run up, because its lease is lost or the grace is over; it has no outcome.
    """

    __slots__ = (
        "_services",
        "_told_at",
        "args_json",
        "attempt",
        "cancelled",
        "created_at",
        "dropped",
        "id",
        "is_finished",
        "is_in_block",
        "limits",
        "max_attempts",
        "meta_json",
        "node",
        "own_workflow",
        "priority",
        "queue",
        "result_json",
        "run_at",
        "started",
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
        node_json: str | None = None,
        limits: list[str] | None = None,
        services: Any = None,
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
        self.started = self._told_at = 0.0
        self.is_in_block = self.is_finished = False
        self.result_json: str | None = None
        self.own_workflow: OwnWorkflow | None = None
        self.node = None if node_json is None else Node(node_json)
        self.limits = limits
        self.cancelled = self.dropped = False
        self._services = services

    @property
    def args(self) -> dict[str, Any]:
        """The arguments by name. Decoded here and not while claiming: what cannot be decoded is the failure of this job alone."""
        decoded: dict[str, Any] = loads(self.args_json)
        return decoded

    @property
    def meta(self) -> Any:
        """What was enqueued as `meta`, None without."""
        return None if self.meta_json is None else loads(self.meta_json)

    @property
    def node_json(self) -> str | None:
        """What the claim told of the node, None for a job that is none."""
        return None if self.node is None else self.node.json

    def _added_json(self) -> str | None:
        """What the handler has added to its workflow, as SQL takes it; None for nothing. Raises InvalidArgument."""
        return self.own_workflow._nodes_json() if self.own_workflow else None
