"""What pools are and do; see the views pools, pool_workers, pool_agents and pool_events."""

from datetime import datetime, timedelta
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from ..call import ALWAYS, WHOLE, Call


class PoolStatus(NamedTuple):
    """A pool: a row of the view `pools`.

    Attributes:
        name, app, queues, concurrency, wanted, minimum, maximum, max_unavailable: as it was made.
        state: "steady", or the first thing that people should know: "deleting", "paused", "no_agent", "no_room" (agents have
            fewer places than workers are wanted), "scaling" (other than wanted run), "rolling".
        running: workers that are alive and do not drain.
        ready: jobs in its queues that wait for a worker.
        oldest: how long the first of them has been waiting.
        agents: agents that are alive and take slots.
        places: workers that these can run.
        autoscale: whether it scales itself.
        rules: those of its autoscaler that are not the defaults.
        generation: of the workers that are to run.
        outdated: workers of an earlier one.
        created_at: when it was made.
        checked_at: when its autoscaler looked last.
        scaled_up_at, scaled_down_at: when `wanted` was changed last.
        counted_at: when the jobs were counted; None = now.
    """

    name: str
    state: str
    app: str
    queues: list[str]
    concurrency: int
    wanted: int
    running: int
    ready: int
    oldest: timedelta | None
    agents: int
    places: int
    minimum: int
    maximum: int
    autoscale: bool
    rules: dict[str, Any]
    generation: int
    outdated: int
    max_unavailable: int
    created_at: datetime
    checked_at: datetime | None
    scaled_up_at: datetime | None
    scaled_down_at: datetime | None
    counted_at: datetime | None


class PoolWorker(NamedTuple):
    """A slot of a pool with its worker: a row of the view `pool_workers`. While a slot is rolled it has two.

    Attributes:
        pool, slot: which.
        status: that of its worker; without one "FREE", "STARTING" or "LEAVING".
        leaving: how its worker is to end: "drain" or "now"; None: it is to stay.
        agent_id, agent: the agent that holds the slot, and its name.
        host: of the worker, or of the agent.
        worker_id, worker, pid, running, started_at, heartbeat_at: of the worker; None without one.
        generation: of the worker, else of the slot.
        is_outdated: whether it is to be replaced.
        taken_at: when the agent took the slot.
    """

    pool: str
    slot: int
    status: str
    leaving: str | None
    agent_id: UUID | None
    agent: str | None
    host: str | None
    worker_id: UUID | None
    worker: str | None
    pid: int | None
    running: int | None
    generation: int
    is_outdated: bool
    taken_at: datetime | None
    started_at: datetime | None
    heartbeat_at: datetime | None


class PoolAgent(NamedTuple):
    """An agent of a pool: a row of the view `pool_agents`.

    Attributes:
        id, pool, name, host, pid, version: which it is.
        slots: workers that it can run.
        taken: slots that it holds.
        status: "ACTIVE", "DRAINING" (it takes no more slots) or "DEAD".
        started_at, heartbeat_at, lease: when it started, when it was heard last, and for how long that holds.
    """

    id: UUID
    pool: str
    name: str
    host: str
    pid: int
    version: str
    slots: int
    taken: int
    status: str
    started_at: datetime
    heartbeat_at: datetime
    lease: timedelta


class PoolEvent(NamedTuple):
    """What was decided about a pool, or happened to it: a row of the view `pool_events`.

    Attributes:
        id, at, pool: which, when and to what.
        kind: what: "made", "scaled", "scaled_up", "refused", "agent_lost", …; see note_pool.
        by: who: a person, or the name of an agent.
        before, after: workers wanted, if that has changed.
        reason: why.
        figures: what the decision was made by.
    """

    id: int
    at: datetime
    pool: str
    kind: str
    by: str | None
    before: int | None
    after: int | None
    reason: str | None
    figures: dict[str, Any] | None


class PoolSample(NamedTuple):
    """A pool in one minute.

    Attributes:
        at: the minute.
        wanted, running: workers.
        ready: jobs in its queues that waited.
    """

    at: datetime
    wanted: int
    running: int
    ready: int


_POOL: LiteralString = (
    "select name, state, app, queues, concurrency, wanted, running, ready, oldest, agents, places, minimum, maximum, autoscale, "
    "rules, generation, outdated, max_unavailable, created_at, checked_at, scaled_up_at, scaled_down_at, counted_at "
    "from {schema}.pools "
)


def pools(after: str | None = None, limit: int | None = None) -> Call[list[PoolStatus]]:
    """Pools in the order of their names, behind this one; every one without a limit."""
    return Call(
        _POOL + "where %s::text is null or name > %s::text order by name limit %s::int",
        (after, after, limit),
        lambda rows: [PoolStatus(*row) for row in rows],
        within=WHOLE,
        repeat_within=ALWAYS,
    )


def pool(name: str) -> Call[list[PoolStatus]]:
    """One pool, as a list of at most one."""
    return Call(
        _POOL + "where name = %s::text",
        (name,),
        lambda rows: [PoolStatus(*row) for row in rows],
        within=WHOLE,
        repeat_within=ALWAYS,
    )


def pool_workers(name: str, limit: int | None = None) -> Call[list[PoolWorker]]:
    """The slots of a pool with their workers, in the order of the slots."""
    return Call(
        "select pool, slot, status, leaving, agent_id, agent, host, worker_id, worker, pid, running, generation, is_outdated, "
        "taken_at, started_at, heartbeat_at "
        "from {schema}.pool_workers where pool = %s::text order by slot, generation limit %s::int",
        (name, limit),
        lambda rows: [PoolWorker(*row) for row in rows],
        repeat_within=ALWAYS,
    )


def pool_agents(name: str) -> Call[list[PoolAgent]]:
    """The agents of a pool, by host."""
    return Call(
        "select id, pool, name, host, pid, version, slots, taken, status, started_at, heartbeat_at, lease "
        "from {schema}.pool_agents where pool = %s::text order by host, name, started_at, id",
        (name,),
        lambda rows: [PoolAgent(*row) for row in rows],
        repeat_within=ALWAYS,
    )


def pool_events(name: str, limit: int, before: str | None = None) -> Call[list[PoolEvent]]:
    """The last events of a pool, the newest first; those before an id, which is text, if it is given."""
    return Call(
        "select id, at, pool, kind, by, before, after, reason, figures from {schema}.pool_events "
        "where pool = %s::text and (%s::text is null or id < %s::text::bigint) order by id desc limit %s::int",
        (name, before, before, limit),
        lambda rows: [PoolEvent(*row) for row in rows],
        repeat_within=ALWAYS,
    )


def pool_samples(name: str, since: str) -> Call[list[PoolSample]]:
    """The samples of a pool over this interval, such as "1 hour", the oldest first."""
    return Call(
        "select at, wanted, running, ready from {schema}.pool_sample "
        "where pool = %s::text and at > (clock_timestamp() - %s::interval) order by at",
        (name, since),
        lambda rows: [PoolSample(*row) for row in rows],
        repeat_within=ALWAYS,
    )
