"""Kinds of values that several bodies have."""

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from ..._checks import LONGEST, PRIORITIES
from ..._json import Exact

STATES = Literal["blocked", "scheduled", "ready", "running", "succeeded", "failed", "cancelled"]
UNIQUE_MODES = Literal["until_done", "until_started", "replace", "period"]


def _number(given: Any) -> Any:
    """A number of ours, which need not stay as it was written."""
    if isinstance(given, Exact) and math.isfinite(number := float(given.text)):
        return number
    return given


def _priority(given: Any) -> Any:
    return PRIORITIES.get(given, given) if isinstance(given, str) else given


Number = Annotated[float, BeforeValidator(_number), Field(strict=True, allow_inf_nan=False)]
Seconds = Annotated[float, BeforeValidator(_number), Field(strict=True, ge=-LONGEST, le=LONGEST, examples=[30])]
Span = Annotated[float, BeforeValidator(_number), Field(strict=True, ge=0, le=LONGEST, examples=[30])]
Priority = Annotated[
    Annotated[int, Field(strict=True, ge=-100, le=100)] | Literal["low", "medium", "high"],
    BeforeValidator(_priority),
    Field(description="-100 to 100, larger runs first; low = -50, medium = 0, high = 50", examples=[0]),
]
Time = Annotated[AwareDatetime, Field(description="a time with a zone", examples=["2026-12-24T18:00:00Z"])]
Id = Annotated[str, Field(examples=["4711"])]
Arguments = Annotated[dict[str, Any], Field(description="arguments by name", examples=[{"to": "ann@example.org"}])]
Reason = Annotated[str, Field(min_length=1, max_length=1000, description="why; kept with it", examples=["sent twice"])]


class Body(BaseModel):
    """A body of a request: a field that is not known is refused."""

    model_config = ConfigDict(extra="forbid")


def given(body: BaseModel) -> Mapping[str, Any]:
    """The fields of a body that are not null, by name, each as it is."""
    return {name: value for name in type(body).model_fields if (value := getattr(body, name)) is not None}
