"""Handlers in their own processes: spawned, kept, killed when their run is dropped, replaced when they die.

Only plain values are passed: names, JSON texts and numbers. A process imports the module of the handler and decodes the
arguments there.
"""

import asyncio
import functools
import importlib
import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from datetime import datetime
from multiprocessing import connection, resource_tracker
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Any, NamedTuple

from pebble import ProcessExpired, ProcessPool

from .. import logs
from .._json import dumps, loads_own
from ..context import JobContext
from ..errors import ConfigurationError, ProcessDied, RemoteError
from ..executor import look_up
from ..outcomes import RateLimited
from ..registry import Registered
from .describe import describe
from .execute import Outcome, arguments_of, returned

log = logging.getLogger("pgqueue.worker")
RAISED = "raised"
RATE_LIMITED = "rate limited"
LOOK_EVERY = 0.5  # seconds between two checks whether a process is alive
LAST_WORDS = 1.0  # seconds in which the last answer of a dead process may arrive
LEAVE_WITHIN = 0.5  # seconds that an idle process has to exit
SIGNALS = (signal.SIGINT, signal.SIGTERM)
PLAIN = (
    "token", "id", "queue", "task", "args_json", "attempt", "max_attempts", "priority", "meta_json", "node_json", "limits",
    "terms_json",
)  # fmt: skip
TIMES = ("run_at", "created_at")
Answer = tuple[str, str, float]


class Setup(NamedTuple):
    """What a process gets when it starts: the database of the worker's app, and how logs are written."""

    database_url: str
    schema_name: str
    logs: tuple[logs.Format, str] | None


def assert_no_import() -> None:
    """Raise ConfigurationError if a process of ours imports the main script, and the script starts a worker."""
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise ConfigurationError(
            "each handler process imports the script that starts the worker; "
            'guard the start: if __name__ == "__main__": asyncio.run(worker.run())'
        )


class Processes:
    """Runs handlers in at most `size` processes; they are started at first use."""

    def __init__(self, size: int, setup: Setup) -> None:
        self._places = asyncio.Semaphore(size)
        self._setup = setup
        self._idle: list[_Child] = []
        self._leaving: set[asyncio.Future[None]] = set()

    async def run(self, job: JobContext, function: Callable[..., Any]) -> Outcome:
        """Run a handler in a process that is free, or wait for one.

        Raises:
            RemoteError: the handler raised.
            RateLimited: the handler raised it.
            ProcessDied: its process ended.
        """
        async with self._places:
            child = self._take()
            try:
                state, text, elapsed = await child.run(function.__module__, function.__qualname__, _to_json(job))
            except BaseException:  # the process is dead, or runs a dropped job
                child.kill()
                self._close(child)
                raise
            self._idle.append(child)
        if state == RAISED:
            raise RemoteError(**loads_own(text))
        if state == RATE_LIMITED:
            raise RateLimited(**loads_own(text))
        return Outcome(job, state, text, elapsed)

    def _take(self) -> "_Child":
        while self._idle:
            child = self._idle.pop()
            if child.is_alive():
                return child
            self._close(child)
        return _Child(self._setup)

    def _close(self, child: "_Child") -> None:
        leaving = asyncio.get_running_loop().run_in_executor(None, child.close)
        self._leaving.add(leaving)
        leaving.add_done_callback(self._leaving.discard)

    async def close(self) -> None:
        """End the processes."""
        while self._idle:
            self._close(self._idle.pop())
        if self._leaving:
            await asyncio.wait(self._leaving, timeout=5.0)


