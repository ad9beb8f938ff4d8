"""Verbs on all jobs of a filter: what they take, and how they are answered."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from .fields import Ahead, Arguments, Body, Id, Number, Priority, Reason, Span, Time
from .filters import JobFilter
from .pages import Page

KIND = Literal["cancel", "retry", "discard", "update"]


class SpecIn(Body):
    """The options of a verb. cancel: force, force_after; retry: rules, keep_attempts, run_after, force; update: args, priority,
    queue, run_at, run_after; discard has none.
    """

    force: Annotated[
        bool | None, Field(strict=True, description="cancel: end running jobs now; retry: also what was retried three times")
    ] = None
    force_after: Annotated[Span | None, Field(description="end by force what runs after so many seconds")] = None
    keep_attempts: Annotated[bool | None, Field(strict=True, description="attempts go on counting")] = None
    rules: Annotated[
        Literal["job", "task"] | None,
        Field(description="the retry policy of each job as it is, or that of its task in this server"),
    ] = None
    run_at: Annotated[Time | None, Field(description="not before then")] = None
    run_after: Annotated[Ahead | None, Field(description="not before so many seconds from now")] = None
    priority: Priority | None = None
    queue: Annotated[str | None, Field(description="update: where they wait from now on, also if that one is full")] = None
    args: Annotated[Arguments | None, Field(description="all arguments of each; needs the role admin")] = None


class PreviewQuery(JobFilter):
    """What an operation would be."""

    kind: KIND
    all: Annotated[bool, Field(description="needed for a filter that names nothing")] = False
    look: Annotated[int, Field(ge=1, le=100_000, description="at so many jobs it looks")] = 100_000


class PreviewOut(BaseModel):
    """What an operation would be about."""

    filter: Annotated[dict[str, Any], Field(description="as it would be stored: without a state it has those of the verb")]
    jobs: Annotated[int, Field(description="that match it now", examples=[143])]
    is_over: Annotated[bool, Field(description="whether these are all; false: there are at least so many")]


class OperationIn(Body):
    """A verb on all jobs of a filter."""

    kind: KIND
    filter: Annotated[JobFilter, Field(description="which jobs", examples=[{"state": ["failed"], "task": ["mail.*"]}])] = Field(
        default_factory=JobFilter
    )
    spec: SpecIn = Field(default_factory=SpecIn)
    reason: Reason | None = None
    dry_run: Annotated[bool, Field(strict=True, description="count what would become of the jobs, and change nothing")] = False
    per_second: Annotated[Number | None, Field(description="the most jobs in a second, over all workers")] = None
    all: Annotated[bool, Field(strict=True, description="needed for a filter that names nothing")] = False


class OperationOut(BaseModel):
    """An operation, and how far it is."""

    id: Id
    kind: KIND
    filter: Annotated[dict[str, Any], Field(description="as it was checked, with times for spans")]
    spec: dict[str, Any]
    by: str
    reason: str | None
    state: Annotated[Literal["collecting", "running", "done", "cancelled"], Field(description="collecting: it finds the jobs")]
    dry_run: bool
    per_second: float | None
    matched: Annotated[int, Field(description="jobs that were found; all of them once it is not collecting any more")]
    done: Annotated[int, Field(description="jobs on which it has acted; of a dry run: would act")]
    did: Annotated[
        dict[str, int], Field(description="the same by what became of them", examples=[{"cancelled": 90, "asked": 10}])
    ]
    skipped: Annotated[int, Field(description="jobs that were left alone")]
    skipped_by_reason: Annotated[dict[str, int], Field(examples=[{"is succeeded": 2}])]
    failed: Annotated[int, Field(description="jobs whose error was not expected")]
    left_over: Annotated[int, Field(description="jobs that are still to do")]
    errors: Annotated[list[dict[str, Any]], Field(description="the last ten of those errors")]
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    cancelled_by: str | None
    next_at: Annotated[datetime | None, Field(description="when it goes on, if not now")]


class OperationPage(Page[OperationOut]):
    """A page of operations, the newest first. Of a key for some queues it may be short, or empty, and have a `next`."""
