"""Agents of pools: what they say, and what they are told; see sql/functions/pools."""

from typing import Any, NamedTuple
from uuid import UUID

from ..call import ALWAYS, Call, Rows, nothing, one_value


class Slot(NamedTuple):
    """A slot that an agent holds.

    Attributes:
        number: of the slot in its pool.
        generation: with which its worker is to run.
        leaving: how its worker is to end: "drain", once its jobs are done, or "now", within the grace; None = it stays.
    """

    number: int
    generation: int
    leaving: str | None = None


class Turn(NamedTuple):
    """What an agent is told.

    Attributes:
        app: of the pool, as module:attribute.
        queues: of the pool, with weights as on the command line; none = all of the app.
        concurrency: of each worker.
        autoscale: whether the pool scales by itself.
        deleting: whether it goes with its last slot.
        look_after: seconds after which the next turn is due at the latest; None = the lease of the agent says when.
        is_held_up: somebody else has the pool just now.
        slots: those that the agent holds.
    """

    app: str
    queues: tuple[str, ...]
    concurrency: int
    autoscale: bool
    deleting: bool
    look_after: float | None
    is_held_up: bool
    slots: tuple[Slot, ...]


def register_agent(
    agent: UUID, pool: str, name: str, host: str, pid: int, version: str, slots: int, lease: float
) -> Call[str]:  # fmt: skip
    """Register an agent with room for so many workers. Returns the app of the pool."""
    return Call(
        "select {schema}.register_agent(%s, %s, %s, %s, %s, %s, %s, make_interval(secs => %s::float8))",
        (agent, pool, name, host, pid, version, slots, lease),
        one_value,
        repeat_within=ALWAYS,
    )


def agent_turn(
    agent: UUID, ended: list[int] | None = None, occupied: int = 0, draining: bool = False, trouble: str | None = None
) -> Call[Turn]:
    """Renew the lease and ask which slots the agent holds.

    Args:
        agent: its id.
        ended: slots that it was told to leave and has left.
        occupied: places that workers without a slot still need.
        draining: take no more slots, and hand back all.
        trouble: why workers do not start.
    """
    return Call(
        "select app, queues, concurrency, autoscale, deleting, look_after, held_up, slots "
        "from {schema}.agent_turn(%s, %s::int[], %s, %s, %s::text)",
        (agent, ended or [], occupied, draining, trouble),
        _turn,
    )


def retire_agent(agent: UUID) -> Call[None]:
    """An agent leaves; its slots are free for others."""
    return Call("select {schema}.retire_agent(%s)", (agent,), nothing, repeat_within=ALWAYS)


def _turn(rows: Rows) -> Turn:
    app, queues, concurrency, autoscale, deleting, look_after, held_up, slots = rows[0]
    return Turn(app, tuple(queues), concurrency, autoscale, deleting, look_after, held_up, tuple(_slot(slot) for slot in slots))


def _slot(fields: dict[str, Any]) -> Slot:
    return Slot(fields["slot"], fields["generation"], fields["leaving"])


def autoscale(pool: str, by: str) -> Call[float | None]:
    """Scale a pool, if it is time. Returns the seconds until the next call; None = it does not scale by itself."""
    return Call("select {schema}.autoscale(%s, %s::text)", (pool, by), one_value)


def sample_pools() -> Call[None]:
    """Keep how many workers are wanted and run, once a minute whoever asks."""
    return Call("select {schema}.sample_pools()", (), nothing, repeat_within=ALWAYS)
