"""Results as they are answered."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, Field

from .fields import STATES, Body, Id, Span
from .jobs import HIDDEN, CauseOut


class ResultOut(BaseModel):
    """How a job stands, and what it has returned."""

    id: Id
    state: STATES
    reason: Annotated[str | None, Field(description="why it ended as it did")]
    value: Annotated[Any, Field(description="null unless it succeeded and has returned something; see expired")] = None
    expired: Annotated[bool | None, Field(description="it succeeded, but its result is not kept any more")]
    error: Annotated[Any, HIDDEN] = None
    expires_at: Annotated[datetime | None, Field(description="until when the result is kept")]
    elapsed: Annotated[float | None, Field(description="seconds in the handler")]
    why: Annotated[
        CauseOut | None, Field(description="after a wait, of a job that is not over: the decisive cause, as explain has it")
    ] = None


class TtlIn(Body):
    """How long a result is kept."""

    seconds: Annotated[Span, Field(description="from now")]


class TtlOut(BaseModel):
    """How long a result is kept."""

    id: Id
    state: STATES
    seconds: Annotated[float | None, Field(description="from now; less than 0: it has expired; null: there is no result")]


class KeptOut(BaseModel):
    """Until when a result is kept."""

    id: Id
    expires_at: datetime
