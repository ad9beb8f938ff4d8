"""Processes and threads: values made at first use without a lock, because a forked child could inherit it locked."""

import asyncio
import os
import sys
from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

from .errors import ConfigurationError

T = TypeVar("T")
_forks = 0


def _forked() -> None:
    global _forks
    _forks += 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


def this_process() -> tuple[int, int]:
    """A key that identifies this process among its forked ancestors.

    The process id alone is not enough, because the id of an ended ancestor may be used again. The count alone is not enough
    either, because a server that forks in C need not call our hook.
    """
    return os.getpid(), _forks


def refuse_windows(what: str) -> None:
    """Raise ConfigurationError on Windows, which has neither the signals nor the process groups that a worker needs."""
    if sys.platform == "win32":
        raise ConfigurationError(
            f"{what} does not run on Windows; run it in WSL 2 or in a Linux container. On Windows applications can enqueue and "
            "wait for results, and the commands that act on jobs work"
        )


def refuse_proactor(loop: asyncio.AbstractEventLoop) -> None:
    """Raise ConfigurationError for the default event loop of Windows: psycopg cannot wait on it, and each try would fail."""
    if sys.platform == "win32" and type(loop).__name__ == "ProactorEventLoop":
        raise ConfigurationError(
            "event loop: psycopg does not work with a ProactorEventLoop, the default on Windows; start with "
            "asyncio.Runner(loop_factory=asyncio.SelectorEventLoop)"
        )


class once(Generic[T]):
    """A property that is made at first use and kept. If several threads make it at the same time, all get the same value.

    Args:
        make: makes the value; an unused value must not need any cleaning up.
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
