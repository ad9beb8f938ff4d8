"""How a worker ends, in order: it gives back and reports what it holds, leaves, and closes its parts."""

import asyncio
import logging
import time
from contextlib import suppress

from ..database.calls import workers as worker_calls
from ..database.connection import DEADLINE
from .loop_list import FINISH, UNTIL_THE_END
from .parts import Parts

log = logging.getLogger("pgqueue.worker")
LEAVE_WITHIN = 2.0  # seconds to leave for a worker that never started to work
DRAIN_LOOK = 0.1  # seconds between two looks of a draining worker whether its handlers have ended
TELL_AT_LEAST = 1.0  # seconds for callbacks, even if handlers have used up the grace
UNTOLD_WITHIN = 1.0  # seconds for a cancelled callback to end
FLUSH_WITHIN = 10.0  # seconds beyond the grace for reporting outcomes; and for leaving the lifespan


async def drain(parts: Parts) -> None:
    """Claim nothing more, give back what has not started, and wait for the handlers, however long they take."""
    parts.slots.stop()
    if ending := parts.loops.cancel_only("claim", "parents"):
        await asyncio.wait(ending)
    await _give_back(parts)
    while parts.slots.running:  # noqa: ASYNC110 an event would be set after every job
        await asyncio.sleep(DRAIN_LOOK)


async def end(parts: Parts) -> None:
    """Give back jobs that have not started, wait for running jobs, report the outcomes, leave."""
    parts.slots.stop()
    if ending := parts.loops.cancel(*UNTIL_THE_END):
        await asyncio.wait(ending)
    if parts.liveness.ident is None:
        await parts.membership.leave_unregistered(LEAVE_WITHIN)
        return
    cut_off = list[int]()
    with suppress(TimeoutError):
        async with asyncio.timeout(parts.options.grace + FLUSH_WITHIN):
            await _leave(parts, cut_off)
            return
    await _leave_late(parts, cut_off)


async def _leave(parts: Parts, cut_off: list[int]) -> None:
    """Hand in everything, and leave. Notes in `cut_off` the jobs whose handlers had no more time."""
    deadline = time.monotonic() + parts.options.grace
    await _give_back(parts)
    can_finish = not any(map(parts.loops.is_given_up, FINISH))
    if not (can_finish and await parts.slots.wait_idle(deadline - time.monotonic())):
        log.warning("%s handlers did not end in time; their jobs are given back", len(parts.slots.running))
        cut_off += parts.slots.running
        await parts.slots.drop()
    if can_finish:
        await parts.finisher.drain()
        await parts.callbacks.drain(max(TELL_AT_LEAST, deadline - time.monotonic()))
    await parts.logs.drain(LEAVE_WITHIN)
    await parts.membership.retire(cut_off)


async def _leave_late(parts: Parts, cut_off: list[int]) -> None:
    """Leave although some outcomes could not be stored in time."""
    if held := parts.finisher.only_held():
        log.warning("jobs whose outcomes could not be stored are given back and run again: %s", ", ".join(held))
        # A job that is being reported is locked by that call, and locked jobs are not given back.
        if ending := parts.loops.cancel("callbacks", "renew", "lease"):
            await asyncio.wait(ending, timeout=LEAVE_WITHIN)
        if await parts.membership.retired_within(LEAVE_WITHIN, cut_off):
            return
    log.warning("the database did not answer while stopping; the remaining jobs are rescued after the lease")


async def _give_back(parts: Parts) -> None:
    """Give back what this worker has claimed lately and does not hold any more; it has looked at older claims while it ran."""
    membership, lately = parts.membership, parts.app.settings.lease + 2 * DEADLINE
    await membership.until_answered(lambda: worker_calls.reconcile(membership.id, parts.held(), 0, lately))


async def close(parts: Parts) -> None:
    """End all that still runs; the worker has left, or could not."""
    parts.callbacks.stop()
    ending = parts.loops.cancel()
    parts.liveness.stop()
    if parts.liveness.is_alive():
        await asyncio.to_thread(parts.liveness.join, 1.0)
    # Not earlier: a heartbeat of a worker that has left looks like a lost lease.
    if ending:
        await asyncio.wait(ending, timeout=UNTOLD_WITHIN)
    await parts.slots.close()
    await parts.services.close()
    await parts.processes.close()
    parts.callbacks.close()
    parts.alerts.close()
    await parts.links.connections.close()
