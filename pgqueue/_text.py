"""Text from anywhere: into PostgreSQL, onto a terminal, and into the message of an error."""

import re
from datetime import timedelta
from reprlib import Repr
from typing import Any, get_args

from .errors import InvalidArgument

MESSAGE = 4096  # characters kept of the message of an exception
REASON = 1000  # characters kept of a reason from a handler, and allowed in a note
NAME = 200  # characters kept of the name of a type
LINE = 1000  # characters kept of a message within a log line
# What is not seen but obeyed: by a terminal, or by what lays out the text, so that it reads like another one (Trojan Source,
# CVE-2021-42574; Unicode TR36 and TR39). All control and format characters, separators of lines, halves of surrogate pairs, tags,
# and the blank letters of Hangul. Left are tabs and ends of lines; the joiners U+200C and U+200D and variation selectors, with
# which Persian, languages of India, Japanese names and emoji are written; and the format characters that are seen: U+0600.
_OBEYED = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u070f\u115f\u1160\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164"
    "\ud800-\udfff\ufeff\uffa0\ufff9-\ufffb\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e00ff]"
)
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
    """Text for people: what a terminal would obey, and what is not seen, is shown as `\\x1b` or `\\u202e`. Lines stay."""
    return text if text.isascii() and text.isprintable() else _OBEYED.sub(_escape, text)


def one_line(text: str) -> str:
    """Harmless text in one line, so that no name begins a line of its own."""
    return harmless(" ".join(text.splitlines()))


def in_lines(text: str) -> str:
    """Harmless text in which each further line begins with a mark, so that none looks like the next entry of a log."""
    return harmless(text).replace("\n", "\n| ")


def harmless_json(document: str) -> str:
    """JSON with the same values, where what `harmless` shows is escaped."""
    return document if document.isascii() and "\x7f" not in document else _OBEYED.sub(_escape_in_json, document)


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _escape_in_json(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


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
