"""Running one handler."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeVar, cast

from .._steps import Steps, adrive, drive
from ..context import JobContext
from ..database.calls import enqueue as enqueue_calls
from ..database.calls import testing as sql
from ..errors import InvalidArgument
from ..options import given
from ..outcomes import Cancel, RetryIn, Snooze
from ..registry import Registered
from ..workflow.canvas import Signature
from ._call import Caller, Ended
from ._connection import AsyncGivenConnection, GivenConnection, redirected
from ._drain import Draining
from ._inline import given_parents, made_context

R = TypeVar("R")


def run_job(
    task: Registered[R] | Signature[R],
    /,
    *args: Any,
    values: Iterable[Any] = (),
    meta: Any = None,
    attempt: int = 1,
    parents: Mapping[str, Any] | None = None,
    connection: Any = None,
    **kwargs: Any,
) -> R:
    """Run one handler as a worker would: arguments through JSON, with a JobContext, middleware and injected values.

    Args:
        task: the task; or `task.s(…)`, if an argument of the task has the name of one of these options.
        args, kwargs: its arguments.
        values: the values that the lifespan would yield, for parameters annotated `Inject[T]`.
        meta: the value of `JobContext.meta`.
        attempt: 1 for the first run.
        parents: the content of `ctx.parents`: by name a `Parent`, or the result of a parent. An argument that would take a
            result is given like any other argument.
        connection: without a connection no database is needed, and `ctx.transaction()` and `ctx.progress()` raise OutsideWorker.
            With a connection the job is added and finished in its transaction; `drain` lists the accepted connections.

    Returns:
        The result of the handler, passed through JSON and its annotation; a Snooze, RetryIn or Cancel is returned unchanged. If
        `ctx.transaction()` has finished the job, the result that was set there.

    Raises:
        InvalidArgument: arguments or options are wrong.
        Exception: the exception of the handler.
    """
    signature = _signature(task, args, kwargs, meta)
    app = signature.task._app
    caller = Caller(app, values)
    if connection is None:
        job = _made(signature, attempt, parents)
        return _value(job, signature.task, caller.end(job, signature.task))
    given = GivenConnection(app, connection)
    with redirected(given):
        job, ended = drive(_steps(Draining(given, caller), given.run, signature, attempt, parents))
    return _value(job, signature.task, ended)


async def arun_job(
    task: Registered[R] | Signature[R],
    /,
    *args: Any,
    values: Iterable[Any] = (),
    meta: Any = None,
    attempt: int = 1,
    parents: Mapping[str, Any] | None = None,
    connection: Any = None,
    **kwargs: Any,
) -> R:
    """`run_job` for async code; handlers that are not async run in a thread, and for connections see `adrain`."""
    signature = _signature(task, args, kwargs, meta)
    app = signature.task._app
    caller = Caller(app, values)
    if connection is None:
        job = _made(signature, attempt, parents)
        return _value(job, signature.task, await caller.aend(job, signature.task))
    given = AsyncGivenConnection(app, connection)
    with redirected(given):
        job, ended = await adrive(_steps(Draining(given, caller), given.arun, signature, attempt, parents))
    return _value(job, signature.task, ended)


def _signature(task: Registered[R] | Signature[R], args: Any, kwargs: Any, meta: Any) -> Signature[R]:
    """The call without options that would prevent it from running now."""
    if isinstance(task, Signature):
        if args or kwargs:
            raise InvalidArgument("args: pass them to s(…) and nowhere else")
        signature = task
    else:
        signature = Signature(task, task.parameters.bind_part(args, kwargs), task.options, positional=len(args))
    options = replace(signature.options, unique=None, run_at=None, run_after=None, **given({"meta": meta}))
    return replace(signature, options=options)


def _made(signature: Signature[Any], attempt: int, parents: Mapping[str, Any] | None) -> JobContext:
    job = made_context(signature.task.name, signature.args_json(), signature.options, attempt=attempt)
    job.node = None if parents is None else given_parents(parents)
    return job


def _steps(
    draining: Draining, run: Callable[..., Any], signature: Signature[Any], attempt: int, parents: Mapping[str, Any] | None
) -> Steps:
    yield from draining.register()
    ((job_id, _),) = yield run(enqueue_calls.enqueue_jobs([signature.to_json()]))
    if attempt != 1:
        yield run(sql.set_attempt(job_id, attempt))
    return (yield from draining.run_one(job_id, parents))


def _value(job: JobContext, task: Registered[R], ended: Ended) -> R:
    if job.is_finished:
        return _loaded(task, job.result_json)
    result = ended.value()
    if isinstance(result, Snooze | RetryIn | Cancel):
        return cast(R, result)
    return _loaded(task, task.dump_result(result))


def _loaded(task: Registered[R], text: str | None) -> R:
    return cast(R, None if text is None else task.parameters.load_result(json.loads(text)))
