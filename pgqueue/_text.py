"""Text from anywhere: into PostgreSQL, onto a terminal, and into the message of an error."""

from datetime import timedelta
from reprlib import Repr
from typing import Any, get_args

from .errors import InvalidArgument

MESSAGE = 4096  # characters kept of the message of an exception
REASON = 1000  # characters kept of a reason from a handler, and allowed in a note
NAME = 200  # characters kept of the name of a type
LINE = 1000  # characters kept of a message within a log line
# A terminal executes control characters; tabs and ends of lines are harmless.
_SHOWN = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\t\n"}
_short = Repr()
_short.maxlevel, _short.maxstring, _short.maxother = 3, 60, 60


def storable(field: str, text: str) -> str:
    """Text that PostgreSQL can store, as a plain str; each driver would refuse other text with a different message.

    Raises:
        InvalidArgument: it holds a NUL or half of a surrogate pair.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidArgument(f"{field}: {text[:200]!a} is not valid; it holds half of a surrogate pair") from None
    if "\x00" in text:
        raise InvalidArgument(f"{field}: {text[:200]!a} is not valid; PostgreSQL cannot store NUL in text")
    return str.__str__(text)


def cut(text: str, most: int) -> str:
    """The first characters of a text from a handler, in characters that PostgreSQL can store; see `printable`."""
    return printable(text[:most])


def printable(text: str) -> str:
    """Text that PostgreSQL can store: a NUL and half of a surrogate pair are replaced."""
    return text.replace("\x00", "\ufffd").encode(errors="replace").decode()


def noted(note: str | None) -> str | None:
    """A note of a handler in the form that is stored. SQL refuses a long note too, but only after it has received all of it.

    Raises:
        InvalidArgument: it is not a text, or too long.
    """
    if note is None:
        return None
    if not isinstance(note, str):
        raise InvalidArgument(f"note: {str(note)[:200]} is not valid; use a text")
    if len(note) > REASON:
        raise InvalidArgument(f"note: {note[:200]!a} is not valid; it has {len(note)} characters; use at most {REASON:,}")
    return printable(note)


def harmless(text: str) -> str:
    """Text for a terminal: control characters are shown and not executed."""
    return text.translate(_SHOWN)


def shown(hint: Any) -> str:
    """A type hint, roughly as it was written."""
    return hint.__qualname__ if isinstance(hint, type) and not get_args(hint) else repr(hint)


def named(names: Any) -> str:
    """Names in order, quoted."""
    return ", ".join(repr(name) for name in sorted(names)) or "none"


def shortened(value: Any) -> str:
    """A value as Python writes it, in one line and cut; a timedelta, which Python writes as code, in seconds."""
    if isinstance(value, timedelta):
        return f"{value.total_seconds():.15g} s"
    try:
        return " ".join(_short.repr(value).split())
    except ValueError:  # Python cannot write this integer, see sys.set_int_max_str_digits
        return f"{type(value).__qualname__} with a long integer" if type(value) is not int else "a long integer"
