"""Kinds of refusals as they are answered."""

from pydantic import BaseModel, Field

from ..problems import BASE, KINDS


class ProblemKind(BaseModel):
    """A kind of problem."""

    type: str = Field(description="what a refusal of this kind has as its type", examples=[f"{BASE}queue-full"])
    status: int = Field(description="the status of HTTP", examples=[KINDS["queue-full"].status])
    title: str = Field(description="what it is, in one line", examples=[KINDS["queue-full"].title])
    remedy: str = Field(description="what to do", examples=[KINDS["queue-full"].remedy])


class ProblemKinds(BaseModel):
    """All kinds of problems."""

    items: list[ProblemKind]
