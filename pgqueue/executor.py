"""Where handlers run: on the event loop, in a thread, or in a process that finds them by their name."""

import operator
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Literal

from .errors import ConfigurationError

if TYPE_CHECKING:
    from .task import Task

Executor = Literal["async", "thread", "process"]


def chosen(executor: str | None, task: str, function: Callable[..., Any], is_async: bool) -> Executor:
    """The executor of a task; by the kind of its function when none is given.

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
    """What a process finds under this name; the module is imported already."""
    return operator.attrgetter(path)(sys.modules[module])


def check_process_tasks(tasks: Iterable["Task[..., Any]"]) -> None:
    """Check what could not be known when the tasks were declared.

    Raises:
        ConfigurationError: a task for processes takes injected values, or its function's name does not lead to it.
    """
    for task in tasks:
        if task.executor == "process":
            _check_process_task(task)


def _check_process_task(task: "Task[..., Any]") -> None:
    if task.parameters.injected:
        names = ", ".join(repr(name) for name in task.parameters.injected)
        raise ConfigurationError(
            f"executor: task {task.name!r} runs in a process, where the values of the lifespan are not; "
            f"remove the parameter {names}"
        )
    module, path = task.function.__module__, task.function.__qualname__
    try:
        found = look_up(module, path)
    except (AttributeError, KeyError):
        found = None
    if getattr(found, "function", None) is not task.function or getattr(found, "_app", None) is not task._app:
        what = "the function alone" if found is task.function else "something else"
        raise ConfigurationError(
            f"executor: task {task.name!r} runs in a process, which must find the task under {module}.{path} and finds {what}; "
            "decorate the function there with @app.task"
        )
