"""Text from anywhere: into PostgreSQL, onto a terminal, and into the message of an error."""

from reprlib import Repr
from typing import Any, get_args

from .errors import InvalidArgument

MESSAGE = 4096  # characters of an exception's message that are kept
REASON = 1000  # of a reason that a handler gives, and of a note
NAME = 200  # of the name of a type
LINE = 1000  # of a message within a log line
# A terminal obeys control characters; tabs and ends of lines are harmless.
_SHOWN = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\t\n"}
_short = Repr()
_short.maxlevel, _short.maxstring, _short.maxother = 3, 60, 60


def storable(field: str, text: str) -> str:
    """Text that PostgreSQL can store, as a plain str; each driver would refuse the rest in words of its own.

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
    """The first characters of a text from a handler, in what PostgreSQL can store; see `printable`."""
    return printable(text[:most])


def printable(text: str) -> str:
    """Text that PostgreSQL can store: a NUL and half of a surrogate pair are replaced."""
    return text.replace("\x00", "\ufffd").encode(errors="replace").decode()


def noted(note: str | None) -> str | None:
    """A note of a handler as it is stored. SQL refuses a long one, too, but only once it has all of it.

    Raises:
        InvalidArgument: it is no text, or too long.
    """
    if note is None:
        return None
    if not isinstance(note, str):
        raise InvalidArgument(f"note: {str(note)[:200]} is not valid; use a text")
    if len(note) > REASON:
        raise InvalidArgument(f"note: {note[:200]!a} is not valid; it has {len(note)} characters; use at most {REASON:,}")
    return printable(note)


def harmless(text: str) -> str:
    """Text for a terminal: control characters become visible and do nothing."""
    return text.translate(_SHOWN)


def shown(hint: Any) -> str:
    """A type hint as it was written, more or less."""
    return hint.__qualname__ if isinstance(hint, type) and not get_args(hint) else repr(hint)


def named(names: Any) -> str:
    """Names in order, quoted."""
    return ", ".join(repr(name) for name in sorted(names)) or "none"


def shortened(value: Any) -> str:
    """A value as Python writes it, in one line and cut."""
    try:
        return " ".join(_short.repr(value).split())
    except ValueError:  # Python does not write it, see sys.set_int_max_str_digits
        return f"{type(value).__qualname__} with a long integer" if type(value) is not int else "a long integer"
