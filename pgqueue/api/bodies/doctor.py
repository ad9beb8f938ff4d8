"""What an examination has found, as it is answered."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field


class FindingOut(BaseModel):
    """What is wrong, as one check has found it."""

    name: str = Field(description="the kind of finding; it stays the same from release to release", examples=["no-worker"])
    severity: Literal["note", "warning", "error"]
    subject: str = Field(description="what it is about: a table, a queue, a session", examples=["mail"])
    problem: str
    figures: dict[str, Any]
    consequence: str
    remedy: str
    since: datetime | None = Field(description="when a worker saw it first; null: no worker has seen it")


class Examination(BaseModel):
    """What was examined, and what was found."""

    at: datetime = Field(description="when; an answer may be 5 seconds old")
    checks: int = Field(description="how many checks were made, or tried")
    worst: Literal["note", "warning", "error"] | None = Field(description="the worst severity; null: nothing is wrong")
    findings: list[FindingOut] = Field(description="the worst first")
