"""Which loops a worker runs, and which of them it needs until its end."""

from .heart import Heart
from .parts import Parts

FINISH = ("finish", "finish held", "finish slow", "finish alone")
# Loops that a stopping worker needs.
UNTIL_THE_END = (*FINISH, "callbacks", "cancel", "lease", "renew", "timeouts", "stops", "soft timeouts", "job log")


def add_loops(parts: Parts, heart: Heart) -> None:
    """Add all loops of a worker, in the order in which they start."""
    loops, slots = parts.loops, parts.slots
    if not parts.options.upkeep_only:
        loops.add("claim", parts.claimer.run)
    loops.add("connections", parts.links.connections.run)
    loops.add("parents", parts.parents.run)
    loops.add("callbacks", parts.callbacks.run)
    loops.add("waiters", parts.waiters.run)
    loops.add("job log", parts.logs.run)
    loops.add("lease", heart.run)
    loops.add("renew", parts.membership.renew)
    loops.add("timeouts", slots.timeouts.run)
    loops.add("stops", slots.stops.run)
    loops.add("soft timeouts", parts.soft_timeouts.run)
    loops.add("summary", parts.summaries.run)
    if parts.app.alerts:
        loops.add("dead letters", parts.alerts.run)
    more = parts.queue_watch.steps() | parts.cancels.steps() | parts.operations.steps()
    more |= parts.doctor.steps() | parts.figures.steps() | parts.depths.steps()
    for name, run in (parts.finisher.loops() | parts.maintenance.loops(more)).items():
        loops.add(name, run)
