"""Models of dead letters."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, Strict

from ...database.calls.dead import MOST_LOOKED, DeadProperty, GroupOrder
from .fields import AsNumber, Body, Flag, Reason, Span
from .filters import JobFilter
from .pages import USUAL, Cursor, Limit, Page

Rate = Annotated[float, Strict(), Field(ge=0.001, le=1e6), AsNumber]
View = Literal["basic", "full"]
NOT_READ = "null for a key that may not read arguments"


class LetterFilter(JobFilter):
    """Which dead letters are meant; a letter must match all fields that are given. `state` can only be failed."""


Look = Annotated[int, Field(ge=100, le=MOST_LOOKED, description="at so many dead letters, the newest ones")]


class LetterQuery(LetterFilter):
    """A page of dead letters."""

    view: View = Field("basic", description="full: with args, meta, errors and traceback, for keys that may read arguments")
    limit: Limit = USUAL
    cursor: Cursor = None


class GroupsQuery(LetterFilter):
    """The groups of dead letters."""

    limit: int = Field(20, ge=1, le=1000, description="the most groups")
    sort: GroupOrder = Field("jobs", description="jobs: the largest first; last_at: the one that failed last")
    series: Literal["24h", "7d", "30d"] | None = Field(None, description="how far back the series of each group goes")
    look: Look = MOST_LOOKED


class StatsQuery(LetterFilter):
    """Counts of dead letters."""

    by: DeadProperty = Field(description="the property; worker, host and version: of the last run")
    limit: int = Field(100, ge=1, le=1000, description="the most values")
    look: Look = MOST_LOOKED


class AlertsQuery(LetterFilter):
    """Whether there are too many dead letters."""

    threshold: int = Field(100, ge=1, le=100_000, description="this many are too many")


class LetterOut(BaseModel):
    """A job that failed for good."""

    id: str = Field(examples=["17"])
    queue: str
    task: str
    reason: str = Field(examples=["error"])
    attempt: int
    error_type: str | None = Field(examples=["ConnectionError"])
    error_message: str | None = Field(description=f"of its last run; {NOT_READ}")
    fingerprint: str | None = Field(description="what failures of one kind have in common")
    retried: int = Field(description="how often it has come back from the dead letters")
    finished_at: datetime
    created_at: datetime
    worker_id: UUID | None
    args: Any = Field(None, description="only with view=full")
    meta: Any = Field(None, description="only with view=full")
    traceback: str | None = Field(None, description="of its last run; only with view=full")


class LetterDetail(LetterOut):
    """A dead letter with everything that is known of it; without `args`, `meta` and errors for keys that may not read them."""

    errors: Any = Field(description=f"of all its runs; {NOT_READ}")


class LetterPage(Page[LetterOut]):
    """A page of dead letters."""

    next: str | None = Field(
        description="the cursor of the next page; a page may be short, or empty, and have one: it looks at 100,000 jobs at most"
    )


class GroupOut(BaseModel):
    """Dead letters of one fingerprint: one kind of failure."""

    fingerprint: str | None
    jobs: int
    first_at: datetime
    last_at: datetime
    error_type: str | None
    reason: str
    message: str | None = Field(description=f"of the newest job; {NOT_READ}")
    sample_id: str = Field(description="the newest job")
    tasks: list[str] = Field(description="up to five")
    queues: list[str] = Field(description="up to five")
    series: list[int] | None = Field(
        description="how many failed in each of 24 equal steps, the oldest first, the last is not over; null: not asked for"
    )


class Groups(BaseModel):
    """The kinds of failures."""

    groups: list[GroupOut] = Field(description="in the order that was asked for")
    looked_to: datetime | None = Field(
        description="what failed before was not looked at, because there are more than `look`; null: all were"
    )


class CountOut(BaseModel):
    """How many dead letters have a value in common."""

    value: str | None = Field(description="an hour is the text of its beginning in UTC", examples=["2030-01-31T12:00Z"])
    jobs: int
    first_at: datetime
    last_at: datetime


class Counts(BaseModel):
    """Dead letters by a property."""

    by: str
    counts: list[CountOut] = Field(description="the largest first; hours the latest first")
    looked_to: datetime | None = Field(
        description="what failed before was not looked at, because there are more than `look`; null: all were"
    )


class AlertOut(BaseModel):
    """Whether there are too many dead letters."""

    threshold: int
    jobs: int = Field(description="how many match, 100,000 at most")
    is_reached: bool = Field(description="whether they have reached the threshold")


class LetterRetryIn(Body):
    """How a dead letter runs again."""

    model_config = ConfigDict(extra="forbid")

    reset_attempts: Flag = Field(True, description="it has all its attempts again; false: a failure after the last one is final")
    run_after: Span | None = Field(None, description="seconds until it runs; now by default", examples=[60])
    force: Flag = Field(False, description="also one that has come back three times and failed each time")


class RetriedOut(BaseModel):
    """The job that will run."""

    id: str
    duplicate: bool = Field(description="another live job holds the unique key: `id` is that one, and the letter stays")


class BulkIn(Body):
    """Which dead letters are meant, and how it is done."""

    model_config = ConfigDict(extra="forbid")

    filter: LetterFilter = Field(default_factory=LetterFilter, examples=[{"task": "mail.*", "finished_after": "-2 hours"}])
    fingerprint: str | None = Field(None, max_length=200, description="short for a filter with this fingerprint")
    reason: Reason | None = None
    dry_run: Flag = Field(False, description="only count")
    per_second: Rate | None = Field(None, description="the most jobs that it acts on in a second")
    all: Flag = Field(False, description="needed if the filter names nothing")


class BulkRetryIn(LetterRetryIn, BulkIn):
    """Which dead letters run again, and how."""


class Started(BaseModel):
    """An operation that was started: it goes on in the workers, or in the server, whatever becomes of the caller."""

    id: str
    kind: str = Field(examples=["retry"])
    state: Literal["collecting", "running", "done", "cancelled"]
    dry_run: bool
    matched: int = Field(description="letters that were found so far; all of them unless it is collecting")
    done: int
    skipped: int
    failed: int
    left_over: int
