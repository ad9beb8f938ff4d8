"""Where handlers run: on the event loop, in a thread, or in a process that imports them by name."""

import asyncio
import contextvars
import functools
import operator
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

from .errors import ConfigurationError

Executor = Literal["async", "thread", "process"]


def chosen(executor: str | None, task: str, function: Callable[..., Any], is_async: bool) -> Executor:
    """The executor of a task; by default it depends on the kind of the function.

    Raises:
        ConfigurationError: there is no such executor, or it cannot run this function.
    """
    own: Executor = "async" if is_async else "thread"
    if executor is None or executor == own:
        return own
    if executor != "process":
        allowed = f"{own!r} or " * (executor in ("async", "thread")) + "'process'"
        raise ConfigurationError(f"executor: {executor!r} is not valid for task {task!r}; use {allowed}, or leave it out")
    if is_async:
        raise ConfigurationError(f"executor: task {task!r} is async and cannot run in a process; make it a plain def")
    _assert_importable(task, function)
    return "process"


def _assert_importable(task: str, function: Callable[..., Any]) -> None:
    module, path = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    if not module or not path or "<" in path:
        raise ConfigurationError(
            f"executor: task {task!r} cannot run in a process: {path or function!r} cannot be imported by its name; "
            "use a function at the top level of a module"
        )
    if module == "__main__":
        raise ConfigurationError(
            f"executor: task {task!r} cannot run in a process: it is defined in the script that was started; "
            "move it to a module and start `pgqueue worker module:app`"
        )


def look_up(module: str, path: str) -> Any:
    """The object that a process finds under this name; the module is imported already."""
    return operator.attrgetter(path)(sys.modules[module])


async def in_thread(function: Callable[..., Any], arguments: dict[str, Any], threads: ThreadPoolExecutor, *args: Any) -> Any:
    """Call a function in a thread, with a copy of the current context variables."""
    run = functools.partial(contextvars.copy_context().run, call, function, arguments, args)
    return await asyncio.get_running_loop().run_in_executor(threads, run)


def call(function: Callable[..., Any], arguments: dict[str, Any], args: tuple[Any, ...] = ()) -> Any:
    """Call a function that is not async, and convert exceptions that a future cannot carry."""
    try:
        return function(*args, **arguments)
    except (StopIteration, GeneratorExit) as error:  # a future cannot carry these; see worker/isolate.py
        raise RuntimeError(f"{type(error).__name__} was raised") from error
