"""Resources that live as long as a worker, and the parameters that take them."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeVar

from ._trace import loggable
from .errors import ConfigurationError
from .registry import Registered

log = logging.getLogger("pgqueue.worker")
Lifespan = Callable[[Any], AbstractAsyncContextManager[Any]]
Injections = dict[str, dict[str, Any]]  # by the name of the task, then of the parameter


T = TypeVar("T")


class StoppedEarly(Exception):
    """The worker was stopped while it started."""


@asynccontextmanager
async def entered(
    lifespan: Lifespan | None, app: Any, stop: asyncio.Event, leave_within: float
) -> AsyncIterator[tuple[Any, ...]]:
    """Enter a lifespan. Yields its values as a tuple. Exceptions while it is left are logged.

    Args:
        lifespan: the lifespan of the app; None = it has none.
        app: the argument of the lifespan.
        stop: set when the worker must end; then the entering is cancelled.
        leave_within: seconds that leaving may take.

    Raises:
        StoppedEarly: `stop` was set before the lifespan was entered.
    """
    if lifespan is None:
        yield ()
        return
    resources = lifespan(app)
    values = await unless(stop, resources.__aenter__())
    try:
        yield values if type(values) is tuple else () if values is None else (values,)
    finally:
        await _leave(resources, leave_within)


async def unless(stop: asyncio.Event, entering: Awaitable[T]) -> T:
    """Await `entering` in this task, so that it shares context variables and cancel scopes, unless the worker is stopped.

    Raises:
        StoppedEarly: it was cancelled because `stop` was set.
    """

    async def expire() -> None:
        await stop.wait()
        limit.reschedule(0)

    limit = asyncio.timeout(None)
    try:
        async with limit:
            watching = asyncio.create_task(expire())
            try:
                return await entering
            finally:
                watching.cancel()
    except TimeoutError:
        if not limit.expired():
            raise  # an exception of the lifespan
        raise StoppedEarly from None


async def _leave(resources: AbstractAsyncContextManager[Any], within: float) -> None:
    limit = asyncio.timeout(within)
    try:
        async with limit:
            await resources.__aexit__(None, None, None)
    except BaseException as error:  # SystemExit and the like too: the jobs are over, and the process ends in any case
        if isinstance(error, asyncio.CancelledError) and asyncio.current_task().cancelling():  # type: ignore[union-attr]
            raise
        if limit.expired():
            log.warning("the lifespan did not end within %s s; it was cancelled", within)
        else:
            log.error("the lifespan failed on exit", exc_info=loggable(error))


def injections(tasks: Iterable[Registered[Any]], values: tuple[Any, ...]) -> Injections:
    """The injected arguments of each task that has any.

    Raises:
        ConfigurationError: none of the values, or more than one, fits a parameter.
    """
    return {
        task.name: {name: _fitting(task.name, name, wanted, values) for name, wanted in task.parameters.injected.items()}
        for task in tasks
        if task.parameters.injected
    }


def _fitting(task: str, parameter: str, wanted: Any, values: tuple[Any, ...]) -> Any:
    try:
        fitting = [value for value in values if isinstance(value, wanted)]
    except TypeError:
        raise ConfigurationError(
            f"task {task!r}: parameter {parameter!r} is annotated Inject[{_name(wanted)}]; "
            "values are matched by isinstance; use a class"
        ) from None
    if len(fitting) == 1:
        return fitting[0]
    yielded = ", ".join(_name(type(value)) for value in values) or "nothing"
    raise ConfigurationError(
        f"task {task!r}: parameter {parameter!r} takes a {_name(wanted)}; {len(fitting) or 'no'} values of the lifespan fit, "
        f"which yields {yielded}; let it yield exactly one"
    )


def _name(kind: Any) -> str:
    return getattr(kind, "__qualname__", None) or str(kind)
