"""Calling handlers as a worker does, but in this process: with middleware, injected values and arguments from JSON."""

import asyncio
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from contextvars import Context, copy_context
from typing import Any, NamedTuple

from ..context import JobContext
from ..errors import ConfigurationError, PgQueueError
from ..executor import call
from ..lifespan import injections
from ..middleware import executing
from ..outcomes import RateLimited, Snooze
from ..registry import Registered, Registry
from ..steps.waits import waits_of
from ..tracing.carried import carry
from ..worker.execute import arguments_of
from ..worker.isolate import Isolated
from ..worker.outcome import Outcome, raised, returned, with_nodes


class Ended(NamedTuple):
    """The end of a handler: its result, or its error.

    Only an Exception counts as a failure of the handler: `pytest.fail` in a handler fails the test. A wait for a signal is no
    failure.
    """

    result: Any
    error: BaseException | None

    def value(self) -> Any:
        """The result of the handler; raises its exception."""
        if self.error is not None:
            raise self.error
        return self.result

    def outcome(self, job: JobContext, task: Registered[Any]) -> Outcome | None:
        """The outcome in the form that `finish` takes; None if `ctx.transaction()` has finished the job."""
        if job.is_finished:
            return None
        elapsed = time.perf_counter() - job.started
        if isinstance(self.error, RateLimited):  # limits are not used here, so no limit is parked: only the job waits
            return returned(job, task.dump_result, Snooze(self.error.delay), elapsed)
        if self.error:
            return raised(job, self.error, elapsed)
        return with_nodes(returned(job, task.dump_result, self.result, elapsed))


def _ended_by(error: BaseException) -> Ended:
    if isinstance(error, Exception) or waits_of(error):
        return Ended(None, error)
    raise error


class Caller:
    """Calls the handlers of an app.

    Args:
        app: the app whose middleware runs around each call.
        values: the values that the lifespan would yield, for parameters annotated `Inject[T]`.

    Attributes:
        values: the same values.
    """

    def __init__(self, app: Registry, values: Iterable[Any] = ()) -> None:
        self._around = app.execution_middleware
        self.values = tuple(values)

    def end(self, job: JobContext, task: Registered[Any]) -> Ended:
        """Run a handler in this thread, an async handler on its own loop.

        Raises:
            PgQueueError: it needs its own loop, but a loop is running.
            ConfigurationError: an injected value is missing.
        """
        if task.parameters.is_async or self._around:
            _refuse_running_loop(task)
        injected = self._injected(task)
        try:
            return Ended(self._call(job, task, injected), None)
        except BaseException as error:
            return _ended_by(error)

    async def aend(self, job: JobContext, task: Registered[Any]) -> Ended:
        """Run a handler on this loop, or in a thread if it is not async."""
        injected = self._injected(task)
        try:
            return Ended(await Isolated(self._within(job, task, injected)), None)
        except BaseException as error:
            return _ended_by(error)

    def _call(self, job: JobContext, task: Registered[Any], injected: dict[str, Any]) -> Any:
        job.started = time.perf_counter()
        context = copy_context()
        context.run(_go_on, job)
        if task.parameters.is_async:
            with asyncio.Runner() as runner:
                return runner.run(self._within(job, task, injected), context=context)
        with self._around_sync(job, context) if self._around else nullcontext():
            return context.run(call, task.function, {**arguments_of(job, task.parameters), **injected})

    @contextmanager
    def _around_sync(self, job: JobContext, context: Context) -> Iterator[None]:
        """The async middleware around a handler that is not async: the handler runs without a running loop, as in a thread."""
        with asyncio.Runner() as runner:
            around = executing(self._around, job)
            runner.run(around.__aenter__(), context=context)
            try:
                yield
            except BaseException as error:
                if not runner.run(around.__aexit__(type(error), error, error.__traceback__), context=context):
                    raise
            else:
                runner.run(around.__aexit__(None, None, None), context=context)

    async def _within(self, job: JobContext, task: Registered[Any], injected: dict[str, Any]) -> Any:
        job.started = time.perf_counter()
        _go_on(job)
        result = None
        async with executing(self._around, job):
            arguments = {**arguments_of(job, task.parameters), **injected}
            if task.parameters.is_async:
                result = await task.function(**arguments)
            else:
                result = await asyncio.to_thread(call, task.function, arguments)
        return result

    def _injected(self, task: Registered[Any]) -> dict[str, Any]:
        try:
            return injections([task], self.values).get(task.name, {})
        except ConfigurationError as error:
            raise ConfigurationError(f"{error}; in tests give its values: values=(…,)") from None


def _go_on(job: JobContext) -> None:
    """Enter the trace that a job brings; without one the test's own stays."""
    if job.terms is not None and job.terms.trace is not None:
        carry(job.terms.trace)


def _refuse_running_loop(task: Registered[Any]) -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise PgQueueError(
        f"task {task.name!r} needs an event loop, and one is running here already: in async code use aenqueue, arun_job or adrain"
    )
