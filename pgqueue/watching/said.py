"""A log line as its handler says it: bounded, and in characters that PostgreSQL can store."""

import logging
import math
import re
import time
from collections import deque
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any, Literal, NamedTuple, get_args
from uuid import UUID

from .._checks import invalid
from .._json import dumps
from .._text import MESSAGE, NAME, cut, printable, shortened
from ..errors import ConfigurationError

Level = Literal["debug", "info", "warning", "error", "critical"]
LEVELS: tuple[Level, ...] = get_args(Level)
FIELDS = 8192  # characters of JSON kept of the fields of a line
TEXT = 2000  # characters kept of a text among them
MOST_LINES, MOST_BYTES = 1000, 65536  # kept of each job by default; see the table `setting`
ALSO = 200  # bytes that a line takes beside its texts
_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")  # the escape, and not a backslash and u0000
_PLAIN = (bool, int, type(None))


def number_of(log: bool | Level) -> int | None:
    """The number of a level, as `logging` counts; True = info, None for False.

    Raises:
        ConfigurationError: there is no such level.
    """
    if log is False:
        return None
    if log is not True and log not in LEVELS:
        raise ConfigurationError(f"log: {shortened(log)} is not valid; use True, or one of {', '.join(LEVELS)}")
    return logging.getLevelNamesMapping()[("info" if log is True else log).upper()]


class Said(NamedTuple):
    """One line.

    Attributes:
        at: when it was said, on time.monotonic().
        level: one of LEVELS.
        message: its text.
        fields: JSON text of an object; None for none.
    """

    at: float
    level: str
    message: str
    fields: str | None

    @property
    def size(self) -> int:
        """Roughly the bytes that it takes."""
        return len(self.message) + len(self.fields or "") + ALSO


def say(message: Any, level: str = "info", fields: Mapping[str, Any] | None = None) -> Said:
    """A line with these texts; what is too long is cut, and a note says so.

    Raises:
        InvalidArgument: there is no such level.
    """
    if level not in LEVELS:
        raise invalid("level", level, f"use {', '.join(LEVELS)}")
    return Said(time.monotonic(), level, _message(message), _fields(fields) if fields else None)


def _message(message: Any) -> str:
    text = message if isinstance(message, str) else str(message)
    if len(text) <= MESSAGE:
        return printable(text)
    note = f" … ({len(text):,} characters)"
    return cut(text, MESSAGE - len(note)) + note


def _fields(fields: Mapping[str, Any]) -> str:
    named = {cut(str(name), NAME): value for name, value in fields.items()}
    try:
        text = dumps({name: _value(value) for name, value in named.items()})
    except (TypeError, ValueError, RecursionError):
        text = dumps({name: printable(shortened(value)) for name, value in named.items()})
    if len(text) > FIELDS:
        return dumps({"left_out": f"{len(fields)} fields with {len(text):,} characters of JSON; at most {FIELDS:,} are kept"})
    return _NUL.sub(r"\1\\ufffd", text)  # in texts inside of lists and objects


def _value(value: Any) -> Any:
    """A value that is JSON, or one that shows what it was."""
    match value:
        case str():
            return cut(value, TEXT)
        case float():
            return value if math.isfinite(value) else str(value)
        case _ if type(value) in _PLAIN:
            return value
        case list() | dict():
            return value
        case datetime() | date():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case UUID():
            return str(value)
    return printable(shortened(value))


class Unstored:
    """The last lines of one run that are not stored yet, each with its number within the run.

    Attributes:
        lines: the lines, oldest first.
        size: roughly the bytes that they take.
    """

    __slots__ = ("lines", "size")

    def __init__(self) -> None:
        self.lines: deque[tuple[int, Said]] = deque()
        self.size = 0

    def add(self, number: int, said: Said, most_lines: int = MOST_LINES, most_bytes: int = MOST_BYTES) -> int:
        """Add a line, and leave out the oldest ones that are too many: the database would not keep them either.

        Returns by how many bytes the lines have grown.
        """
        before = self.size
        self.lines.append((number, said))
        self.size += said.size
        while len(self.lines) > 1 and (len(self.lines) > most_lines or self.size - ALSO * len(self.lines) > most_bytes):
            self.drop()
        return self.size - before

    def drop(self) -> int:
        """Leave out the oldest line. Returns its bytes."""
        size = self.lines.popleft()[1].size
        self.size -= size
        return size
