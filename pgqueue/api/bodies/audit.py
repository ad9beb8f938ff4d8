"""The audit log as it is answered."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

_VALUES = "null for a key that may not read arguments"


class AuditEntryOut(BaseModel):
    """A change that somebody has made."""

    id: str = Field(examples=["1204"])
    at: datetime
    by: str = Field(description="who, as the caller said: the name of its API key, or the user of the database")
    role: str = Field(description="the database user of the session")
    client: str | None = Field(description="the address of the caller; null = a socket of the machine", examples=["10.0.0.7"])
    application: str | None
    verb: str = Field(examples=["cancel"])
    kind: str = Field(examples=["job"])
    subject: str = Field(description="the id or the name of what was changed", examples=["17"])
    reason: str | None
    before: Any = Field(description=f"as it was; {_VALUES}")
    after: Any = Field(description=f"as it is now, or what came of it; {_VALUES}")
    filter: Any = Field(description=f"of an operation; {_VALUES}")
    jobs: int | None = Field(description="on how many jobs an operation has acted")
