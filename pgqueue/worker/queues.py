"""What a worker does about queues beside claiming: it says what is paused, and counts for max_ready."""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from datetime import datetime

from .._text import one_line
from ..database import Link
from ..database.call import Call
from ..database.calls import queues as calls
from ..database.calls.queues import Pause, Swept
from .signals import Alarm

SWEEP_SHARE = 20  # a sweep uses at most 1/20 of the time
log = logging.getLogger("pgqueue.worker")


class QueueWatch:
    """Steps of maintenance.

    Args:
        link: the connection of maintenance.
        alarm: rung when something was resumed.
        queues: those that the worker serves.
        tasks: names of its tasks.
        lease: seconds; it looks at least every third of it, because notifications can be lost.
        on_large: called while live jobs are to be counted beforehand.
    """

    def __init__(
        self,
        link: Link,
        alarm: Alarm,
        queues: Collection[str],
        tasks: Collection[str],
        lease: float,
        on_large: Callable[[], None],
    ) -> None:
        self._link, self._alarm, self._lease, self._queues = link, alarm, lease, list(queues)
        self._served = {("queue", name) for name in queues} | {("task", name) for name in tasks} | {("everything", "")}
        self._on_large = on_large
        self._known: list[Pause] = []
        self._has_depths = asyncio.Event()
        self._changed = asyncio.Event()
        self._changed.set()  # the first look is at the start

    def steps(self) -> dict[str, Callable[[], Awaitable[None]]]:
        """Each step, by its name."""
        return {"pauses": self._look, "depths": self._sweep}

    def changed(self) -> None:
        """Something was paused or resumed, or settings of a queue were changed."""
        self._changed.set()
        self._alarm.ring()

    async def _look(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._lease / 3 * self._alarm.upkeep_stretch() * random.uniform(0.9, 1.1)):
                await self._changed.wait()
        self._changed.clear()
        look = await self._link.run(calls.look_at_queues(self._queues))
        self._alarm.peers = look.peers
        if look.has_depths:
            self._has_depths.set()
        if look.is_large:
            self._on_large()
        found = [one for one in look.pauses if (one.kind, one.name) in self._served]
        for pause in found:
            if pause not in self._known:
                log.warning("%s; jobs that run go on", one_line(pause.said(datetime.isoformat)))
        paused = {one.subject for one in found}
        for pause in self._known:
            if pause.subject not in paused:
                log.info("%s is no longer paused", pause.subject)
        self._known = found

    async def _sweep(self) -> None:
        """Sweep about once a second across all workers, and less often if it is slow; not at all while no queue has max_ready."""
        await self._has_depths.wait()
        began = 0.0

        def sweep() -> Call[Swept]:
            nonlocal began
            began = time.monotonic()  # measured from here: the wait for the connection does not count
            return calls.sweep_queues()

        swept = await self._link.run(sweep)
        for queue, count in swept.dropped.items():
            log.warning("queue %s is full: its %s oldest jobs were cancelled", queue, count)
        if swept.next_in is None:
            self._has_depths.clear()
            return
        pause = max(swept.next_in * self._alarm.workers, SWEEP_SHARE * (time.monotonic() - began))
        await asyncio.sleep(pause * random.uniform(0.9, 1.1))
