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


class TroubleOut(BaseModel):
    """Something that is wrong now."""

    severity: Literal["warning", "error"]
    problem: str = Field(description="what, with its figures, in one line")
    name: str = Field(description="the kind of trouble; that of a finding, if it is one", examples=["queue-not-served"])
    subjects: list[str] = Field(description="what it is about: queues, tasks, workers, or whatever its kind says")
    remedy: str = Field(description="what to do")
    is_found: bool = Field(description="whether a worker has found it when it examined the install; else figures show it")


class Troubles(BaseModel):
    """What is wrong now."""

    at: datetime = Field(description="when, on the clock of the database; an answer may be a second old")
    troubles: list[TroubleOut] = Field(description="errors first")
