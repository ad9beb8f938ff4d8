"""API keys as they are asked for and answered."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, Strict

from ..callers.caller import Role
from .fields import AsNumber, Body, Flag, Time

Queue = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:-]{1,100}$")]
LONGEST = 1000 * 365.25 * 86_400  # seconds


class KeyIn(Body):
    """What a new key is for."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"role": "producer", "name": "shop"}]})

    role: Annotated[Role, Field(description="what it may; see docs/security.md")]
    name: Annotated[str | None, Field(description="for people; by default the role", min_length=1, max_length=200)] = None
    queues: Annotated[
        list[Queue] | None, Field(description="the only queues that it may see and use; null = all", min_length=1, max_length=100)
    ] = None
    may_read_arguments: Annotated[Flag, Field(description="whether it sees arguments, results and errors of jobs")] = True
    expires_at: Annotated[Time | None, Field(description="when it ends; null = never")] = None
    expires_after: Annotated[
        Annotated[float, Strict(), Field(gt=0, le=LONGEST), AsNumber] | None,
        Field(description="seconds until it ends, instead of expires_at", examples=[7776000]),
    ] = None


class KeyOut(BaseModel):
    """A key without its secret."""

    id: str = Field(description="its public part", examples=["k3v9x0a1b2c3"])
    name: str
    role: str
    queues: list[str] | None
    may_read_arguments: bool
    status: Literal["valid", "expired", "revoked"]
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    revoked_at: datetime | None
    revoked_by: str | None
    last_used_at: datetime | None = Field(description="to the minute")


class KeyMade(KeyOut):
    """A key that was made, with its secret."""

    key: str = Field(description="the key; it is answered only here", examples=["pgq_k3v9x0a1b2c3_…"])


class Revoked(BaseModel):
    """What became of a key."""

    id: str
    revoked: bool = Field(description="false if it was revoked before")
