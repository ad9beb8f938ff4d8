"""Keeps a heartbeat thread alive, and watches the lease beside it."""

import asyncio
import threading

from ..redact import Redactor
from .blocker import Blocker
from .liveness import Liveness
from .loops import LoopEnded
from .parts import Parts
from .stacks import Stacks


class Heart:
    """Gives the parts their heartbeat thread, and another one when that has ended.

    Args:
        parts: of the worker; `parts.liveness` is the thread.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        parts.liveness = self._new()

    async def run(self) -> None:
        """Check the lease here too, because the heartbeat thread may hang with its connection, or end because of a bug."""
        parts, lease = self._parts, self._parts.app.settings.lease
        if not parts.liveness.is_alive():
            ended, parts.liveness = parts.liveness, self._new()
            parts.liveness.take_over(ended)
            parts.liveness.start()
        while True:
            await asyncio.sleep(lease / 20)
            parts.liveness.check_lease()
            if (down := parts.loops.longest_down()) > lease:
                parts.loops.fail(LoopEnded(f"a loop of the worker has been down for {down:.1f} s"))
            if not parts.liveness.is_alive():
                raise RuntimeError("the heartbeat thread has ended; another one takes over")

    def _new(self) -> Liveness:
        parts, app, hooks = self._parts, self._parts.app, self._parts.hooks
        slots, waiters = parts.slots, parts.waiters
        return Liveness(
            app.listen_url,
            app.statements,
            app.settings.lease,
            asyncio.get_running_loop(),
            parts.alarm,
            parts.queues,
            running=lambda: list(slots.running),
            timed=slots.timeouts.running,
            on_lost=parts.membership.note_lost,
            on_results_wanted=waiters.asked,
            on_cancel_wanted=parts.cancels.wanted,
            on_operation_wanted=parts.operations.wanted,
            on_queues_changed=parts.queue_watch.changed,
            on_watch_wanted=waiters.watched,
            down_for=parts.loops.longest_down,
            stacks=self._stacks().take,
            blocker=Blocker(asyncio.get_running_loop(), slots.runs).look,
            measured=hooks.measured,
            is_draining=hooks.is_draining,
            on_told=hooks.told,
        )

    def _stacks(self) -> Stacks:
        parts = self._parts
        return Stacks(
            asyncio.get_running_loop(),
            threading.get_ident(),
            parts.slots.running,
            parts.processes.stacks,
            Redactor(parts.app.settings.redact),
        )