class _Child:
    """One process in its own pool.

    The processes of one Pebble pool share a pipe and its locks, so a process that dies while it holds a lock blocks the others.
    And the whole pool breaks when an idle process dies.
    """

    def __init__(self, setup: Setup) -> None:
        self._context = _Context()
        self._pool = ProcessPool(1, initializer=_begin, initargs=(setup,), context=self._context)

    async def run(self, *order: str) -> Answer:
        """Run one handler in the process.

        Raises:
            ProcessDied: the process ended instead.
        """
        try:
            answer = asyncio.wrap_future(self._pool.schedule(_run, order))
            try:
                await self._answered(answer)
                return await answer
            finally:
                answer.cancel()
        except (ProcessExpired, BrokenProcessPool, RuntimeError) as error:
            raise ProcessDied(f"the process of the handler {self._end()} before the handler ended") from error

    async def _answered(self, answer: asyncio.Future[Answer]) -> None:
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
        """End the process at once, and the programs that handlers have started in it."""
        self._pool.stop()  # type: ignore[no-untyped-call]
        process = self._context.process
        if process is not None and process.pid is not None:
            with suppress(ProcessLookupError):  # the process has no group yet, and has run nothing
                os.killpg(process.pid, signal.SIGKILL)
            process.kill()

    def close(self) -> None:
        """Release the process; blocks for a moment."""
        self._pool.stop()  # type: ignore[no-untyped-call]
        self._pool.join()


class _Process(SpawnProcess):
    def start(self) -> None:
        """Start with the signals blocked that a terminal or a service manager sends to every process of a worker."""
        resource_tracker.ensure_running()  # it unblocks the signals when it starts, so start it before they are blocked
        before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            super().start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def terminate(self) -> None:
        """Pebble calls this after it has closed the pipe. An idle process exits then; SIGTERM would be ignored."""
        self.join(LEAVE_WITHIN)
        self.kill()


class _Context(SpawnContext):
    """Spawns processes of our class, and remembers the first."""

    process: _Process | None = None

    def Process(self, *args: Any, **kwargs: Any) -> _Process:  # type: ignore[override]
        process = _Process(*args, **kwargs)
        self.process = self.process or process
        return process


def _to_json(job: JobContext) -> str:
    fields = {name: getattr(job, name) for name in PLAIN}
    return dumps(fields | {name: getattr(job, name).isoformat() for name in TIMES})


def _from_json(text: str) -> JobContext:
    fields = loads_own(text)
    return JobContext(**fields | {name: datetime.fromisoformat(fields[name]) for name in TIMES})


# The code below runs in the process.

_setup: Setup | None = None


def _begin(setup: Setup) -> None:
    global _setup
    _setup = setup
    os.setpgid(0, 0)  # so that programs that a handler starts end with the process
    for number in SIGNALS:
        signal.signal(number, _unheard)  # not SIG_IGN: programs that a handler starts would inherit it
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    threading.Thread(target=_end_with_worker, name="pgqueue-end", daemon=True).start()
    if setup.logs:
        logs.configure(*setup.logs)


def _unheard(number: int, frame: object) -> None:
    """The worker decides when this process ends."""


def _end_with_worker() -> None:
    worker = multiprocessing.parent_process()
    if worker is not None:
        worker.join()
        os.killpg(0, signal.SIGKILL)


def _run(module: str, path: str, fields: str) -> Answer:
    started = time.perf_counter()
    try:
        job = _from_json(fields)
        task = _find(module, path)
        result = task.function(**arguments_of(job, task.parameters))
        outcome = returned(job, task.dump_result, result, time.perf_counter() - started)
        return outcome.state, outcome.json, outcome.elapsed
    except RateLimited as error:
        return RATE_LIMITED, dumps({"retry_after": error.delay, "key": error.key}), time.perf_counter() - started
    except BaseException as error:  # SystemExit too: the process continues with other jobs
        return RAISED, dumps(describe(error)), time.perf_counter() - started


@functools.cache
def _find(module: str, path: str) -> Registered[Any]:
    """The task with the name of its function; the task has the settings of its app."""
    importlib.import_module(module)
    task: Registered[Any] = look_up(module, path)
    assert _setup is not None
    task.connect_like(_setup.database_url, _setup.schema_name)
    return task
