"""How a handler is called: its parameters by name, the JobContext by annotation, sync or async."""

import inspect
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .context import JobContext
from .errors import ConfigurationError, InvalidArgument
from .inject import Injected

_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class Signature:
    """The arguments of one task.

    Attributes:
        context_name: the parameter that takes the JobContext, or None.
        is_async: whether the handler is a coroutine function.
        injected: the type of each parameter annotated `Inject[T]`, by name.
    """

    def __init__(self, task: str, function: Callable[..., Any]) -> None:
        self._task = task
        self.is_async = inspect.iscoroutinefunction(function)
        hints = _hints(function)
        parameters = list(inspect.signature(function).parameters.values())
        for parameter in parameters:
            if parameter.kind not in _BY_NAME:
                raise ConfigurationError(
                    f"task {task!r}: parameter {parameter.name!r} is not valid; arguments are stored by name, "
                    "so *args, **kwargs and positional-only parameters cannot be used"
                )
        self.context_name = next((p.name for p in parameters if _is_context(hints.get(p.name))), None)
        self.injected = _injected(function)
        own = [p for p in parameters if p.name != self.context_name and p.name not in self.injected]
        self._positional = [p.name for p in own if p.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
        self._names = {p.name for p in own}
        self._required = {p.name for p in own if p.default is inspect.Parameter.empty}

    def bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Arguments of a call by name.

        Raises:
            InvalidArgument: too many, unknown, doubled or missing arguments; the message names them.
        """
        bound = dict(zip(self._positional, args, strict=False))
        if len(args) > len(self._positional):
            self._refuse(f"takes {len(self._positional)} positional arguments, {len(args)} were given")
        if kwargs:
            if doubled := bound.keys() & kwargs.keys():
                self._refuse(f"got {_list(doubled)} twice")
            if unknown := kwargs.keys() - self._names:
                self._refuse(f"has no argument {_list(unknown)}; it takes {_list(self._names)}")
            bound.update(kwargs)
        if len(bound) < len(self._required) or not self._required <= bound.keys():
            self._refuse(f"misses {_list(self._required - bound.keys())}")
        return bound

    def _refuse(self, why: str) -> typing.NoReturn:
        raise InvalidArgument(f"args: task {self._task!r} {why}")


def _list(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in sorted(names)) or "none"


def _is_context(hint: Any) -> bool:
    """Whether an annotation means JobContext; it is text when another one of the function could not be resolved."""
    return hint is JobContext or (isinstance(hint, str) and hint.rpartition(".")[2] == "JobContext")


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function)
    except NameError:
        # An annotation that only type checkers can resolve; the others still count.
        return dict(getattr(function, "__annotations__", {}))


def _injected(function: Callable[..., Any]) -> dict[str, type]:
    try:
        hints = typing.get_type_hints(function, include_extras=True)
    except NameError:
        return {}
    return {name: hint.__origin__ for name, hint in hints.items() if Injected in getattr(hint, "__metadata__", ())}
