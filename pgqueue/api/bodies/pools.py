"""Pools in requests and answers."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field, Strict

from ...control.pool_values import pool_values, rules_json
from ...database.calls.pool_verbs import PoolValues
from ..problems import invalid
from .fields import AsWhole, Body, Flag, Reason, given

PoolName = Annotated[str, Path(pattern=r"^[A-Za-z0-9_.:-]{1,100}$", description="the name of a pool", examples=["mail"])]
_Count = Annotated[int, Strict(), Field(ge=0, le=10_000), AsWhole]
_Some = Annotated[int, Strict(), Field(ge=1, le=10_000), AsWhole]
_Step = Annotated[int, Strict(), Field(ge=-10_000, le=10_000), AsWhole]
_STATE = "steady, or the first thing to know; no_room: its agents have fewer places than workers are wanted"
State = Literal["steady", "scaling", "rolling", "no_agent", "no_room", "paused", "deleting"]
Rules = Annotated[dict[str, Any], Field(description="of the autoscaler, see docs/pools.md; the value default is the default")]


class PoolIn(Body):
    """Values of a pool. What is left out has its default in a new one, and stays in an existing one."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"maximum": 20, "concurrency": 10}]})

    app: Annotated[
        str | None, Field(max_length=200, description="module:attribute; needs the role admin", examples=["shop.jobs:app"])
    ] = None
    queues: Annotated[
        list[str] | None, Field(max_length=1000, description="with weights: mail=3; none: all queues of the app")
    ] = None
    concurrency: Annotated[_Some | None, Field(description="jobs that each worker runs at once; 100 by default")] = None
    wanted: Annotated[_Count | None, Field(description="workers that shall run; the minimum by default")] = None
    minimum: Annotated[_Count | None, Field(description="the fewest that may be wanted; 1 by default, 0 needs queues")] = None
    maximum: Annotated[_Some | None, Field(description="the most that may be wanted; 50 by default")] = None
    max_unavailable: Annotated[_Some | None, Field(description="workers that a roll replaces at a time; 1 by default")] = None

    def values(self) -> PoolValues:
        """The values as SQL takes them.

        Raises:
            InvalidArgument: a text cannot be stored.
        """
        settings = {name: value for name, value in given(self).items() if name in PoolIn.model_fields and name != "app"}
        return pool_values(self.app, settings)


class NewPoolIn(PoolIn):
    """A pool that is to be made."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"name": "mail", "app": "shop.jobs:app", "maximum": 20}]}
    )

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:-]{1,100}$", examples=["mail"])]
    autoscale: Annotated[Flag | None, Field(description="whether it scales itself; not by default")] = None
    rules: Rules | None = None


class ScaleIn(Body):
    """How many workers shall run: give `wanted` or `change`."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"wanted": 5}, {"change": -1, "reason": "quiet"}]})

    wanted: Annotated[_Count | None, Field(description="the number, within the bounds of the pool")] = None
    change: Annotated[_Step | None, Field(description="so many more, or fewer if negative")] = None
    reason: Reason | None = None


class AutoscaleIn(Body):
    """Whether a pool scales itself, and rules that change."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"on": True, "rules": {"depth_up": 200}}]})

    on: Annotated[Flag | None, Field(description="left out: as it is")] = None
    rules: Rules | None = None

    def rules_text(self) -> str | None:
        """The rules as JSON.

        Raises:
            Problem: nothing is given.
        """
        if self.on is None and self.rules is None:
            raise invalid("body", "{}", "give on, rules, or both")
        return rules_json(self.rules)


class RollIn(Body):
    """How a pool is rolled."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"max_unavailable": 2, "reason": "new code"}]})

    max_unavailable: Annotated[_Some | None, Field(description="workers replaced at a time; left out: as before")] = None
    reason: Reason | None = None


class WhyIn(Body):
    """Why it is done."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"reason": "the provider is down"}]})

    reason: Reason | None = None


class PoolOut(BaseModel):
    """A pool with what it wants and what runs."""

    name: str = Field(examples=["mail"])
    state: State = Field(description=_STATE)
    app: str
    queues: list[str] = Field(description="with weights; empty: all queues of the app")
    concurrency: int
    wanted: int
    running: int = Field(description="workers that are alive and do not drain")
    ready: int = Field(description="jobs in its queues that wait for a worker")
    oldest: float | None = Field(description="seconds for which the first of them has been waiting")
    agents: int = Field(description="agents that are alive and take slots")
    places: int = Field(description="workers that these can run")
    minimum: int
    maximum: int
    autoscale: bool
    rules: dict[str, Any] = Field(description="of the autoscaler: those that are not the defaults")
    generation: int
    outdated: int = Field(description="workers of an earlier generation, which are to be replaced")
    max_unavailable: int
    created_at: datetime
    checked_at: datetime | None = Field(description="when its autoscaler looked last")
    scaled_up_at: datetime | None
    scaled_down_at: datetime | None
    counted_at: datetime | None = Field(description="when the jobs were counted; null: just now")


class PoolWorkerOut(BaseModel):
    """A slot of a pool with its worker; while it is rolled it has two."""

    pool: str
    slot: int
    status: str = Field(description="that of its worker; without one FREE, STARTING or LEAVING")
    leaving: Literal["drain", "now"] | None = Field(description="how its worker is to end; null: it is to stay")
    agent_id: UUID | None
    agent: str | None = Field(description="the name of the agent")
    host: str | None
    worker_id: UUID | None
    worker: str | None = Field(description="the name of the worker")
    pid: int | None
    running: int | None = Field(description="jobs at its last heartbeat")
    generation: int
    is_outdated: bool
    taken_at: datetime | None
    started_at: datetime | None
    heartbeat_at: datetime | None


class PoolAgentOut(BaseModel):
    """An agent of a pool."""

    id: UUID
    pool: str
    name: str
    host: str
    pid: int
    version: str
    slots: int = Field(description="workers that it can run")
    taken: int = Field(description="slots that it holds")
    status: Literal["ACTIVE", "DRAINING", "DEAD"]
    started_at: datetime
    heartbeat_at: datetime
    lease: float = Field(description="seconds after its last heartbeat at which its slots are others'")


class PoolMembers(BaseModel):
    """Who runs a pool."""

    workers: list[PoolWorkerOut] = Field(description="in the order of their slots, at most 1,000")
    agents: list[PoolAgentOut]
    is_partial: bool = Field(description="there are more workers")


class PoolEventOut(BaseModel):
    """What was decided about a pool, or happened to it."""

    id: str = Field(examples=["1204"])
    at: datetime
    pool: str
    kind: str = Field(examples=["scaled"])
    by: str | None = Field(description="who: a person, or the name of an agent")
    before: int | None = Field(description="workers wanted, if that has changed")
    after: int | None
    reason: str | None
    figures: dict[str, Any] | None = Field(description="what the decision was made by")


class PoolSampleOut(BaseModel):
    """A pool in one minute."""

    at: datetime
    wanted: int
    running: int
    ready: int


class PoolSamples(BaseModel):
    """A pool minute by minute, the oldest first."""

    samples: list[PoolSampleOut]


class PoolScaled(BaseModel):
    """How many workers are wanted now."""

    wanted: int


class PoolRolled(BaseModel):
    """The generation that is to run."""

    generation: int


class PoolChanged(BaseModel):
    """Whether anything has changed."""

    changed: bool


class PoolDeleted(BaseModel):
    """What became of a pool."""

    is_gone: bool = Field(description="false: its agents end its workers, and the pool goes with the last of them")
