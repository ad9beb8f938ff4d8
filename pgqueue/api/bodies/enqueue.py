"""What is enqueued, and the answers."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, Strict, model_validator

from .fields import UNIQUE_MODES, Ahead, Arguments, AsWhole, Body, Id, Priority, Span, Time

MOST_JOBS = 10_000  # of a batch
MOST_PARENTS = 1000
_Retries = Annotated[int, Strict(), Field(ge=0, le=32766), AsWhole]
_Cost = Annotated[int, Strict(), Field(ge=1, le=1_000_000), AsWhole]


class RetryIn(Body):
    """When a failed job runs again."""

    retries: Annotated[_Retries, Field(description="runs after the first one")] = 3
    backoff: Annotated[Literal["exponential", "linear", "fixed", "fibonacci"], Field(description="how delays grow")] = (
        "exponential"
    )
    delays: Annotated[
        list[Span] | None, Field(description="instead of backoff: each delay; the last one repeats", min_length=1)
    ] = None
    delay: Annotated[Span, Field(description="seconds before the first retry")] = 1
    step: Annotated[Span, Field(description="seconds that linear adds each time")] = 0
    cap: Annotated[Span | None, Field(description="the longest wait in seconds")] = None
    jitter: Annotated[bool, Field(strict=True, description="wait between half of the delay and all of it")] = True
    only: Annotated[list[str], Field(default_factory=list, description="retry only these exceptions, by name")]
    never: Annotated[list[str], Field(default_factory=list, description="do not retry these")]


class UniqueIn(Body):
    """When two requests are about the same job."""

    mode: UNIQUE_MODES = "until_done"
    key: Annotated[
        str | None, Field(description="{name} stands for an argument; null = all arguments", examples=["user {id}"])
    ] = None
    period: Annotated[Span | None, Field(description="seconds, of the mode period only")] = None


class JobIn(Body):
    """A job to enqueue. What is left out is as its task says, if the server has the app of the task."""

    task: Annotated[str, Field(min_length=1, max_length=200, description="the name of the task", examples=["send_mail"])]
    args: Arguments = Field(default_factory=dict)
    queue: Annotated[str | None, Field(pattern=r"^[A-Za-z0-9_.:-]{1,100}$", description='"default" by default')] = None
    priority: Priority | None = None
    run_at: Annotated[Time | None, Field(description="not before then")] = None
    run_after: Annotated[Ahead | None, Field(description="not before so many seconds from now")] = None
    unique: Annotated[UniqueIn | UNIQUE_MODES | None, Field(description="add it only if no other job has its key")] = None
    retry: Annotated[
        Annotated[int, Strict(), Field(ge=0, le=32766), AsWhole] | RetryIn | None,
        Field(description="a number of retries, or a policy"),
    ] = None
    result_ttl: Annotated[Span | None, Field(description="seconds for which the result is kept; a day by default")] = None
    timeout: Annotated[Span | None, Field(description="seconds that one run may take; 0 = no limit")] = None
    soft_timeout: Annotated[
        Span | Annotated[str, Field(pattern=r"^[0-9.]{1,10}%$")] | None,
        Field(description="seconds of a run until a warning, or a share of the timeout such as 80%"),
    ] = None
    expires_at: Annotated[Time | None, Field(description="cancel it, if it has not started by then")] = None
    expires_after: Annotated[Span | None, Field(description="the same, in seconds from when it is due")] = None
    total_timeout: Annotated[Span | None, Field(description="seconds for all runs and the waits in between")] = None
    depends_on: Annotated[
        list[Id] | None, Field(description="ids of jobs that it waits for", min_length=1, max_length=MOST_PARENTS)
    ] = None
    run_if: Annotated[
        Literal["succeeded", "finished", "failed"] | None, Field(description="how these must end; succeeded by default")
    ] = None
    limits: Annotated[
        list[str] | None, Field(description="keys of limits, {name} stands for an argument", examples=[["tenant:{tenant}"]])
    ] = None
    fair: Annotated[str | None, Field(description="jobs of different keys take turns")] = None
    cost: Annotated[
        Annotated[int, Strict(), Field(ge=1, le=1_000_000), AsWhole] | None,
        Field(description="what its start takes of each limit"),
    ] = None
    meta: Annotated[Any, Field(description="any JSON of yours")] = None

    @model_validator(mode="after")
    def _one_of_two(self) -> "JobIn":
        if self.run_at is not None and self.run_after is not None:
            raise ValueError("give run_at or run_after, not both")
        if self.expires_at is not None and self.expires_after is not None:
            raise ValueError("give expires_at or expires_after, not both")
        return self


class BatchIn(Body):
    """Jobs to enqueue together."""

    jobs: Annotated[
        list[dict[str, Any]],
        Field(
            min_length=1,
            max_length=MOST_JOBS,
            description="each as POST /jobs takes it",
            examples=[[{"task": "send_mail", "args": {"to": "ann@example.org"}}]],
        ),
    ]


class AddedOut(BaseModel):
    """The job that was added, or that was there already."""

    id: Id
    duplicate: Annotated[bool, Field(description="whether it was there already: it has the key of a unique job")]


class BatchOut(BaseModel):
    """The jobs of a batch, in its order."""

    ids: list[Id]
    duplicates: Annotated[list[Id], Field(description="those of `ids` that were there already")]


class FoundOut(BaseModel):
    """The job that stands in the way."""

    id: Annotated[str | None, Field(description="null: there is none, and an enqueue would add a job")]


class HolderOut(BaseModel):
    """Who holds the key of a job."""

    is_unique: Annotated[bool, Field(description="whether it has a key; those of the mode period are not kept with the job")]
    holder: Annotated[str | None, Field(description="the live job that a further enqueue would get; it may be the job itself")]
