"""What is wrong with the install."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from ...database.calls.doctor import NOUNS
from ..callers.caller import READERS, WORKERS
from ..endpoint import Endpoints
from ..here import at

endpoints = Endpoints("insight")
_CHECKS = (*(f"diagnose_{noun}" for noun in NOUNS), "diagnose_zones", "zones_in_use")


class FindingOut(BaseModel):
    """What is wrong, as one check has found it."""

    name: str = Field(description="the kind of finding; it stays the same from release to release", examples=["no-worker"])
    severity: Literal["note", "warning", "error"]
    subject: str = Field(description="what it is about: a table, a queue, a session", examples=["mail"])
    problem: str
    figures: dict[str, Any]
    consequence: str
    remedy: str


class Examination(BaseModel):
    """What was examined, and what was found."""

    at: datetime = Field(description="when; an answer may be 5 seconds old")
    checks: int = Field(description="how many checks were made, or tried")
    worst: Literal["note", "warning", "error"] | None = Field(description="the worst severity; null: nothing is wrong")
    findings: list[FindingOut] = Field(description="the worst first")


@endpoints.get("/doctor", may=READERS | WORKERS, calls=_CHECKS, model=Examination)
async def doctor(request: Request) -> Response:
    """Examine the install, and how it is reached from this server. Nothing is changed; each check may take 2 s."""
    here = at(request)
    found = await here.service.examinations.latest()
    worst = found.findings[0].severity if found.findings else None
    return here.answer({"at": found.at, "checks": found.checks, "worst": worst, "findings": found.findings})
