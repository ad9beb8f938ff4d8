"""One process for handlers: started, asked, killed. It is imported with the first process: few workers need any."""

import asyncio
import logging
import signal
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from multiprocessing import connection, resource_tracker
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Any, TypeVar

import psutil
from pebble import ProcessExpired, ProcessPool

from ..errors import ProcessDied
from . import in_process
from .in_process import SIGNALS, Setup
from .questions import Questions
from .tree import descendants, kill_all, kill_tree

log = logging.getLogger("pgqueue.worker")
LOOK_EVERY = 0.5  # seconds between two checks whether a process is alive
LAST_WORDS = 1.0  # seconds in which the last answer of a dead process may arrive
LEAVE_WITHIN = 0.5  # seconds that an idle process has to exit
T = TypeVar("T")


class Child:
    """One process in its own pool.

    The processes of one Pebble pool share a pipe and its locks, so a process that dies while it holds a lock blocks the others.
    And the whole pool breaks when an idle process dies.

    Attributes:
        asked: the id of the job that is asked to stop, in memory that the process shares; 0 = none.
        questions: asks the process what it does.
    """

    def __init__(self, setup: Setup) -> None:
        self._context = _Context()
        self.asked = self._context.RawValue("q", 0)
        self.questions = Questions(self._context)
        given = (setup, self.asked, self.questions.theirs)
        self._pool = ProcessPool(1, initializer=in_process.begin, initargs=given, context=self._context)

    @property
    def pid(self) -> int | None:
        """The number of the process; None before it is there."""
        return None if self._context.process is None else self._context.process.pid

    async def run(self, function: Callable[..., T], *order: str) -> T:
        """Call a function of this module in the process.

        Raises:
            ProcessDied: the process ended instead.
        """
        try:
            answer: asyncio.Future[T] = asyncio.wrap_future(self._pool.schedule(function, order))
            try:
                await self._answered(answer)
                return await answer
            finally:
                answer.cancel()
        except (ProcessExpired, BrokenProcessPool, RuntimeError) as error:
            raise ProcessDied(f"the process of the handler {self._end()} before the handler ended") from error

    async def _answered(self, answer: asyncio.Future[Any]) -> None:
        """Check whether the process is alive, because Pebble does not report a process that ended with exit code 0."""
        while not answer.done():
            alive = self.is_alive()
            await asyncio.wait({answer}, timeout=LOOK_EVERY if alive else LAST_WORDS)
            if not alive and not answer.done():
                raise BrokenProcessPool

    def _end(self) -> str:
        process = self._context.process
        if process is not None:
            process.join(LAST_WORDS)
        code = process.exitcode if process else None
        if code is None:
            return "ended"
        return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"

    def is_alive(self) -> bool:
        process = self._context.process
        # Check its sentinel too: code that waits for all children of the worker takes the exit code away from us.
        return process is not None and process.is_alive() and not connection.wait([process.sentinel], 0)

    def kill(self) -> None:
        """End the process at once, and what handlers have started in it; blocks for a moment."""
        self._pool.stop()  # type: ignore[no-untyped-call]  # first, so that it does not replace the process
        if self._context.process is not None:
            self._context.process.kill()
        self._pool.join()
        self.questions.close()

    def close(self) -> None:
        """Release the process; blocks for a moment."""
        self._pool.stop()  # type: ignore[no-untyped-call]
        self._pool.join()
        self.questions.close()


class _Process(SpawnProcess):
    root: psutil.Process | None = None

    def start(self) -> None:
        """Start with the signals blocked that a terminal or a service manager sends to every process of a worker."""
        resource_tracker.ensure_running()  # it unblocks the signals when it starts, so start it before they are blocked
        before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            super().start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        with suppress(psutil.Error):
            self.root = psutil.Process(self.pid)

    def terminate(self) -> None:
        """Pebble calls this after it has closed the pipe. An idle process exits then; SIGTERM would be ignored."""
        left = descendants(self.root) if self.root else []
        self.join(LEAVE_WITHIN)
        self.kill()
        kill_all(left)

    def kill(self) -> None:
        """End the process at once, and what handlers have started in it."""
        if self.root is None:
            super().kill()
        elif not kill_tree(self.root, super().kill):
            log.warning("programs that a handler has started do not end, although they were killed: process %s", self.pid)


class _Context(SpawnContext):
    """Spawns processes of our class, and remembers the first."""

    process: _Process | None = None

    def Process(self, *args: Any, **kwargs: Any) -> _Process:  # type: ignore[override]
        process = _Process(*args, **kwargs)
        self.process = self.process or process
        return process
