"""Upkeep by the API process: with only HTTP workers nobody else would promote, rescue, fire schedules, or carry on operations."""

import asyncio
import logging
import os
import socket
from contextlib import suppress

from ..._trace import loggable
from ...app import PgQueue
from ...database.backoff import Backoff
from ...worker import Worker, WorkerOptions

log = logging.getLogger("pgqueue.api")
GRACE = 1.0  # seconds for upkeep to end; nothing of it runs for long, and nothing is lost with it
STOP_WITHIN = 5.0


class Upkeep:
    """A worker without queues, in the event loop of the API. It is one of the workers in every list.

    Args:
        app: the install. Its schedules and limits are declared, its tasks and its lifespan are not used.
    """

    def __init__(self, app: PgQueue) -> None:
        self._app = app
        self._is_stopped = self._is_pausing = False
        self._worker: Worker | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._task is not None and not self._task.done()

    def start(self) -> None:
        """Begin, unless it runs."""
        if not self.is_running and not self._is_stopped:
            self._task = asyncio.create_task(self._run(), name="pgqueue upkeep")

    def tell(self, over: list[int], changed: list[int]) -> None:
        """Note that these jobs are over, and that these have changed: those who wait for them are told."""
        if self._worker is not None:
            self._worker.tell(over, changed)

    async def stop(self) -> None:
        """End it."""
        self._is_stopped = True
        if self._task is None:
            return
        if self._worker is not None:
            self._worker.stop()
        done, _ = await asyncio.wait({self._task}, timeout=0 if self._is_pausing else STOP_WITHIN)
        if not done:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        """Keep a worker running until the API stops: one that fails, such as before a migration, is followed by another."""
        name, backoff = f"api {socket.gethostname()}:{os.getpid()}", Backoff()
        options = WorkerOptions(concurrency=1, grace=GRACE, name=name, handle_signals=False, upkeep_only=True)
        while not self._is_stopped:
            self._worker = Worker(self._app, options)
            try:
                await self._worker.run()
                backoff.worked()
            except Exception as error:  # whatever it is: without upkeep jobs would wait for ever
                log.error("upkeep failed; it starts again", exc_info=loggable(error))
                backoff.failed()
            self._is_pausing = True
            if not self._is_stopped:
                await backoff.wait()
            self._is_pausing = False
