"""The annotations of a function, each resolved separately: one that only type checkers can resolve does not hide the others."""

import inspect
import typing
from collections.abc import Callable
from typing import Any

from ..inject import ContextMarker, Injected
from .callables import globals_of

NO_HINT = inspect.Parameter.empty


def resolve(function: Callable[..., Any], annotation: Any) -> Any:
    """The type that an annotation of a function refers to.

    Raises:
        NameError: it refers to a name that is not defined, or not defined yet.
    """
    if annotation is NO_HINT:
        return NO_HINT

    def bearer() -> None: ...

    bearer.__annotations__ = {"it": annotation}
    try:
        return typing.get_type_hints(bearer, globals_of(function), include_extras=True)["it"]
    except AttributeError as error:  # the module is still being imported
        raise NameError(str(error)) from error


def resolved_or_none(function: Callable[..., Any], annotation: Any) -> Any:
    """The type that an annotation refers to; None if it cannot be resolved yet. (`None` as a hint is NoneType.)"""
    try:
        return resolve(function, annotation)
    except NameError:
        return None


def is_context(function: Callable[..., Any], annotation: Any) -> bool:
    """Whether an annotation means JobContext; if it cannot be resolved, its last word decides."""
    hint = resolved_or_none(function, annotation)
    if hint is None:
        return isinstance(annotation, str) and annotation.rpartition(".")[2] == "JobContext"
    return isinstance(hint, type) and issubclass(hint, ContextMarker)


def is_injected(function: Callable[..., Any], annotation: Any) -> bool:
    """Whether an annotation is `Inject[…]`; if it cannot be resolved, its first word decides."""
    hint = resolved_or_none(function, annotation)
    if hint is None:
        return isinstance(annotation, str) and annotation.partition("[")[0].rpartition(".")[2] == "Inject"
    return any(isinstance(extra, Injected) for extra in getattr(hint, "__metadata__", ()))


def injected_type(hint: Any) -> Any:
    """The T of `Inject[T]`."""
    return typing.get_args(hint)[0]
