"""Exceptions and reasons of handlers in the form that finish.sql takes; every text is cut here."""

from typing import NotRequired, TypedDict

from .._text import MESSAGE, NAME, REASON, cut
from .._trace import TRACEBACK, message_of, trace
from ..errors import RemoteError
from ..retry import qualified_name
from .cause import Cause, cause_of

MOST_TYPES = 50  # classes that a retry policy can match


class Error(TypedDict):
    """Why a run did not succeed, in the form that finish.sql takes."""

    type: str
    types: list[str]
    message: str
    traceback: str | None
    cause: NotRequired[Cause]


def describe(error: BaseException) -> Error:
    """An exception in the form that finish.sql takes. An exception of a process keeps the description made there."""
    if isinstance(error, RemoteError):
        types = [cut(name, NAME) for name in error.types[:MOST_TYPES]]
        trace_there = None if error.traceback is None else cut(error.traceback[-TRACEBACK:], TRACEBACK)
        said = Error(type=cut(error.type, NAME), types=types, message=cut(error.message, MESSAGE), traceback=trace_there)
        return _with_cause(said, error.cause)
    message = message_of(error)
    said = Error(
        type=qualified_name(type(error)),
        types=[qualified_name(kind) for kind in type(error).__mro__[:MOST_TYPES]],
        message=message,
        traceback=trace(error, message=message),
    )
    return _with_cause(said, cause_of(error))


def _with_cause(said: Error, cause: Cause | None) -> Error:
    if cause is not None:
        said["cause"] = cause
    return said


def asked(kind: str, reason: str) -> Error:
    """The reason that a handler gave with `Cancel` or `RetryIn`."""
    return Error(type=kind, types=[], message=cut(reason, REASON), traceback=None)
