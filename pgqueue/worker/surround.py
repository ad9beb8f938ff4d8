"""Runs that need more than a call of the handler: middleware, values of the lifespan, processes, kept logs."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ..context import JobContext
from ..executor import in_thread
from ..lifespan import Injections
from ..middleware import AroundExecution, executing
from ..registry import Registered
from .execute import arguments_of
from .isolate import Isolated
from .log_handler import keep
from .process import Processes


class Surroundings:
    """Calls the handlers of an app that has middleware, lifespan values, processes or kept logs; other apps have no Surroundings.

    Args:
        middleware: runs around each run, outermost first.
        injections: arguments that come from the lifespan.
        processes: for the tasks that run in a process.
    """

    def __init__(self, middleware: list[AroundExecution], injections: Injections, processes: Processes) -> None:
        self._middleware, self._injections, self._processes = middleware, injections, processes

    async def __call__(self, job: JobContext, task: Registered[Any], threads: ThreadPoolExecutor) -> Any:
        """Run the handler of a job. Returns its result, or the outcome of its process."""
        # Isolated as a whole: context variables that middleware sets are for the handler of this run.
        return await Isolated(self._within(job, task, threads) if self._middleware else self._call(job, task, threads), job)

    async def _within(self, job: JobContext, task: Registered[Any], threads: ThreadPoolExecutor) -> Any:
        async with executing(self._middleware, job):
            return await self._call(job, task, threads)

    async def _call(self, job: JobContext, task: Registered[Any], threads: ThreadPoolExecutor) -> Any:
        if task.executor == "process":
            return await self._processes.run(job, task.function)
        arguments = arguments_of(job, task.parameters)
        if injected := self._injections.get(task.name):
            arguments = {**arguments, **injected}
        if task.log_level is not None:
            keep(job, task.log_level)
        if task.parameters.is_async:
            return await task.function(**arguments)
        return await in_thread(task.function, arguments, threads)
