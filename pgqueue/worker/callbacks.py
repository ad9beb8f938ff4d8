"""Calling the callbacks of an app after jobs have ended, one after the other, beside the work."""

import asyncio
import json
import logging
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any, NamedTuple

from .._text import shortened
from .._trace import loggable
from ..context import JobContext
from ..database.calls.run import Verdict
from ..hooks import Callback, Callbacks, JobError, JobEvent, Kind
from ..logs import current
from ..logs.current import of_job
from .calling import call_back
from .isolate import is_thrown_away, take_back_cancel
from .outcome import Outcome

log = logging.getLogger("pgqueue.worker")
MOST_WAITING = 1000  # events that may wait; at this number no more jobs start
SLOW = 10.0  # seconds after which the log names a callback that still runs
FULL_FOR = 1.0  # seconds with a full queue of events after which the running callback is logged


class _Waiting(NamedTuple):
    callbacks: list[Callback]
    job: JobContext
    json: str
    run_at: datetime | None


class CallbackRunner:
    """Calls the callbacks of an app.

    Args:
        callbacks: the registered callbacks.
        counts: where `callback_errors` are counted.
        on_room: called when enough events are delivered to start more jobs.
    """

    def __init__(self, callbacks: Callbacks, counts: Counter[str], on_room: Callable[[], None]) -> None:
        self._callbacks, self._counts, self._on_room = callbacks, counts, on_room
        self._waiting: deque[_Waiting] = deque()
        self._changed = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()
        self._is_over = self._is_stopped = False
        self._calling: Callback | None = None
        self._named: set[int] = set()
        self._looks_when_full = False
        # Named like the threads of handlers: so a callback that hangs does not delay the end of the process.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="pgqueue-handler-callback")

    def note(self, outcomes: Sequence[Outcome], verdicts: Sequence[Verdict]) -> None:
        """Take reported outcomes with the verdicts of the database."""
        said = {verdict.job_id: verdict for verdict in verdicts}
        if unconfirmed := sum(verdict.verdict == "unconfirmed" for verdict in verdicts):
            log.info("no callback runs for %s jobs: the answer to the call that reported them was lost", unconfirmed)
        for outcome in outcomes:
            verdict = said.get(outcome.job.id)
            kinds = _kinds(outcome.state, verdict.verdict if verdict else None)
            callbacks = [callback for kind in kinds for callback in self._callbacks.of(kind, outcome.job.task)]
            if callbacks:
                self._waiting.append(_Waiting(callbacks, outcome.job, outcome.json, verdict.run_at if verdict else None))
        if self._waiting and not self._is_over:
            self._empty.clear()
            self._changed.set()
            if self.is_full() and not self._looks_when_full:
                self._looks_when_full = True
                asyncio.get_running_loop().call_later(FULL_FOR, self._look_when_full)

    def is_full(self) -> bool:
        """Whether so many events wait that no more jobs may start."""
        return len(self._waiting) >= MOST_WAITING

    def is_telling(self) -> bool:
        """Whether there are events for which the callbacks have not run yet."""
        return bool(self._waiting)

    async def run(self) -> None:
        """Call callbacks until `stop`. After any other cancellation it may be called again."""
        self._is_over = False
        if self._waiting:
            self._empty.clear()
            self._changed.set()
        try:
            await self._run()
        finally:
            self._is_over = True
            self._empty.set()  # `drain` need not wait for events that will not be delivered

    async def _run(self) -> None:
        while True:
            await self._changed.wait()
            while self._waiting:
                was_full = self.is_full()
                try:
                    await self._tell(self._waiting[0])
                finally:
                    self._waiting.popleft()  # no event is delivered twice
                if self._is_stopped:
                    return
                if was_full and not self.is_full():
                    self._on_room()
                await asyncio.sleep(0)  # callbacks that never await must not block the loop
            self._changed.clear()
            self._empty.set()

    async def drain(self, timeout: float) -> None:
        """Wait until every event is delivered; events that are not delivered in time are lost and logged."""
        try:
            async with asyncio.timeout(timeout):
                await self._empty.wait()
        except TimeoutError:
            pass
        if self._waiting:
            log.warning("the callbacks of %s jobs did not run in time", len(self._waiting))

    def stop(self) -> None:
        """From now on a cancellation of `run` comes from the worker, not from a callback."""
        self._is_stopped = True

    def close(self) -> None:
        """Shut the thread pool down without waiting for its thread."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _tell(self, waiting: _Waiting) -> None:
        current.job.set(waiting.job)  # for what the callbacks log
        try:
            await self._call_each(waiting)
        finally:
            current.job.set(None)

    async def _call_each(self, waiting: _Waiting) -> None:
        for callback in waiting.callbacks:
            try:
                await self._call(callback, _event(waiting))
            except GeneratorExit as error:  # a future that the callback awaited carried it: `run` is over and starts again
                if not is_thrown_away():
                    self._failed(callback, waiting, error)
                raise
            except BaseException as error:  # SystemExit and the like too: a failure of a callback does not end the worker
                if isinstance(error, asyncio.CancelledError) and self._is_stopped:
                    raise
                self._failed(callback, waiting, error)
            if self._is_stopped:  # and the callback swallowed the cancellation
                return
            this = asyncio.current_task()
            if this is not None and this.cancelling():
                await take_back_cancel(this)

    def _failed(self, callback: Callback, waiting: _Waiting, error: BaseException) -> None:
        self._counts["callback_errors"] += 1
        facts = of_job(waiting.job)
        log.error("callback %s failed", _name_of(callback), exc_info=loggable(error), extra=facts)

    def _look_when_full(self) -> None:
        self._looks_when_full = False
        if self._calling is not None and self.is_full():
            self._name(self._calling, "blocks the worker")

    def _name(self, callback: Callback, what: str) -> None:
        """Log once that a callback delays the jobs, and how."""
        if id(callback) not in self._named:
            self._named.add(id(callback))
            log.warning(
                "callback %s %s: %s callbacks wait; no job starts while it is %s, and a burst does not end before",
                _name_of(callback),
                what,
                len(self._waiting),
                MOST_WAITING,
            )

    async def _call(self, callback: Callback, event: JobEvent) -> None:
        self._calling = callback
        slow = asyncio.get_running_loop().call_later(SLOW, self._name, callback, f"has run for {SLOW:g} s")
        try:
            await call_back(callback, event, self._thread)
        finally:
            slow.cancel()
            self._calling = None


def _name_of(callback: Callback) -> str:
    return getattr(callback, "__qualname__", None) or shortened(callback)


def _kinds(state: str, verdict: str | None) -> tuple[Kind, ...]:
    if state == "succeeded":
        return ("success",) if verdict is None else ()
    if state not in ("failed", "refused"):
        return ()
    match verdict:
        case "scheduled":
            return ("failure", "retry")
        case "dead_letter":
            return ("failure", "dead")
        case _:
            return ()  # the row no longer belonged to this worker


def _event(waiting: _Waiting) -> JobEvent:
    said: dict[str, Any] = json.loads(waiting.json)  # orjson turns large integers into floats, or refuses them
    error = said.get("error")
    described = error and JobError(error["type"], tuple(error["types"]), error["message"], error["traceback"])
    return JobEvent(waiting.job, said.get("result"), described, waiting.run_at)
