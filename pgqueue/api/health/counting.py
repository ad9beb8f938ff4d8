"""Live jobs of a large install are counted beforehand while a dashboard is in use, also where no worker is left to do it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

import psycopg

from ...database.backoff import first_line
from ...database.call import Call
from ...database.calls.depths import sweep_depths
from ...errors import PgQueueError

log = logging.getLogger("pgqueue.api")
OFTEN, SELDOM = 2.0, 60.0  # seconds: of a large install at least; while it is small, or counting fails
_Run = Callable[[Call[float | None]], Awaitable[float | None]]


class Counting:
    """Counts when that is due, as each worker does: together they count for 1/50 of the time at most.

    Views count themselves where there is no such count, and that reads all jobs.

    Args:
        run: runs a call of the database.
        stopping: ends it.
    """

    def __init__(self, run: _Run, stopping: asyncio.Event) -> None:
        self._run, self._stopping = run, stopping
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, unless it runs."""
        is_running = self._task is not None and self._task.get_loop() is asyncio.get_running_loop() and not self._task.done()
        if not is_running and not self._stopping.is_set():
            self._task = asyncio.create_task(self._go_on(), name="pgqueue counting")

    async def stop(self) -> None:
        """End it; `stopping` is set."""
        if self._task is not None and self._task.get_loop() is asyncio.get_running_loop():
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _go_on(self) -> None:
        while not self._stopping.is_set():
            pause = await self._count()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)

    async def _count(self) -> float:
        """Count if it is due. Returns seconds until the next try."""
        try:
            due_in = await self._run(sweep_depths())
        except (PgQueueError, psycopg.Error) as error:  # such as a login that may only read: then views count themselves
            log.debug("live jobs are not counted beforehand: %s", first_line(error))
            return SELDOM
        return SELDOM if due_in is None else max(due_in, OFTEN)
