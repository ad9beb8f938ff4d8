"""What HTTP workers send and are answered, as models for checks and for the document."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, Field, Strict, WithJsonSchema

from ...worker.describe import MOST_TYPES
from ..written import storable
from .fields import AsNumber, AsWhole, Body, Flag, Span
from .filters import id_of

MOST_IDS = 10_000
MOST_OUTCOMES = 1000
TOKEN = "00000000-0000-0000-0000-000000000001"  # noqa: S105  # an example
_ID_SCHEMA = {"anyOf": [{"type": "string", "pattern": "^[0-9]{1,18}$"}, {"type": "integer", "minimum": 0}]}


def _number(given: object) -> object:
    """An id: a text, or a number, which may come as `Exact`."""
    try:
        return given if isinstance(given, bool) else id_of("id", str(given))
    except Exception:
        raise ValueError("use an id, which is a whole number, as a text or a number") from None


JobId = Annotated[int, Strict(), BeforeValidator(_number), WithJsonSchema(_ID_SCHEMA)]
Ids = Annotated[list[JobId], Field(max_length=MOST_IDS)]
Name = Annotated[str, Field(min_length=1, max_length=100, pattern="^[^\\x00]*$")]
Token = Annotated[UUID, Field(description="the token of the claim", examples=[TOKEN])]


class Registration(Body):
    """A worker that registers."""

    id: Annotated[UUID | None, Field(description="a new one for each start; made here if it is left out")] = None
    name: Annotated[Name, Field(description="shown in lists of workers", examples=["mailer 1"])] = "http worker"
    host: Name = "unknown"
    pid: Annotated[int, Strict(), Field(ge=0, lt=2**31), AsWhole] = 0
    version: Annotated[str, Field(max_length=100, pattern="^[^\\x00]*$", description="of the worker")] = ""
    queues: Annotated[list[Name], Field(min_length=1, max_length=1000, description="queues that it serves", examples=[["mail"]])]
    concurrency: Annotated[int, Strict(), Field(ge=1, le=10_000, description="handlers that it runs at once"), AsWhole] = 1
    lease: Annotated[
        float,
        Strict(),
        Field(ge=5, le=3600, description="seconds without a heartbeat after which its jobs run elsewhere"),
        AsNumber,
    ] = 30
    tasks: Annotated[list[Name] | None, Field(max_length=10_000, description="names of tasks that it can run")] = None


class Registered(BaseModel):
    """A registered worker."""

    id: str
    lease: float
    heartbeat_every: Annotated[float, Field(description="seconds from one heartbeat to the next")]


class Timed(Body):
    """A run with a timeout, and for how many seconds it has run."""

    id: JobId
    token: UUID
    seconds: Span


class Beat(Body):
    """A heartbeat."""

    running: Annotated[Ids, Field(default_factory=list, description="jobs whose handlers have begun")]
    known: Annotated[Ids | None, Field(description="all jobs that the worker holds, started or not; by default `running`")] = None
    timed: Annotated[list[Timed] | None, Field(max_length=MOST_IDS, description="runs with a timeout")] = None


class ToEnd(BaseModel):
    """A run that is to end."""

    job_id: str
    force: Annotated[bool, Field(description="true: the job is over, or not the worker's any more; drop the run")]


class Beaten(BaseModel):
    """The answer to a heartbeat."""

    cancel: list[ToEnd]
    active_workers: int
    gave_back: Annotated[list[str], Field(description="jobs that ran under this worker, which did not know of them")]


class ClaimBody(Body):
    """A claim."""

    claim_id: Annotated[UUID | None, Field(description="a new one for each claim; the same one to ask again")] = None
    queues: Annotated[list[Name] | None, Field(min_length=1, max_length=1000, description="by default those of the worker")] = (
        None
    )
    want: Annotated[int, Strict(), Field(ge=1, le=1000, description="jobs at most; no more than can start at once"), AsWhole] = 1
    wait: Annotated[float, Strict(), Field(ge=0, le=30, description="seconds to wait for the first job"), AsNumber] = 0


class ClaimedJob(BaseModel):
    """A job to run."""

    id: str
    queue: str
    task: str
    args: dict[str, Any]
    attempt: int
    max_attempts: int
    priority: int
    run_at: str
    created_at: str
    meta: Any = None
    node: Annotated[Any, Field(description="what it is in its workflow; null for other jobs")] = None
    limits: Annotated[list[str] | None, Field(description="limits that counted this start")] = None
    terms: Annotated[dict[str, Any] | None, Field(description="time limits, schedule, trace")] = None


class ClaimAnswer(BaseModel):
    """Claimed jobs."""

    claim_id: str
    token: Annotated[str, Field(description="what each verb on one of these jobs takes; the same as claim_id")]
    jobs: list[ClaimedJob]
    look_again_in: Annotated[float, Field(description="seconds after which another claim makes sense")]


class Error(Body):
    """Why a handler has failed. Texts are cut to what is kept."""

    type: Annotated[str, Field(description="the name of its class", examples=["TimeoutError"])]
    types: Annotated[list[str], Field(default_factory=list, description="names that retry policies match; by default its type")]
    message: str = ""
    traceback: str | None = None
    cause: Annotated[dict[str, Any] | None, Field(description="the innermost cause: type, message and frames")] = None

    def as_sql(self) -> dict[str, Any]:
        """As finish takes it."""
        said: dict[str, Any] = storable(self.model_dump())
        return {**said, "types": (said["types"] or [said["type"]])[:MOST_TYPES]}


State = Literal["succeeded", "cancelled", "failed", "snoozed", "waiting", "rate_limited", "unknown_task"]
Reason = Literal["error", "timeout", "user_requested", "system_error", "other"]


class OutcomeBody(Body):
    """How a run has ended."""

    id: JobId
    token: UUID
    state: State
    elapsed: Span | None = None
    result: Any = None
    reason: Reason | None = None
    error: Error | None = None
    delay: Annotated[Span | None, Field(description="seconds until it runs again")] = None
    not_before: Annotated[Span | None, Field(description="failed: seconds that a retry waits at least")] = None
    final: Annotated[Flag | None, Field(description="failed: no retry")] = None
    key: Annotated[Name | None, Field(description="rate_limited: the limit to park")] = None
    signal: Annotated[Name | None, Field(description="waiting: what it waits for")] = None
    until: Annotated[str | None, Field(description="waiting: as `wait-for` has answered")] = None
    nodes: Annotated[list[dict[str, Any]] | None, Field(description="jobs that it adds to its workflow")] = None

    def as_sql(self) -> dict[str, Any]:
        """As finish takes it."""
        given: dict[str, Any] = {name: getattr(self, name) for name in self.model_fields_set if name not in ("error", "nodes")}
        return given if self.error is None else {**given, "error": self.error.as_sql()}


class FinishBody(Body):
    """Outcomes of runs, each job at most once."""

    outcomes: Annotated[list[OutcomeBody], Field(min_length=1, max_length=MOST_OUTCOMES)]


VERDICTS = (
    "succeeded, cancelled: it has ended so; scheduled: it runs again at run_at; dead_letter: it failed for good; "
    "repeated: it was stored before; unconfirmed: it cannot be told whether it was stored before, and nothing is to be done; "
    "stale: the job is not the worker's any more; busy: nothing was changed, try again"
)


class VerdictOut(BaseModel):
    """What became of an outcome."""

    job_id: str
    verdict: Annotated[str, Field(description=VERDICTS)]
    run_at: str | None = None


class Verdicts(BaseModel):
    """A verdict for each outcome, in their order."""

    verdicts: list[VerdictOut]


class Left(BaseModel):
    """A worker has left."""

    gave_back: list[str]
