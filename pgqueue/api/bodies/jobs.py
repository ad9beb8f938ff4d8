"""Jobs as they are answered, and what verbs on one take."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from .fields import STATES, Ahead, Arguments, Body, Id, Priority, Reason, Span, Time
from .filters import JobFilter
from .pages import USUAL, Cursor, Limit, Page

HIDDEN = Field(description="null as well for keys that may not read arguments")


class JobQuery(JobFilter):
    """Which jobs, and which page of them."""

    order: Annotated[
        Literal["id", "claim", "run_at", "finished_at"] | None,
        Field(description="id: the newest first; claim: as workers take them; by default what costs the least"),
    ] = None
    limit: Limit = USUAL
    cursor: Cursor = None
    view: Annotated[
        Literal["basic", "errors", "full"],
        Field(description="errors has messages of errors; full has these, arguments and meta"),
    ] = "basic"
    count: Annotated[Literal["bounded"] | None, Field(description="count them as well, by a look at 10,000 jobs")] = None
    look: Annotated[int, Field(ge=1000, le=100_000, description="at so many jobs a page looks, whatever it finds")] = 100_000


class ListedOut(BaseModel):
    """A job as a list shows it. The views errors and full have more."""

    id: Id
    state: STATES
    reason: Annotated[str | None, Field(description="why it ended as it did")]
    queue: str
    task: str
    priority: int
    attempt: Annotated[int, Field(description="the runs that count so far")]
    max_attempts: int
    run_at: datetime
    created_at: datetime
    claimed_at: datetime | None
    finished_at: datetime | None
    elapsed: Annotated[float | None, Field(description="seconds in the handler")]
    worker_id: str | None
    retry_of: Annotated[str | None, Field(description="the job that it runs again")]
    workflow_id: str | None
    limits: list[str] | None
    progress: Any = None
    control: Annotated[Any, Field(description="what happened to it out of the ordinary")] = None
    unknown_since: Annotated[datetime | None, Field(description="since when no worker has its task")]
    error_type: str | None
    error_message: Annotated[str | None, Field(description="only in the views errors and full")] = None
    args: Annotated[Any, Field(description="only in the view full")] = None
    meta: Annotated[Any, Field(description="only in the view full")] = None


class Count(BaseModel):
    """How many jobs match."""

    jobs: Annotated[int, Field(examples=[10000])]
    is_over: Annotated[bool, Field(description="whether these are all; false: there are at least so many")]
    text: Annotated[str, Field(examples=["10,000+"])]


class JobPage(Page[ListedOut]):
    """A page of jobs. It may be short, or empty, and have a `next`: a page looks at 100,000 jobs at most, or at `look` ones."""

    looked_to: Annotated[datetime | None, Field(description="the time of the job at which it stopped")]
    count: Count | None = None


SIZE = Field(description="bytes of its JSON, if `most` leaves it out")


class StepOut(BaseModel):
    """A piece of a job's work that is done."""

    name: str
    value: Annotated[Any, HIDDEN] = None
    size: Annotated[int | None, SIZE] = None
    started_at: datetime
    ended_at: datetime
    attempt: int


class SignalOut(BaseModel):
    """What a job was told, or waits for."""

    name: str
    payload: Annotated[Any, HIDDEN] = None
    size: Annotated[int | None, SIZE] = None
    waited_at: datetime | None
    until: datetime | None
    ended_at: datetime | None
    timed_out: bool


class JobPauseOut(BaseModel):
    """A pause for which it waits."""

    kind: Literal["queue", "task", "everything"]
    name: str
    paused_at: datetime
    until: datetime | None
    by: str | None
    reason: str | None


class JobOut(BaseModel):
    """A job with all that is known of it."""

    id: Id
    state: STATES
    reason: Annotated[str | None, Field(description="why it ended as it did")]
    queue: str
    task: str
    args: Annotated[Any, HIDDEN] = None
    priority: int
    attempt: Annotated[int, Field(description="the runs that count so far")]
    max_attempts: int
    created_at: datetime
    run_at: datetime
    claimed_at: datetime | None
    finished_at: datetime | None
    elapsed: Annotated[float | None, Field(description="seconds in the handler")]
    rescues: int
    worker_id: str | None
    retry_of: Annotated[str | None, Field(description="the job that it runs again")]
    workflow_id: str | None
    limits: list[str] | None
    cost: int | None
    expires_at: datetime | None
    deadline_at: datetime | None
    terms: Annotated[Any, Field(description="its limits of time, its schedule")] = None
    meta: Annotated[Any, HIDDEN] = None
    progress: Any = None
    errors: Annotated[list[Any] | None, Field(description="of each run that failed; null without the right to read arguments")]
    control: Annotated[Any, Field(description="what happened to it out of the ordinary")] = None
    result: Annotated[Any, HIDDEN] = None
    result_expires_at: datetime | None
    sizes: Annotated[
        dict[str, int] | None,
        Field(
            description="with `most`: the bytes of JSON of args, meta and result, of those that it leaves out; of what the "
            "database has packed, it may be less. null as well for keys that may not read arguments"
        ),
    ] = None
    unknown_since: Annotated[datetime | None, Field(description="since when no worker has its task")]
    put_off_at: Annotated[
        datetime | None, Field(description="when it was put off last, by a retry, its handler or a rescue; null once it is over")
    ] = None
    fingerprint: Annotated[str | None, Field(description="of a dead letter: the same for errors that are alike")]
    request_id: Annotated[str | None, Field(description="of the request that has enqueued it")]
    trace_id: str | None
    steps: list[StepOut]
    signals: list[SignalOut]
    pauses: list[JobPauseOut]


