"""Processes and threads: values made at first use without a lock, which a forked child could inherit held."""

import os
from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

T = TypeVar("T")
_forks = 0


def _forked() -> None:
    global _forks
    _forks += 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


def this_process() -> tuple[int, int]:
    """Names this process among those it was forked from.

    The process id alone would not do: that of an ancestor that has ended may come back. The count alone would not do either: a
    server that forks in C need not call our hook.
    """
    return os.getpid(), _forks


class once(Generic[T]):
    """A property that is made at first use and kept: of threads that make it at the same time all get the value of one.

    Args:
        make: makes the value; what it makes in vain must be nothing to clean up.
    """

    def __init__(self, make: Callable[[Any], T]) -> None:
        self._make = make
        self.__doc__ = make.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type) -> "once[T]": ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...
    def __get__(self, instance: object | None, owner: type) -> "once[T] | T":
        if instance is None:
            return self
        kept: T = instance.__dict__.setdefault(self._name, self._make(instance))
        return kept
