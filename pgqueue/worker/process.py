"""Handlers in their own processes: spawned, kept, killed when their run is dropped, replaced when they die."""

import asyncio
import logging
import math
import multiprocessing
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from multiprocessing import connection, resource_tracker
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Any, TypeVar

import psutil
from pebble import ProcessExpired, ProcessPool

from .._json import dumps, loads_own
from ..context import JobContext
from ..errors import ConfigurationError, ProcessDied, RemoteError, Timeout
from ..outcomes import RateLimited
from ..tracing.carried import outgoing
from . import in_process
from .execute import Outcome
from .in_process import RAISED, RATE_LIMITED, SIGNALS, Setup, to_json
from .questions import Questions, ask_all
from .tree import descendants, kill_all, kill_tree

log = logging.getLogger("pgqueue.worker")
LOOK_EVERY = 0.5  # seconds between two checks whether a process is alive
LAST_WORDS = 1.0  # seconds in which the last answer of a dead process may arrive
LEAVE_WITHIN = 0.5  # seconds that an idle process has to exit
KILLED_WITHIN = 2.0  # seconds that a run waits for the end of its process
MOST_THREADS = 8  # that end processes
T = TypeVar("T")


def assert_no_import() -> None:
    """Raise ConfigurationError if a process of ours imports the main script, and the script starts a worker."""
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise ConfigurationError(
            "each handler process imports the script that starts the worker; "
            'guard the start: if __name__ == "__main__": asyncio.run(worker.run())'
        )


class Processes:
    """Runs handlers in at most `size` processes; they are started at first use.

    Args:
        size: the largest number of processes.
        setup: what each process needs.
        on_started: called when the handler of a job with a time limit starts: the time until a process is free and has imported
            the handler does not count.
    """

    def __init__(self, size: int, setup: Setup, on_started: Callable[[JobContext], object] = lambda job: None) -> None:
        self._places = asyncio.Semaphore(size)
        self._setup, self._on_started = setup, on_started
        self._idle: list[_Child] = []
        self._busy: dict[JobContext, _Child] = {}
        self._leaving: set[asyncio.Future[None]] = set()
        # Not the threads of the loop: handlers may hold all of those.
        self._threads = ThreadPoolExecutor(min(size, MOST_THREADS), thread_name_prefix="pgqueue-process")

    async def run(self, job: JobContext, function: Callable[..., Any]) -> Outcome:
        """Run a handler in a process that is free, or wait for one.

        Raises:
            RemoteError: the handler raised.
            RateLimited: the handler raised it.
            ProcessDied: its process ended.
        """
        await self._take_place(job)
        try:
            state, text, elapsed, lines = await self._run(job, function)
        finally:
            self._places.release()
        in_process.log_lines(job, lines)
        if state == RAISED:
            raise RemoteError(**loads_own(text))
        if state == RATE_LIMITED:
            raise RateLimited(**loads_own(text))
        return Outcome(job, state, text, elapsed)

    async def _take_place(self, job: JobContext) -> None:
        """Wait for a place, until the deadline of the job at most."""
        try:
            async with asyncio.timeout(job.time_left()):
                await self._places.acquire()
        except TimeoutError:
            self._on_started(job)  # it counts as started now, so no time was spent in the handler
            job.timed_out = True
            raise Timeout(f"the deadline of job {job.id} passed while it waited for a process") from None

    async def _run(self, job: JobContext, function: Callable[..., Any]) -> in_process.Answer:
        child = self._busy[job] = self._take()
        child.asked.value = 0
        try:
            if job.deadline is not None or (job.terms is not None and job.terms.first < math.inf):
                await child.run(in_process.load, function.__module__, function.__qualname__)
                self._on_started(job)
                if job.timed_out:
                    raise Timeout(f"the deadline of job {job.id} passed while it waited for a process")
            answer = await child.run(in_process.run, function.__module__, function.__qualname__, to_json(job), dumps(outgoing()))
        except GeneratorExit:  # there is no event loop any more
            child.kill()
            raise
        except BaseException:  # the process is dead, or runs a job that is dropped or timed out
            await _ended(self._aside(child.kill))
            raise
        finally:
            del self._busy[job]
        self._idle.append(child)
        return answer

    def ask(self, job: JobContext) -> bool:
        """Tell the process of a run that it is to stop; False if the run waits for a process."""
        child = self._busy.get(job)
        if child is not None:
            child.asked.value = job.id
        return child is not None

    def stacks(self) -> list[dict[str, Any]]:
        """What the processes do that run a handler: each with its number and the id of its job. Safe in any thread."""
        busy = self._busy.copy().items()
        return ask_all([(child.questions, {"pid": child.pid, "job": str(job.id)}) for job, child in busy])

    def _take(self) -> "_Child":
        while self._idle:
            child = self._idle.pop()
            if child.is_alive():
                return child
            self._close(child)
        return _Child(self._setup)

    def _close(self, child: "_Child") -> None:
        self._aside(child.close)

    def _aside(self, end: Callable[[], None]) -> asyncio.Future[None]:
        leaving = asyncio.get_running_loop().run_in_executor(self._threads, end)
        self._leaving.add(leaving)
        leaving.add_done_callback(self._leaving.discard)
        return leaving

    async def close(self) -> None:
        """End the processes."""
        while self._idle:
            self._close(self._idle.pop())
        if self._leaving:
            await asyncio.wait(self._leaving, timeout=5.0)
        self._threads.shutdown(wait=False)


async def _ended(kill: asyncio.Future[None]) -> None:
    """Wait for the end of a process, even if we are cancelled meanwhile, as a run is that has passed its timeout."""
    deadline = time.monotonic() + KILLED_WITHIN
    while not kill.done() and (left := deadline - time.monotonic()) > 0:
        with suppress(asyncio.CancelledError):
            await asyncio.wait({kill}, timeout=left)


class _Child:
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
