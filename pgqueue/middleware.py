"""Context managers of the app around each enqueue and around each run of a handler."""

import inspect
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    AsyncExitStack,
    ExitStack,
    asynccontextmanager,
    contextmanager,
)
from dataclasses import dataclass, replace
from typing import Any, Unpack

from .errors import ConfigurationError
from .options import GivenOptions, Options, given

AroundEnqueue = Callable[["EnqueueCall"], AbstractContextManager[Any]]
AroundExecution = Callable[[Any], AbstractAsyncContextManager[Any]]  # the argument is a JobContext, which cannot be imported here
AsyncContextMaker = Callable[[Any], AbstractAsyncContextManager[Any]]


@dataclass(slots=True)
class EnqueueCall:
    """A call of `enqueue` or `enqueue_many` on its way to the database.

    Attributes:
        task: the task's name.
        args: the arguments by name; for `task.enqueue_many` a list of them. It is a copy; changes to it are enqueued.
        options: the options of the enqueue; `change` sets others.
    """

    task: str
    args: Any
    options: Options

    def change(self, **options: Unpack[GivenOptions]) -> None:
        """Set options, named and checked as in `Task.using`; None does not change an option.

        Raises:
            InvalidArgument: an option is out of range.
        """
        self.options = replace(self.options, **given(options))


def context_maker(function: Callable[..., Any], what: str) -> AroundEnqueue:
    """A generator function with one yield, decorated with contextmanager or not, as a maker of context managers."""
    if inspect.isgeneratorfunction(function):
        return contextmanager(function)
    _assert_decorated(function, inspect.isgeneratorfunction, f"{what}: {function!r} is not valid; use a generator function (def)")
    return function


def async_context_maker(function: Callable[..., Any], what: str) -> AsyncContextMaker:
    """An async generator function with one yield, decorated with asynccontextmanager or not, as a maker of context managers."""
    if inspect.isasyncgenfunction(function):
        return asynccontextmanager(function)
    refusal = f"{what}: {function!r} is not valid; use an async generator function (async def)"
    _assert_decorated(function, inspect.isasyncgenfunction, refusal)
    return function


def _assert_decorated(function: Any, is_generator: Callable[[Any], bool], refusal: str) -> None:
    if not callable(function) or not is_generator(inspect.unwrap(function)):
        raise ConfigurationError(f"{refusal} that takes one argument and yields once")


@contextmanager
def enqueuing(around: Sequence[AroundEnqueue], call: EnqueueCall) -> Iterator[EnqueueCall]:
    """Enter the middleware of an enqueue. Yields the call after the middleware.

    If a middleware swallows an error, the error is raised nevertheless, because there is no job to return.
    """
    failed: BaseException | None = None
    with ExitStack() as stack:
        for middleware in around:
            stack.enter_context(middleware(call))
        try:
            yield call
        except BaseException as error:
            failed = error
            raise
    if failed is not None:
        raise failed


@asynccontextmanager
async def executing(around: Sequence[AroundExecution], job: Any) -> AsyncIterator[None]:
    """Enter the middleware of a run, the first registered outermost."""
    async with AsyncExitStack() as stack:
        for middleware in around:
            await stack.enter_async_context(middleware(job))
        yield
