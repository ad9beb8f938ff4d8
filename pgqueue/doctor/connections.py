"""How many connections worker processes open, and whether the server has room for them."""

from collections.abc import Iterator
from typing import NamedTuple

from ..database.calls.doctor import Finding, Room
from ..registry import Registry
from ..worker.machine import whole_cores

STEADY = 4  # of a worker with work: claim, finish, maintenance, and the one that listens
SELDOM = 8  # opened when needed: outcomes that are held up, results of parents, logs of jobs, alerts, and what upkeep needs
LATER = "what connects last is refused: workers cannot register or store outcomes, and requests of the application fail"
REMEDY = (
    "fewer --processes, a smaller PGQUEUE_TRANSACTION_POOL_SIZE or PGQUEUE_POOL_SIZE, a larger max_connections, or a pooler: "
    "see docs/scaling.md"
)


class Needed(NamedTuple):
    """Connections that worker processes open.

    Attributes:
        steady: as soon as they have work.
        most: when all handlers use `ctx.transaction()` and enqueue at the same time.
    """

    steady: int
    most: int


def needed(app: Registry, concurrency: int, processes: int) -> Needed:
    """Connections that so many worker processes of an app open.

    Args:
        app: the app; the kinds of its handlers decide which pools there can be.
        concurrency: jobs that each process runs at once.
        processes: their number.
    """
    settings = app.settings
    kinds = {task.executor for task in app.tasks.values()}
    of_a_kind = min(settings.transaction_pool_size, concurrency) + min(settings.pool_size, concurrency)
    most = STEADY + SELDOM + of_a_kind * len(kinds & {"async", "thread"})
    if "process" in kinds:
        most += settings.process_pool_size or min(concurrency, whole_cores())
    return Needed(STEADY * processes, most * processes)


def of_room(need: Needed, room: Room) -> Iterator[Finding]:
    """What is wrong with the room that the server has for these connections."""
    limits = {"server": room.most, "role": room.role_most, "database": room.database_most}
    of, most = min(((name, value) for name, value in limits.items() if value is not None), key=lambda pair: pair[1])
    others = max(0, room.used - room.ours) if of == "server" else 0
    figures = {**need._asdict(), "limit": most, "limit_of": of, "used_by_others": others, "used_by_pgqueue": room.ours}
    there = f"the {of} allows {most}" + (f", of which others use {others} now" if others else "")
    free, busiest = most - others, f"{need.most} when all handlers use ctx.transaction() and enqueue at once"
    if need.steady > free:
        problem = f"these processes need {need.steady} connections at least, and {there}"
        yield Finding("too-few-connections", "error", of, problem, figures, LATER, REMEDY)
    elif 2 * need.steady > free:
        problem = f"these processes need {need.steady} connections, twice as many while a deploy replaces them, and {there}"
        yield Finding("few-connections", "warning", of, problem, figures, LATER, REMEDY)
    elif need.most > free:
        problem = f"these processes need {need.steady} connections, but up to {busiest}, and {there}"
        yield Finding("connections-may-run-out", "note", of, problem, figures, LATER, REMEDY)
