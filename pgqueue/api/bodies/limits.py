"""Limits in requests and answers."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, Strict

from ...database.calls.limits import LimitStatus, LimitValues
from ...limits.limit import needs_per
from ...limits.limits import limit_values
from ..problems import invalid
from .fields import AsNumber, AsWhole, Body, End, Flag, Number, Reason
from .pages import Page

_RATE = "tokens for each `per`; or a text with both: 100/m, 5/s, 10/30s"
_PER = "seconds, or a text such as 1m or 30s; left out if `rate` has it"
_PARTIAL = "with `count_to`: more than 50,000 lanes wait or 10,000 jobs run, and no more were looked at: figures may be too low"
_Places = Annotated[int, Strict(), Field(ge=0, le=2**31 - 1), AsWhole]
_Weight = Annotated[int, Strict(), Field(ge=1, le=1000), AsWhole]
_Burst = Annotated[float, Strict(), Field(ge=1, allow_inf_nan=False), AsNumber]


class LimitIn(Body):
    """A limit. What is left out of PUT has its default; what is left out of PATCH stays."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"rate": "100/m", "max_running": 10}, {"rate": 5, "per": 1, "burst": 10}]}
    )

    rate: Annotated[Number | str | None, Field(description=f"{_RATE}; null or 0: no rate")] = None
    per: Annotated[Number | str | None, Field(description=_PER)] = None
    burst: Annotated[_Burst | None, Field(description="how many may start at once after a pause; by default few")] = None
    max_running: Annotated[_Places | None, Field(description="how many run at once; null or 0: any number")] = None
    counts: Annotated[
        Literal["cost", "starts"] | None, Field(description="a start takes the cost of its job (default), or one token")
    ] = None
    weight: Annotated[_Weight | None, Field(description="the share of its jobs when keys take turns; 1 by default")] = None
    retry_blocks: Annotated[Flag | None, Field(description="a job that waits for its retry holds up the others of its key")] = (
        None
    )
    enabled: Annotated[Flag | None, Field(description="false: it has no effect until it is enabled")] = None

    def whole(self) -> LimitValues:
        """All values of the limit, for one that takes the place of another.

        Raises:
            InvalidArgument: a value is invalid, or the rate lacks its interval.
        """
        given = self._values()
        if given.rate and given.per is None:
            raise needs_per()
        return LimitValues(
            given.rate or 0.0,
            given.per,
            given.burst,
            given.max_running or 0,
            given.count_cost is not False,
            given.weight or 1,
            bool(given.retry_blocks),
            given.enabled is not False,
        )

    def changes(self) -> LimitValues:
        """The values that change.

        Raises:
            Problem: there is none, or one has no meaning as null.
            InvalidArgument: a value is invalid.
        """
        if not self.model_fields_set:
            raise invalid("body", "{}", "give at least one field, such as max_running")
        values = self._values()
        removable = self.model_fields_set & {"rate", "max_running"}
        for field in self.model_fields_set - removable:
            if getattr(self, field) is None:
                raise invalid(field, None, "leave it out, and it stays as it is")
        removed: dict[str, Any] = {field: 0 for field in removable if not getattr(self, field)}
        return values._replace(**removed)

    def _values(self) -> LimitValues:
        return limit_values(
            self.rate, self.per, self.burst, self.max_running, self.counts, self.weight, self.retry_blocks, self.enabled
        )


class ParkIn(End):
    """Until when a key is parked, and why."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"for_seconds": 60, "reason": "they ask us to"}]})

    reason: Reason | None = None


class LimitOut(BaseModel):
    """A key, its limit and its current values."""

    key: str = Field(examples=["tenant:42"])
    limit_name: str | None = Field(
        description="the limit that applies: its own, or that of its name; null: a fair key without one"
    )
    enabled: bool | None
    rate: float | None = Field(description="tokens for each `per`; null: no rate")
    per: float | None = Field(description="seconds")
    burst: float | None
    max_running: int | None = Field(description="how many run at once; null: any number")
    counts: Literal["cost", "starts"] | None
    weight: int | None
    retry_blocks: bool | None
    changed_at: datetime | None
    tokens: float | None = Field(description="what it may spend now; below 0 after a job that cost more than the burst")
    used: float | None = Field(description="tokens taken in the current period")
    remaining: float | None = Field(description="tokens of the rate that are left in this period")
    burst_used: float | None
    running: int
    waiting: int = Field(description="jobs of it that are due and wait; with `count_to` no more than that are counted")
    wait_seconds: float | None = Field(description="until the next token, or until the key is opened if it is parked")
    parked_until: datetime | None


class LimitNow(LimitOut):
    """The limit that was asked for."""

    is_partial: bool = Field(description=_PARTIAL)


class LimitPage(Page[LimitOut]):
    """A page of limits and keys."""

    is_partial: bool = Field(description=f"{_PARTIAL}; keys may be missing")


class StartsOut(BaseModel):
    """A minute of a key."""

    at: datetime
    starts: int | None = Field(description="jobs that started in it; null: before `looked_to`")
    tokens: int | None = Field(description="what these jobs cost")


class LimitStartsOut(BaseModel):
    """How many jobs of a key started in each of the last minutes."""

    minutes: list[StartsOut] = Field(description="the oldest first; the last one goes on")
    looked_to: datetime | None = Field(
        description="earlier minutes are not known: more than 10,000 jobs have ended since; null: all are known"
    )


class Unparked(BaseModel):
    """Whether a key was parked."""

    changed: bool


class Filled(BaseModel):
    """How many buckets were filled; that of a key which was not used lately is full already."""

    buckets: int


def limit_shown(status: LimitStatus) -> dict[str, Any]:
    """The status of a key as it is answered."""
    row = status._asdict()
    counts_cost = row.pop("count_cost")
    return row | {"counts": None if counts_cost is None else "cost" if counts_cost else "starts"}
