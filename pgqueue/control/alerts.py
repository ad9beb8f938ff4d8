"""Callbacks for too many dead letters, as an app declares them."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from .._checks import invalid, is_whole
from .._text import storable
from ..errors import ConfigurationError

MOST = 100_000  # dead letters that are counted
NAME = 400  # characters


@dataclass(frozen=True, slots=True)
class DeadLetterAlert:
    """The argument of a callback of `on_dead_letters`.

    Attributes:
        name: of the callback.
        threshold: the number of dead letters that was reached.
        jobs: how many there were then; 100,000 at most.
    """

    name: str
    threshold: int
    jobs: int


AlertCallback = Callable[[DeadLetterAlert], Awaitable[Any] | Any]


@dataclass(frozen=True, slots=True)
class Alert:
    """A callback, and when it is called.

    Attributes:
        callback: takes a `DeadLetterAlert`.
        name: what tells it apart from others in the database; the same in all workers.
        threshold, low: it is called when the number reaches the threshold, and armed again when it has fallen to low.
        filter: which dead letters count, as JSON text.
    """

    callback: AlertCallback
    name: str
    threshold: int
    low: int
    filter: str


def new_alert(callback: Any, threshold: Any, low: Any, name: str | None, filter: str) -> Alert:
    """A checked alert.

    Raises:
        ConfigurationError: the callback is not a function, or has no name.
        InvalidArgument: a number is out of range.
    """
    if not callable(callback):
        raise ConfigurationError(f"on_dead_letters: {callback!r} is not a function; it must take one DeadLetterAlert")
    if not is_whole(threshold) or not 1 <= threshold <= MOST:
        raise invalid("threshold", threshold, f"use a number of dead letters, 1 to {MOST:,}")
    if low is None:
        low = threshold * 4 // 5 if threshold > 1 else 0
    if not is_whole(low) or not 0 <= low < threshold:
        raise invalid("low", low, "use a number that is smaller than the threshold")
    its_name = getattr(callback, "__qualname__", None)
    if name is None and its_name is None:
        raise ConfigurationError(f"on_dead_letters: {callback!r} has no name; give it one with name=")
    if name is None:
        name = f"{callback.__module__}.{its_name} {threshold} {filter}"[:NAME]
    if not isinstance(name, str) or not 1 <= len(name) <= NAME:
        raise invalid("name", name, f"use 1 to {NAME} characters")
    return Alert(callback, storable("name", name), threshold, low, filter)
