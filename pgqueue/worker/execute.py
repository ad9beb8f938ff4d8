"""Running jobs. `execute` is pure: a job goes in, one outcome comes out, and the database is not involved."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ..chunk import is_unknown
from ..codec.parameters import Parameters
from ..context import JobContext
from ..errors import CancelRequested
from ..executor import in_thread
from ..logs.current import of_job
from ..outcomes import RateLimited
from ..registry import CHUNK, Registered
from ..workflow.node import HANDLER_ENDED
from ..workflow.own_workflow import MANY
from .isolate import Isolated
from .outcome import Outcome, cancelled, committed, outcome, raised, rate_limited, returned, timed_out, with_nodes

log = logging.getLogger("pgqueue.worker")
MOST_UNKNOWN = 1000  # names; producers may invent any number of them
_unknown: set[str] = set()  # unknown tasks that were logged
Surrounded = Callable[[JobContext, Registered[Any], ThreadPoolExecutor], Awaitable[Any]]


async def execute(
    job: JobContext,
    task: Registered[Any] | None,
    threads: ThreadPoolExecutor,
    surrounded: Surrounded | None = None,
    begun: Isolated[Any] | None = None,
) -> Outcome:
    """Run the handler of a job: an async handler on this loop, any other in a thread.

    Args:
        job: the claimed job.
        task: its task; None = unknown.
        threads: for handlers that are not async.
        surrounded: calls the handlers instead, with the middleware, lifespan values and processes of the app; see Surroundings.
        begun: the rest of a handler that `begin` has started; None = none was.

    Returns:
        The outcome; an exception of the handler becomes an outcome too.

    Raises:
        CancelledError: the worker dropped or cancelled this run, as the job shows; the run has no outcome.
    """
    if task is None:
        _warn_of(job)
        return outcome(job, "unknown_task", 0.0)
    if job.timed_out:  # its deadline has passed before it could start
        return timed_out(job, 0.0)
    started = job.started if begun is not None else time.perf_counter()
    job.started = started
    try:
        if begun is None:
            if job.task == CHUNK and is_unknown(task._app, job.args_json):
                return outcome(job, "unknown_task", 0.0)
            result = await _called(job, task, threads, surrounded)
            if isinstance(result, Outcome) and not job.timed_out:  # of a process
                return result
        else:
            result = await begun
        if job.is_finished:
            return committed(job, time.perf_counter() - started, result=result)
        if job.timed_out:
            return _late(job)
        ended = returned(job, task.dump_result, result, time.perf_counter() - started)
        return ended if job.node is None else await _with_nodes_aside(ended)
    except GeneratorExit:  # this coroutine is closed; a GeneratorExit of the handler is a RuntimeError here
        raise
    except BaseException as error:  # SystemExit and the like too: any exception of a handler is a failure of its job
        return ended_by(job, error)
    finally:
        if job.node is not None:  # also if its workflow is used for the first time after this
            job.node.finished_by = HANDLER_ENDED


def ended_by(job: JobContext, error: BaseException) -> Outcome:
    """The outcome of a run whose handler raised this, or whose result cannot be read."""
    elapsed = time.perf_counter() - job.started
    if job.is_finished:
        return committed(job, elapsed, error=error)
    if isinstance(error, asyncio.CancelledError) and (job.dropped or job.cancelled):  # else the handler cancelled itself
        raise error
    if job.timed_out:
        return _late(job, error)
    if isinstance(error, CancelRequested):
        return cancelled(job, elapsed)
    if isinstance(error, RateLimited):
        return rate_limited(job, error, elapsed)
    return raised(job, error, elapsed)


def _called(job: JobContext, task: Registered[Any], threads: ThreadPoolExecutor, surrounded: Surrounded | None) -> Awaitable[Any]:
    if surrounded is not None:
        return surrounded(job, task, threads)
    arguments = arguments_of(job, task.parameters)
    if task.parameters.is_async:
        return Isolated(task.function(**arguments), job)
    return in_thread(task.function, arguments, threads)


def arguments_of(job: JobContext, parameters: Parameters) -> dict[str, Any]:
    """The arguments of the handler, without injected values."""
    arguments = parameters.load(job.args_json)
    if parameters.context_name is not None:
        arguments[parameters.context_name] = job
    return arguments


def _late(job: JobContext, cause: BaseException | None = None) -> Outcome:
    """The outcome of a handler that has ended after its timeout. The wait for a process does not count.

    Raises:
        CancelledError: the run is over already, because its slot was abandoned or its lease was lost.
    """
    if job.dropped:
        raise asyncio.CancelledError
    since = job.started if job.clock_at is None else job.clock_at
    return timed_out(job, time.perf_counter() - since, cause)


async def _with_nodes_aside(ended: Outcome) -> Outcome:
    """`with_nodes`, in a thread when it takes long: all other handlers of this loop would wait meanwhile."""
    ended.job.has_returned = True
    own = ended.job.own_workflow
    if not own or own._size() <= MANY:
        return with_nodes(ended)
    own._its_node.finished_by = HANDLER_ENDED
    return await asyncio.to_thread(with_nodes, ended)


def _warn_of(job: JobContext) -> None:
    """Log once for each unknown task that the app does not have it: it may have many jobs, and each job comes back."""
    if job.task not in _unknown and len(_unknown) < MOST_UNKNOWN:
        _unknown.add(job.task)
        facts = of_job(job)
        log.warning(
            "no task %r here; its jobs wait for a worker that has it. Is the name correct, and is its module imported?",
            job.task,
            extra=facts,
        )
