"""Calling the callbacks of `on_dead_letters`: any worker looks, and the database says which one of them calls."""

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import psycopg

from .._trace import loggable
from ..control.alerts import Alert, DeadLetterAlert
from ..database import Link
from ..database.backoff import Backoff, Complaints
from ..database.calls import dead as dead_calls
from ..errors import Disconnected, PgQueueError
from .calling import call_back
from .signals import Alarm

log = logging.getLogger("pgqueue.worker")
LOOK_EVERY = 5.0  # seconds, times the number of workers
LOOK_SHARE = 20  # uses at most 1/20 of the time


class DeadLetterAlerts:
    """Looks at regular times whether there are too many dead letters.

    Args:
        alerts: the callbacks of the app.
        link: its own connection, because counting many dead letters may take a second; opened at the first look.
        alarm: it has the number of workers.
        counts: where `callback_errors` are counted.
    """

    def __init__(self, alerts: Sequence[Alert], link: Link, alarm: Alarm, counts: Counter[str]) -> None:
        self._alerts, self._link, self._alarm, self._counts = alerts, link, alarm, counts
        self._complaints = Complaints(log, "dead letters were not counted; jobs continue")
        # Named like the threads of handlers: so a callback that hangs does not delay the end of the process.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="pgqueue-handler-alert")

    async def run(self) -> None:
        """Look until cancelled. After a cancelled call it may be called again."""
        refusals = Backoff()
        while True:
            began = time.monotonic()
            try:
                refused = [error for alert in self._alerts if (error := await self._refusal(alert))]
            except Disconnected:
                continue  # the link waits before the next try
            if refused:
                self._complaints.add(refused[0], refusals.failed())
                await refusals.wait()
            else:
                refusals.worked()
            pause = max(LOOK_EVERY * self._alarm.workers, LOOK_SHARE * (time.monotonic() - began))
            await asyncio.sleep(pause * random.uniform(0.9, 1.1))

    async def _refusal(self, alert: Alert) -> Exception | None:
        """Look, and return what the database refuses, a filter perhaps: it keeps no other callback from being called."""
        try:
            await self._look(alert)
        except Disconnected:
            raise
        except (PgQueueError, psycopg.Error) as error:
            return error
        return None

    async def _look(self, alert: Alert) -> None:
        call = dead_calls.crossed_dead_letters(alert.name, alert.threshold, alert.low, alert.filter)
        jobs = await self._link.run(call)
        if jobs is None:
            return
        log.warning("there are %s dead letters; %s is called", jobs, alert.name)
        try:
            await call_back(alert.callback, DeadLetterAlert(alert.name, alert.threshold, jobs), self._thread)
        except GeneratorExit:  # this coroutine is closed
            raise
        except BaseException as error:  # SystemExit and the like too: a failure of a callback does not end the worker
            this = asyncio.current_task()
            if isinstance(error, asyncio.CancelledError) and this is not None and this.cancelling():
                raise
            self._counts["callback_errors"] += 1
            log.error("callback %s failed", alert.name, exc_info=loggable(error))

    def close(self) -> None:
        """Shut the thread pool down without waiting for its thread."""
        self._thread.shutdown(wait=False, cancel_futures=True)
