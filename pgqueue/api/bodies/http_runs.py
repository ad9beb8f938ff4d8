"""What HTTP workers say about one run, as models for checks and for the document."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field, Strict

from .fields import AsNumber, AsWhole, Body, Flag, Span
from .http_workers import VERDICTS, Error, Name, Reason, Token

Step = Annotated[str, Field(min_length=1, max_length=200)]


class RunBody(Body):
    """A verb on a run.

    Attributes:
        token: of its claim.
        worker: who runs it.
    """

    token: Token
    worker: Annotated[UUID | None, Field(description="tells what was stored before from what comes too late")] = None
    elapsed: Annotated[Span | None, Field(description="seconds that the handler took")] = None


class Complete(RunBody):
    """The job has succeeded."""

    result: Annotated[Any, Field(description="any JSON; null = none")] = None
    nodes: Annotated[list[dict[str, Any]] | None, Field(description="jobs that it adds to its workflow")] = None


class Fail(RunBody):
    """The run has failed; the retry policy of the job decides."""

    error: Error
    final: Annotated[Flag, Field(description="no retry")] = False
    delay: Annotated[Span | None, Field(description="seconds until the retry, instead of the policy's")] = None
    reason: Reason | None = None


class Snooze(RunBody):
    """The job is to run again later; the attempt does not count."""

    delay: Span


class Wait(RunBody):
    """The job waits for a signal; the attempt does not count."""

    signal: Name
    until: Annotated[str | None, Field(description="as `wait-for` has answered")] = None


class Ended(BaseModel):
    """What became of a run."""

    verdict: Annotated[str, Field(description=VERDICTS)]
    run_at: str | None = None


class Release(Body):
    """The job was not started."""

    token: Token


class Progress(Body):
    """How far a run has come."""

    token: Token
    done: Annotated[float, Strict(), Field(ge=0, allow_inf_nan=False), AsNumber]
    total: Annotated[
        Annotated[float, Strict(), Field(gt=0, allow_inf_nan=False), AsNumber] | None, Field(description="`done` at the end")
    ] = None
    note: Annotated[str | None, Field(max_length=1000)] = None


class Line(Body):
    """A log line."""

    message: str
    level: Literal["debug", "info", "warning", "error", "critical"] = "info"
    fields: dict[str, Any] | None = None
    ago: Annotated[Span, Field(description="seconds since it was said")] = 0


class Lines(Body):
    """Log lines of a run."""

    token: Token
    worker: Annotated[UUID, Field(description="who runs it")]
    attempt: Annotated[int, Strict(), Field(ge=1, lt=2**15), AsWhole] = 1
    first: Annotated[
        int,
        Strict(),
        Field(ge=1, lt=2**53, description="the number of the first line in this run; repeated ones are dropped"),
        AsWhole,
    ]
    lines: Annotated[list[Line], Field(min_length=1, max_length=1000)]


class Kept(BaseModel):
    """What is kept of the log of a job."""

    most_lines: int
    most_bytes: int


class RunToken(Body):
    """A run."""

    token: Token


class RunSteps(BaseModel):
    """The steps that the job has done: their values by name."""

    steps: dict[str, Any]


class SaveStep(Body):
    """A step is done."""

    token: Token
    value: Annotated[Any, Field(description="any JSON; the next run of the job reads it")] = None
    elapsed: Span = 0


class WaitFor(Body):
    """A run asks for a signal."""

    token: Token
    signal: Name
    timeout: Annotated[Span | None, Field(description="seconds from the first call on; null = without limit")] = None


class Heard(BaseModel):
    """What is known of a signal."""

    answer: Annotated[str, Field(description="signaled, timed_out, or waits: then end the run with `wait`")]
    payload: Any = None
    until: str | None = None


class Done(BaseModel):
    """It was stored."""

    stored: bool
