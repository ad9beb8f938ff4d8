"""One run of one job, with the data of its claim; `JobContext` adds the methods for handlers."""

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from ._json import loads
from .database.instants import moment
from .errors import SoftTimeout
from .inject import ContextMarker
from .terms import Terms
from .watching.said import Said
from .workflow.node import Node
from .workflow.own_workflow import OwnWorkflow


class Run(ContextMarker):
    """The data of a run.

    Attributes:
        id: the id of the job.
        queue, task, args, priority, meta: the values from the enqueue.
        attempt: 1 for the first run; snoozed and given-back runs do not count. A retry by hand goes on counting.
        max_attempts: allowed runs, including retries; after a retry by hand so many more.
        run_at, created_at: when it was due and when it was enqueued, on the clock of the database.
        token: the fence of the claim; a finish must present (id, token).
        started: when the handler started, on time.perf_counter().
        is_in_block: whether a `transaction()` of this run is open.
        block: that `transaction()`; None if none is open.
        memory: what it knows of the steps of its job; None until the first one.
        is_finishing: whether a `transaction()` is just finishing the job: it is not known yet whether it succeeds.
        is_finished: whether a `transaction()` has finished the job.
        has_returned: whether the handler has returned, and only its outcome is still being prepared.
        result_json: the result of this transaction as JSON text; None for none.
        own_workflow: the object with which the handler adds nodes; None until it is used.
        node: the data of the job as a node of a workflow; None for other jobs, and for jobs that became a node while they ran.
        limits: the keys of the limits that counted this start; None for a job without limits.
        terms: how long the job may take, and its schedule; None for a job without either.
        deadline: when the `total_timeout` of the job ends, on time.perf_counter(); None without one.
        clock_at: since when the timeouts of the run count, on time.perf_counter(); None until its handler starts.
        timed_out: whether the run has passed its timeout; its outcome is a failure with reason timeout.
        soft_timeout: raised at the handler's await in place of the cancellation that the worker has requested; None = nothing.
        cancelled: whether the job, or its workflow, was cancelled while it runs. Then async handlers are cancelled; handlers in
            threads and processes should check it: see `JobContext.raise_if_cancelled`. The job does not run again.
        said: how many log lines the run has said.
        sink: takes its log lines; None = that of its services, if it has any.
        dropped: whether the worker has given this run up, because its lease is lost, the grace is over or the job was ended by
            force; the run has no outcome.
        fenced: whether it was dropped because the job has ended without it.
    """

    __slots__ = (
        "_created_at",
        "_run_at",
        "_services",
        "_told_at",
        "args_json",
        "attempt",
        "block",
        "cancelled",
        "clock_at",
        "deadline",
        "dropped",
        "fenced",
        "has_returned",
        "id",
        "is_finished",
        "is_finishing",
        "is_in_block",
        "limits",
        "max_attempts",
        "memory",
        "meta_json",
        "node",
        "own_workflow",
        "priority",
        "queue",
        "result_json",
        "said",
        "sink",
        "soft_timeout",
        "started",
        "task",
        "terms",
        "timed_out",
        "token",
    )

    deadline: float | None
    clock_at: float | None
    soft_timeout: SoftTimeout | None
    sink: Callable[["Run", Said], object] | None

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
        run_at: datetime | bytes,
        created_at: datetime | bytes,
        meta_json: str | None,
        node_json: str | None = None,
        limits: list[str] | None = None,
        terms_json: str | None = None,
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
        self._run_at = run_at
        self._created_at = created_at
        self.meta_json = meta_json
        self.started = self._told_at = 0.0
        self.is_in_block = self.is_finishing = self.is_finished = self.has_returned = False
        self.block: Any = None
        self.memory: Any = None
        self.result_json: str | None = None
        self.own_workflow: OwnWorkflow | None = None
        self.node = None if node_json is None else Node(node_json)
        self.limits = limits
        self.terms = None if terms_json is None else Terms.from_json(terms_json)
        self.deadline = self.clock_at = self.soft_timeout = None
        if self.terms is not None and self.terms.left is not None:
            self.deadline = time.perf_counter() + self.terms.left
        self.cancelled = self.dropped = self.fenced = self.timed_out = False
        self.said, self.sink = 0, None
        self._services = services

    @property
    def run_at(self) -> datetime:
        """When the job was due, on the clock of the database."""
        return moment(self._run_at) if isinstance(self._run_at, bytes) else self._run_at

    @property
    def created_at(self) -> datetime:
        """When the job was enqueued, on the clock of the database."""
        return moment(self._created_at) if isinstance(self._created_at, bytes) else self._created_at

    @property
    def args(self) -> dict[str, Any]:
        """The arguments by name. They are decoded here and not by the claim, so that a decoding error fails only this job."""
        decoded: dict[str, Any] = loads(self.args_json)
        return decoded

    @property
    def meta(self) -> Any:
        """The `meta` of the enqueue; None if there is none."""
        return None if self.meta_json is None else loads(self.meta_json)

    @property
    def node_json(self) -> str | None:
        """The data of the node from the claim; None for a plain job."""
        return None if self.node is None else self.node.json

    @property
    def terms_json(self) -> str | None:
        """The terms from the claim; None for a job without any."""
        return None if self.terms is None else self.terms.json

    @property
    def schedule(self) -> str | None:
        """The name of the schedule that has made the job; None for other jobs."""
        return None if self.terms is None else self.terms.schedule

    @property
    def scheduled_for(self) -> datetime | None:
        """The tick of the schedule that the job stands for, in UTC; None for a job without a schedule."""
        return None if self.terms is None else self.terms.scheduled_for

    @property
    def stands_for(self) -> int:
        """How many ticks of its schedule the job stands for: 1, or more if ticks were missed."""
        return 1 if self.terms is None else self.terms.stands_for

    @property
    def timeout_at(self) -> float | None:
        """When the run is ended, by its timeout or the deadline of its job, on time.perf_counter(); None without either."""
        timeout = None if self.terms is None else self.terms.timeout
        if timeout is None or self.clock_at is None:
            return self.deadline
        at = self.clock_at + timeout
        return at if self.deadline is None else min(at, self.deadline)

    @property
    def is_past_timeout(self) -> bool:
        """Whether the run has passed its timeout or the deadline of its job. Safe in any thread."""
        at = self.timeout_at
        return self.timed_out or (at is not None and time.perf_counter() >= at)

    def _keep_line(self, said: Said) -> None:
        """Keep a line in the log of the job; without a worker it is dropped."""
        if sink := self.sink or (self._services and self._services.lines):
            sink(self, said)

    def _added_json(self) -> str | None:
        """The nodes that the handler has added, in the form that SQL takes; None for none. Raises InvalidArgument."""
        return self.own_workflow._nodes_json() if self.own_workflow else None
