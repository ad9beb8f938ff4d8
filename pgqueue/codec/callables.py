"""Which callables can be a handler: any that takes arguments by name and returns one result."""

import functools
import inspect
import re
from collections.abc import Callable
from typing import Any

from .._checks import invalid
from .._text import shortened, storable
from ..errors import ConfigurationError

AT = "@"  # between the name of a task and its version
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")


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


def stored_name(function: Callable[..., Any], name: str | None, version: int | str | None) -> str:
    """The name under which a task is stored: `send`, or `send@2` with a version, so that workers without that version leave its
    jobs to others.

    Raises:
        ConfigurationError, InvalidArgument: as of `name_of`; or the version is invalid.
    """
    own = name_of(function, name)
    if version is None:
        return own
    if isinstance(version, bool) or not (_is_number(version) or (isinstance(version, str) and _WORD.fullmatch(version))):
        raise invalid("version", version, "use 1 to 9999, or a word of at most 32 letters, digits, '.', '_' and '-'")
    return f"{own}{AT}{version}"


def unversioned(name: str) -> str:
    """The name of a task without its version; its limit and its schedule are those of all versions."""
    return name.partition(AT)[0]


def _is_number(version: int | str) -> bool:
    return isinstance(version, int) and 1 <= version <= 9999


def name_of(function: Callable[..., Any], name: str | None) -> str:
    """The name of a task: the given name, else the name of the function.

    Raises:
        ConfigurationError: no name was given, and the function has none, like a lambda or an object.
        InvalidArgument: the name is empty, holds an @, or PostgreSQL cannot store it.
    """
    if name is not None:
        if not isinstance(name, str) or not name:
            raise invalid("task", name, "use a name of 1 to 200 characters")
        if AT in name:
            raise invalid("task", name, f"use a name without {AT}; version= gives it a version")
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
