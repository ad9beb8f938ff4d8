"""One supervisor for all loops of a worker: a loop that ends unexpectedly is started again, or ends the worker.

It runs in callbacks of the tasks and of the event loop, not in a task: code that cancels all tasks does not cancel callbacks.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any

from .._trace import loggable, summary
from ..errors import PgQueueError

log = logging.getLogger("pgqueue.worker")
FIRST_PAUSE = 0.1  # seconds until a loop that ended starts again; twice as long each time
STEADY_AFTER = 30.0  # seconds of running after which the count of ends starts again
MOST_ENDS = 5  # ends in a row after which the worker ends


class LoopEnded(Exception):
    """A loop of the worker ended again and again. The worker ends; another start may help."""


@dataclass(slots=True, eq=False)
class _Loop:
    """A loop and its state; `down_since` on time.monotonic(), None while it runs."""

    name: str
    run: Callable[[], Coroutine[Any, Any, None]]
    task: asyncio.Task[None] | None = None
    is_stopped: bool = False
    is_given_up: bool = False
    ends: int = 0
    started: float = 0.0
    down_since: float | None = None


class Loops:
    """Runs the loops of a worker.

    Args:
        on_failed: called when a loop is given up; `error` has the reason.

    Attributes:
        error: why the worker must end; None if it need not.
    """

    def __init__(self, on_failed: Callable[[], None]) -> None:
        self._on_failed = on_failed
        self._loops: dict[str, _Loop] = {}
        self.error: BaseException | None = None

    def add(self, name: str, run: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Add a loop. `run` never returns and may be called again after it was cut off at any await."""
        self._loops[name] = _Loop(name, run)

    def start(self) -> None:
        """Start all loops."""
        for loop in self._loops.values():
            self._start(loop)

    def _start(self, loop: _Loop) -> None:
        if loop.is_stopped:
            return
        loop.started, loop.down_since = time.monotonic(), None
        loop.task = asyncio.get_running_loop().create_task(loop.run(), name=f"pgqueue {loop.name}")
        loop.task.add_done_callback(partial(self._ended, loop))

    def _ended(self, loop: _Loop, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()  # read in any case, else asyncio logs that it was never retrieved
        if loop.is_stopped:
            return
        loop.down_since = time.monotonic()
        is_first = loop.down_since - loop.started > STEADY_AFTER or isinstance(error, GeneratorExit)  # raised by a callback
        loop.ends = 1 if is_first else loop.ends + 1
        how = "was cancelled" if task.cancelled() else "returned" if error is None else "failed"
        if isinstance(error, PgQueueError):  # such as NotMigrated: another try would not help
            loop.is_given_up = True
            self.fail(error)
        elif loop.ends >= MOST_ENDS:
            why = "" if error is None else f", the last time with {summary(error)}"
            failed = LoopEnded(f"the loop {loop.name!r} of the worker {how} {loop.ends} times in a row{why}")
            failed.__cause__ = error
            loop.is_given_up = True
            self.fail(failed)
        else:
            pause = FIRST_PAUSE * 2 ** (loop.ends - 1)
            shown = error and loggable(error)
            log.warning("the loop %r of the worker %s; it starts again in %.1f s", loop.name, how, pause, exc_info=shown)
            asyncio.get_running_loop().call_later(pause, self._start, loop)

    def fail(self, error: BaseException) -> None:
        """End the worker with an error; the first one counts."""
        if self.error is None:
            self.error = error
            self._on_failed()

    def is_given_up(self, name: str) -> bool:
        """Whether a loop has ended unexpectedly and is not started again."""
        return self._loops[name].is_given_up

    def longest_down(self) -> float:
        """For how many seconds a loop has been down that should run; the longest if there are several. Safe in any thread."""
        now = time.monotonic()
        down = [loop.down_since for loop in self._loops.values() if not (loop.is_stopped or loop.is_given_up)]
        return now - min((since for since in down if since is not None), default=now)

    def cancel(self, *but: str) -> set[asyncio.Task[None]]:
        """Cancel all loops except these; returns the tasks that have not ended yet."""
        return self.cancel_only(*(name for name in self._loops if name not in but))

    def cancel_only(self, *names: str) -> set[asyncio.Task[None]]:
        """Cancel these loops; returns the tasks that have not ended yet."""
        tasks = set()
        for loop in (self._loops[name] for name in names if name in self._loops):
            loop.is_stopped = True
            if loop.task is not None and not loop.task.done():
                loop.task.cancel()
                tasks.add(loop.task)
        return tasks