class RelativeOut(BaseModel):
    """A node of the same workflow that a job waits for, or that waits for it."""

    id: Id
    name: str | None
    task: str
    queue: str | None
    state: Annotated[str, Field(description="a state of jobs, or skipped", examples=["succeeded"])]
    when: Annotated[Literal["succeeded", "finished", "failed"], Field(description="how the parent must end")]


class RelativesOut(BaseModel):
    """The nodes around a job; of a plain job none."""

    parents: Annotated[list[RelativeOut], Field(description="in the order in which it names them")]
    children: list[RelativeOut]
    more_parents: Annotated[bool, Field(description="whether there are more than `limit`")]
    more_children: Annotated[bool, Field(description="whether there are more than `limit`")]


class CauseOut(BaseModel):
    """Why a job does not run, who runs it, or how it has ended."""

    cause: Annotated[str, Field(examples=["paused"])]
    says: Annotated[str, Field(description="the same for people")]
    until: datetime | None
    details: dict[str, Any]


class CausesOut(BaseModel):
    """The causes, the decisive one first."""

    items: list[CauseOut]


class StepsOut(BaseModel):
    """The steps that a job has done, in that order."""

    items: list[StepOut]


class LineOut(BaseModel):
    """What a handler has said."""

    seq: int
    at: datetime
    attempt: int
    level: str
    message: str
    fields: Any = None


class PatchIn(Body):
    """What is to change of a job that has not started; what is left out stays."""

    priority: Priority | None = None
    run_at: Annotated[Time | None, Field(description="not before then")] = None
    run_after: Annotated[Ahead | None, Field(description="the same, in seconds from now")] = None
    args: Annotated[Arguments | None, Field(description="all arguments; needs the role admin")] = None
    queue: Annotated[str | None, Field(description="where it waits from now on, also if that one is full")] = None


class CancelIn(Body):
    """How a job is cancelled."""

    reason: Reason | None = None
    force: Annotated[bool, Field(strict=True, description="end it now, whatever its handler does")] = False
    force_after: Annotated[Span | None, Field(description="ask, and end it by force if it runs after so many seconds")] = None


class CancelOut(BaseModel):
    """What became of it."""

    id: Id
    did: Annotated[
        Literal["cancelled", "asked", "fenced"],
        Field(description="cancelled: it is over; asked: its worker ends it; fenced: it is over, its handler may still work"),
    ]


class RetryJobIn(Body):
    """How a job runs again."""

    keep_attempts: Annotated[bool | None, Field(strict=True, description="attempts go on counting; false by default")] = None
    reset_attempts: Annotated[bool | None, Field(strict=True, description="the opposite of keep_attempts")] = None
    run_after: Annotated[Span | None, Field(description="seconds from now")] = None
    force: Annotated[bool, Field(strict=True, description="also if it was retried three times")] = False
    args: Annotated[Arguments | None, Field(description="all arguments anew; needs the role admin")] = None


class RetryOut(BaseModel):
    """The job that runs now."""

    id: Id
    runs_as: Annotated[str, Field(description="the job itself, or a new one if it was over")]
    duplicate: Annotated[bool, Field(description="its key is held by that job, and nothing was done")]


class SignalIn(Body):
    """What a job is told."""

    name: Annotated[str, Field(min_length=1, max_length=200, examples=["approved"])]
    payload: Annotated[Any, Field(description="any JSON", examples=[{"by": "ann"}])] = None


class SignalledOut(BaseModel):
    """Whether it was told."""

    id: Id
    name: str
    stored: Annotated[bool, Field(description="false: it has this signal already, or does not wait for it any more")]


class DiscardIn(Body):
    """Why a dead letter is removed."""

    reason: Reason | None = None


class DiscardOut(BaseModel):
    """The dead letter that is gone."""

    id: Id
    did: Literal["discarded"]
