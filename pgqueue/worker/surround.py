"""Runs with something around them or beside them: middleware, values of the lifespan, processes."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ..context import JobContext
from ..executor import in_thread
from ..lifespan import Injections
from ..middleware import AroundExecution, executing
from ..registry import Registered
from .execute import arguments_of
from .isolate import Isolated
from .process import Processes


class Surroundings:
    """How the handlers of an app are called that needs more than a call; an app that does not has none.

    Args:
        middleware: around each run, outermost first.
        injections: arguments from the lifespan.
        processes: for the tasks that run in one.
    """

    def __init__(self, middleware: list[AroundExecution], injections: Injections, processes: Processes) -> None:
        self._middleware, self._injections, self._processes = middleware, injections, processes

    async def __call__(self, job: JobContext, task: Registered[Any], threads: ThreadPoolExecutor) -> Any:
        """Run a job's handler; what it returns, or the outcome of its process."""
        # Isolated as a whole: what middleware sets in context variables is for this run's handler.
        return await Isolated(self._within(job, task, threads) if self._middleware else self._call(job, task, threads))

    async def _within(self, job: JobContext, task: Registered[Any], threads: ThreadPoolExecutor) -> Any:
        async with executing(self._middleware, job):
            return await self._call(job, task, threads)

    async def _call(self, job: JobContext, task: Registered[Any], threads: ThreadPoolExecutor) -> Any:
        if task.executor == "process":
            return await self._processes.run(job, task.function)
        arguments = arguments_of(job, task.parameters)
        if injected := self._injections.get(task.name):
            arguments = {**arguments, **injected}
        if task.parameters.is_async:
            return await task.function(**arguments)
        return await in_thread(task.function, arguments, threads)
