"""The progress of a workflow."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..errors import JobNotFound

STATES = ("blocked", "scheduled", "ready", "running", "succeeded", "failed", "cancelled", "skipped")


@dataclass(frozen=True, slots=True)
class WorkflowProgress:
    """The progress of a workflow at one moment.

    Attributes:
        id, name: the id and the name of the workflow; the name may be None.
        status: running, or after its end succeeded, failed, cancelled or skipped.
        nodes: the number of nodes; `open` of them are not over.
        blocked, scheduled, ready, running, succeeded, failed, cancelled, skipped: how many nodes are in this state.
        created_at, finished_at: times on the clock of the database; finished_at is None until it is over.
        cancelled_at: when its cancellation was requested; None if it was not.
        repairs: how many nodes `repair_workflows` has repaired; 0 in a sound workflow.
        callback_error: why its `on_success` or `on_failure` was not enqueued when it ended; None if nothing stood in the way.
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
    callback_error: str | None = None

    @classmethod
    def of(cls, id: int, rows: list[dict[str, Any]]) -> "WorkflowProgress":
        """Make the progress from the rows of a query.

        Raises:
            JobNotFound: there is no row.
        """
        if not rows:
            raise no_workflow(id)
        return cls(**rows[0])

    @property
    def is_over(self) -> bool:
        """Whether all nodes are over; none runs again unless it is retried."""
        return self.status != "running"

    @property
    def counts(self) -> dict[str, int]:
        """How many nodes are in each state, zeros included."""
        return {state: getattr(self, state) for state in STATES}


def no_workflow(id: int) -> JobNotFound:
    """The exception for a workflow that does not exist."""
    return JobNotFound(f"there is no workflow {id}; it never existed, is not committed yet, or is no longer kept")
