"""A call: a statement with its parameters, and how to read its rows. It has no I/O, so sync and async code can both run it."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, LiteralString, TypeVar

from .connection import DEADLINE

T = TypeVar("T")
_A_SECOND = 100_000  # characters of JSON that the slowest server processes in a second
WHOLE = 60.0  # seconds for a call about a whole workflow, or a whole table
ALWAYS = math.inf  # for `repeat_within`
Rows = list[tuple[Any, ...]]
Records = list[dict[str, Any]]
Keys = tuple[str | None, ...]  # what names a row of a list, as texts; None: there is no row before


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """A statement with its parameters, and how to read its rows.

    Attributes:
        statement: with %s or %(name)s for parameters, {schema} for the install's schema and {query} for a query of the caller.
        params: only types that every driver can send, if the call may run on a connection of the caller.
        read: makes the answer from the rows.
        query: the caller's query, if there is one.
        within: seconds in which it must be answered; None: `connection.DEADLINE`. More if its work can be of any size.
        repeat_within: seconds from its start in which it may be sent again when its connection was cut, because it only reads or
            a second run changes nothing. 0: never.
    """

    statement: LiteralString
    params: Any  # a sequence, or a mapping for %(name)s
    read: Callable[[Rows], T]
    query: LiteralString | None = None
    within: float | None = None
    repeat_within: float = 0.0


def within_by_size(text: str) -> float | None:
    """The deadline of a call whose work grows with this text: 1 s more for each 100,000 characters."""
    return None if len(text) < _A_SECOND else DEADLINE + len(text) / _A_SECOND


def all_rows(rows: Rows) -> Rows:
    """The rows as they are."""
    return rows


def one_value(rows: Rows) -> Any:
    """The only value."""
    return rows[0][0]


def first_column(rows: Rows) -> list[Any]:
    """The values of the only column."""
    return [row[0] for row in rows]


def nothing(rows: Rows) -> None:
    """Ignore the rows."""
    return


def records(*names: str) -> Callable[[Rows], Records]:
    """Rows as dicts with these names."""
    return lambda rows: [dict(zip(names, row, strict=True)) for row in rows]
