"""How far a workflow is."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..errors import JobNotFound

STATES = ("blocked", "scheduled", "ready", "running", "succeeded", "failed", "cancelled", "skipped")


@dataclass(frozen=True, slots=True)
class WorkflowProgress:
    """How a workflow stood at a moment.

    Attributes:
        id, name: of the workflow; the name is None where it has none.
        status: running; once it is over succeeded, failed, cancelled or skipped.
        nodes: how many there are, and `open` of them are not over.
        blocked, scheduled, ready, running, succeeded, failed, cancelled, skipped: how many are so.
        created_at, finished_at: on the database's clock; finished_at is None until it is over.
        cancelled_at: when it was asked to be cancelled; None without.
        repairs: how many nodes had to be put right by `repair_workflows`; 0 unless something went wrong.
    """

    id: int
    name: str | None
    status: str
    nodes: int
    open: int
    blocked: int
    scheduled: int
    ready: int
    running: int
    succeeded: int
    failed: int
    cancelled: int
    skipped: int
    created_at: datetime
    finished_at: datetime | None
    cancelled_at: datetime | None
    repairs: int

    @classmethod
    def of(cls, id: int, rows: list[dict[str, Any]]) -> "WorkflowProgress":
        """What a look for a workflow has found.

        Raises:
            JobNotFound: nothing.
        """
        if not rows:
            raise no_workflow(id)
        return cls(**rows[0])

    @property
    def is_over(self) -> bool:
        """Whether nothing of it will run any more, unless it is retried."""
        return self.status != "running"

    @property
    def counts(self) -> dict[str, int]:
        """How many nodes are in each state, zeros included."""
        return {state: getattr(self, state) for state in STATES}


def no_workflow(id: int) -> JobNotFound:
    """What is raised for a workflow that is not there."""
    return JobNotFound(f"there is no workflow {id}; it never existed, is not committed yet, or is no longer kept")
