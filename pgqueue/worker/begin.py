"""Starting the handlers of most jobs without a coroutine of ours: they are brief, and end before their first await."""

import time
from contextvars import copy_context
from typing import Any

from ..context import JobContext
from ..registry import CHUNK, Registered
from ..workflow.node import HANDLER_ENDED
from .execute import arguments_of, ended_by
from .isolate import Isolated, generator_exit
from .outcome import Outcome, committed, returned


def is_simple(job: JobContext, task: Registered[Any]) -> bool:
    """Whether `begin` can start a job, as nearly all jobs: the others have terms, as time limits, or do not run on this loop."""
    return job.terms is None and task.parameters.is_async and job.task != CHUNK


def begin(job: JobContext, task: Registered[Any]) -> Outcome | Isolated[Any]:
    """Start the handler of a simple job; it ends as in `execute`.

    Returns:
        Its outcome, if it ended before its first await; else the rest of it, for `execute`. A node that has used its workflow has
        a rest, too: it may take long to write the nodes that it has added.
    """
    job.started = started = time.perf_counter()
    try:
        arguments = arguments_of(job, task.parameters)
        coroutine, context = task.function(**arguments), copy_context()
        try:
            awaited = context.run(coroutine.send, None)
        except StopIteration as stop:
            result = stop.value
        except GeneratorExit as error:
            raise generator_exit() from error
        else:
            return Isolated(coroutine, job, (context, awaited))
        if job.node is not None:
            if job.own_workflow is not None:
                return Isolated(_same(result), job)
            job.node.finished_by = HANDLER_ENDED
        elapsed = time.perf_counter() - started
        if job.is_finished:
            return committed(job, elapsed, result=result)
        if result is None:  # most jobs: no unnecessary call
            return Outcome(job, "succeeded", None, elapsed)
        return returned(job, task.dump_result, result, elapsed)
    except BaseException as error:  # SystemExit and the like too, as in `execute`
        if job.node is not None:
            job.node.finished_by = HANDLER_ENDED
        return ended_by(job, error)


async def _same(result: Any) -> Any:
    return result
