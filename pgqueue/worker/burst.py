"""When a burst is over: no job is left in this worker, nor in its queues."""

import logging
from collections.abc import Callable

from ..database import Link
from ..database.calls import workers as worker_calls
from ..errors import Disconnected
from .foreign import Foreign

log = logging.getLogger("pgqueue.worker")
BURST_BACKSTOP = 0.05  # seconds between two checks whether a burst is over


class Burst:
    """Stops a worker that finds nothing more to do.

    Args:
        link: how it asks the database.
        queues: the queues of the worker.
        foreign: tasks that it leaves to others.
        is_busy: whether the worker still holds something.
        stop: ends the worker.
    """

    def __init__(
        self,
        link: Link,
        queues: list[str],
        foreign: Foreign,
        is_busy: Callable[[], bool],
        stop: Callable[[], None],
    ) -> None:
        self._link, self._queues, self._foreign = link, queues, foreign
        self._is_busy, self._stop = is_busy, stop
        self._is_wait_told = False

    async def look(self) -> None:
        """Stop the worker if no job is left in it and in the queues."""
        if self._is_busy():
            return
        try:
            has_work = await self._link.run(worker_calls.has_work(self._queues, self._foreign.names))
        except Disconnected:
            return
        if not has_work:
            self._stop()
        elif not self._is_wait_told:
            self._is_wait_told = True
            log.info("the burst is not over: jobs of its queues wait for limits or run elsewhere")
