"""Running jobs. `execute` is pure: a job goes in, one outcome comes out, and the database is not involved."""

import asyncio
import contextvars
import functools
import logging
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypedDict

from .._json import dumps
from ..context import JobContext
from ..outcomes import Cancel, RetryIn, Snooze, seconds
from ..retry import qualified_name
from ..task import Task
from .pace import Pace

log = logging.getLogger("pgqueue.worker")
TRACEBACK_CHARACTERS = 16384


class Error(TypedDict):
    """Why a run did not succeed, as finish.sql takes it."""

    type: str
    types: list[str]
    message: str
    traceback: str | None


class Outcome(NamedTuple):
    """The end of one run, ready to be handed in.

    Attributes:
        job: the job that ran.
        state: succeeded, failed, cancelled, snoozed or unknown_task.
        json: the outcome as finish.sql takes it.
    """

    job: JobContext
    state: str
    json: str


def outcome(job: JobContext, state: str, **fields: Any) -> Outcome:
    """An outcome of a job. Raises TypeError or ValueError when a field is not JSON."""
    return Outcome(job, state, dumps({"id": job.id, "token": job.token, "state": state, **fields}))


async def execute(job: JobContext, task: Task[..., Any] | None, threads: ThreadPoolExecutor) -> Outcome:
    """Run a job's handler: async ones on this loop, others in a thread.

    Returns:
        The outcome; a handler's exception becomes one too.

    Raises:
        CancelledError: the worker cancelled this run; it has no outcome.
    """
    if task is None:
        return outcome(job, "unknown_task")
    started = time.perf_counter()
    try:
        arguments = job.args
        if task.signature.context_name is not None:
            arguments = {**arguments, task.signature.context_name: job}
        if task.signature.is_async:
            result = await task.function(**arguments)
        else:
            call = functools.partial(contextvars.copy_context().run, task.function, **arguments)
            result = await asyncio.get_running_loop().run_in_executor(threads, call)
        return _returned(job, result, time.perf_counter() - started)
    except (Exception, SystemExit) as error:
        return failure(job, error, time.perf_counter() - started)
    except asyncio.CancelledError as error:
        if asyncio.current_task().cancelling():  # type: ignore[union-attr]
            raise
        return failure(job, error, time.perf_counter() - started)


def _returned(job: JobContext, result: Any, elapsed: float) -> Outcome:
    match result:
        case None:
            return outcome(job, "succeeded", elapsed=elapsed)
        case Snooze(delay):
            return outcome(job, "snoozed", elapsed=elapsed, delay=seconds(delay))
        case Cancel(reason):
            error = Error(type="Cancel", types=[], message=reason, traceback=None)
            return outcome(job, "cancelled", elapsed=elapsed, error=error)
        case RetryIn(delay, reason):
            error = Error(type="RetryIn", types=[], message=reason, traceback=None)
            return outcome(job, "failed", elapsed=elapsed, error=error, delay=seconds(delay))
        case _:
            return outcome(job, "succeeded", elapsed=elapsed, result=result)


def failure(job: JobContext, error: BaseException, elapsed: float, **fields: Any) -> Outcome:
    """The outcome of a run that raised; `fields` as finish.sql takes them."""
    log.warning(
        "job %s failed: %r", job.id, error, extra={"job_id": job.id, "task": job.task, "queue": job.queue, "attempt": job.attempt}
    )
    described = Error(
        type=qualified_name(type(error)),
        types=[qualified_name(kind) for kind in type(error).__mro__],
        message=_printable(str(error)),
        traceback=_printable("".join(traceback.format_exception(error)))[-TRACEBACK_CHARACTERS:],
    )
    return outcome(job, "failed", elapsed=elapsed, error=described, **fields)


def _printable(text: str) -> str:
    """Text that PostgreSQL can store: no NUL, no lone surrogates."""
    return text.replace("\x00", "\ufffd").encode(errors="replace").decode()


class Executor:
    """Starts what was claimed, at most `concurrency` handlers at a time, and passes outcomes on.

    Args:
        tasks: the registered tasks by name.
        concurrency: handlers that run at once.
        hand_in: takes each outcome; see Finisher.add.
        is_full: whether so many outcomes wait to be handed in that nothing more should start.
    """

    def __init__(
        self,
        tasks: dict[str, Task[..., Any]],
        concurrency: int,
        hand_in: Callable[[Outcome], None],
        is_full: Callable[[], bool],
    ) -> None:
        self._tasks, self._concurrency, self._hand_in, self._is_full = tasks, concurrency, hand_in, is_full
        self._threads = ThreadPoolExecutor(concurrency, thread_name_prefix="pgqueue-handler")
        self._changed = asyncio.Event()
        self._pace = Pace()
        self._stopping = False
        self.waiting: deque[JobContext] = deque()
        self.running: dict[int, asyncio.Task[None]] = {}

    async def room(self) -> int:
        """Wait until another claim is worth its round trip; how many jobs it should ask for."""
        while not (want := self._wanted()):
            self._changed.clear()
            await self._changed.wait()
        return want

    def _wanted(self) -> int:
        prefetch = self._pace.prefetch()
        if self._stopping or self._is_full() or len(self.waiting) > prefetch // 2:
            return 0
        return self._concurrency + prefetch - len(self.waiting) - len(self.running)

    def add(self, jobs: Iterable[JobContext]) -> None:
        """Take claimed jobs and start what there is room for; after `stop` they are left to be given back."""
        if self._stopping:
            return
        self.waiting.extend(jobs)
        self.start_waiting()

    def start_waiting(self) -> None:
        """Start waiting jobs while there is room."""
        while self.waiting and len(self.running) < self._concurrency and not self._is_full():
            job = self.waiting.popleft()
            self.running[job.id] = asyncio.create_task(self._run(job))
        if not self.waiting or len(self.waiting) <= self._pace.low:
            self._changed.set()

    async def _run(self, job: JobContext) -> None:
        started = time.perf_counter()
        ended: Outcome | None = None
        try:
            ended = await execute(job, self._tasks.get(job.task), self._threads)
        finally:
            self.running.pop(job.id, None)
            if ended is not None:
                self._hand_in(ended)
            self._pace.ended(time.perf_counter() - started)
            self.start_waiting()

    def stop(self) -> None:
        """Start nothing more and forget what has not started."""
        self._stopping = True
        self.waiting.clear()

    async def wait_idle(self, timeout: float) -> bool:
        """Wait for the running handlers; whether all of them ended in time."""
        if self.running:
            await asyncio.wait(self.running.values(), timeout=timeout)
        return not self.running

    async def drop(self) -> None:
        """Forget everything: waiting jobs, and running handlers without an outcome. Threads run on unheard."""
        self.waiting.clear()
        dropped = list(self.running.values())
        self.running.clear()
        for run in dropped:
            run.cancel()
        if dropped:
            await asyncio.wait(dropped, timeout=1)

    def close(self) -> None:
        """Let go of the threads; one that still runs does not hold up the process."""
        self._threads.shutdown(wait=False, cancel_futures=True)
