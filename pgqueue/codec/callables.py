"""Which callables can be a handler: any that takes arguments by name and returns one result."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

from .._checks import invalid
from .._text import shortened, storable
from ..errors import ConfigurationError


def assert_handler(function: Any) -> None:
    """Raise ConfigurationError unless it is a function that can be a handler.

    Raises:
        ConfigurationError: it cannot be called, is a class, or is a generator function; the message has the remedy.
    """
    what = shortened(function)
    if isinstance(function, str):
        raise ConfigurationError(f"task: {what} is not a function; give a name as name={what}")
    if isinstance(function, type):
        raise ConfigurationError(
            f"task: {what} is a class; give a function that creates the object it needs, or one of the methods"
        )
    if not callable(function):
        raise ConfigurationError(f"task: {what} is not a function")
    if any(inspect.isgeneratorfunction(one) or inspect.isasyncgenfunction(one) for one in _ways(function)):
        raise ConfigurationError(f"task: {what} has a `yield`, so calling it runs nothing; return the result, such as a list")


def name_of(function: Callable[..., Any], name: str | None) -> str:
    """The name of a task: the given name, else the name of the function.

    Raises:
        ConfigurationError: no name was given, and the function has none, like a lambda or an object.
        InvalidArgument: the name is empty, or PostgreSQL cannot store it.
    """
    if name is not None:
        if not isinstance(name, str) or not name:
            raise invalid("task", name, "use a name of 1 to 200 characters")
        return storable("task", name)
    own = getattr(function, "__name__", None)
    if not isinstance(own, str) or own == "<lambda>":
        raise ConfigurationError(f'task: {shortened(function)} has no name; give one, for example app.task(name="send")(…)')
    return own


def is_async(function: Callable[..., Any]) -> bool:
    """Whether a call returns a coroutine; true also for an object whose `__call__` is async."""
    return any(map(inspect.iscoroutinefunction, _ways(function)))


def signature_of(task: str, function: Callable[..., Any]) -> inspect.Signature:
    """The parameters of a function.

    Raises:
        ConfigurationError: Python cannot find them, as for some built-in functions.
    """
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):
        raise ConfigurationError(
            f"task {task!r}: Python cannot read the signature of {shortened(function)}; register a function that calls it"
        ) from None


def globals_of(function: Callable[..., Any]) -> dict[str, Any]:
    """The namespace in which the names in its annotations are looked up."""
    inner = inspect.unwrap(_inner(function))
    found: dict[str, Any] = getattr(inner, "__globals__", None) or getattr(type(inner).__call__, "__globals__", {})
    return found


def _ways(function: Any) -> tuple[Any, Any]:
    """The two places that show its kind: the function, and the `__call__` of an object."""
    inner = _inner(function)
    return inner, type(inner).__call__


def _inner(function: Any) -> Any:
    while isinstance(function, functools.partial):
        function = function.func
    return function
