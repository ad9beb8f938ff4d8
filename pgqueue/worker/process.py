"""Handlers in their own processes: spawned, kept, killed when their run is dropped, replaced when they die."""

import asyncio
import math
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from .._json import dumps, loads_own
from ..context import JobContext
from ..errors import ConfigurationError, RemoteError, Timeout
from ..outcomes import RateLimited
from ..tracing.carried import outgoing
from . import in_process
from .in_process import RAISED, RATE_LIMITED, Setup, to_json
from .outcome import Outcome
from .questions import ask_all

if TYPE_CHECKING:
    from .spawned import Child

KILLED_WITHIN = 2.0  # seconds that a run waits for the end of its process
MOST_THREADS = 8  # that end processes


def assert_no_import() -> None:
    """Raise ConfigurationError if a process of ours imports the main script, and the script starts a worker."""
    multiprocessing = sys.modules.get("multiprocessing.process")  # such a process has been started by it
    if multiprocessing is not None and getattr(multiprocessing.current_process(), "_inheriting", False):
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
        self._idle: list[Child] = []
        self._busy: dict[JobContext, Child] = {}
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

    def _take(self) -> "Child":
        while self._idle:
            child = self._idle.pop()
            if child.is_alive():
                return child
            self._close(child)
        from .spawned import Child

        return Child(self._setup)

    def _close(self, child: "Child") -> None:
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
