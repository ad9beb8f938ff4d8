"""Documents about health."""

from typing import Any

from pydantic import BaseModel, Field

from ...version import __version__
from ..health.health import Status


class Alive(BaseModel):
    """This process answers."""

    status: Status = Field(examples=["pass"])


class Ready(BaseModel):
    """Requests can be served."""

    status: Status = Field(examples=["pass"])
    schema_version: str = Field(description="the version of pgqueue that has made the schema")
    workers: int = Field(description="workers that keep their lease; none is no reason not to send requests here", examples=[3])
    listening: str = Field(description="how waiting requests hear of changes", examples=["notify", "polling"])


class Check(BaseModel):
    """One thing that was looked at."""

    status: Status
    observedValue: Any = Field(None, description="what was found")
    observedUnit: str | None = None
    output: str | None = Field(None, description="what is wrong")


class HealthReport(BaseModel):
    """A document about health, in the form of the draft for application/health+json."""

    status: Status = Field(description="the worst of the checks")
    version: str = Field(description="of the interface", examples=["1"])
    releaseId: str = Field(description="of pgqueue", examples=[__version__])
    description: str
    checks: dict[str, list[Check]]
