"""Exceptions as text of a bounded size, for any exception of a handler: messages, tracebacks and texts for logs."""

import textwrap
import traceback
from collections.abc import Iterator
from contextlib import suppress

from ._text import LINE, MESSAGE, cut, harmless, printable
from .retry import qualified_name

TRACEBACK = 16384  # characters; the end is kept, because the newest exception is there
LOGGED = 7000  # bytes of an exception in a log line; escapes may double them
WHOLE = 3000  # characters; no message was cut in a shorter traceback
FRAMES = 100  # frames of one exception
GROUP_WIDTH = 15  # exceptions of a group that are shown, as in Python
LEAST = 100  # characters; a nested exception is omitted if it has less room
MEMBER = "  +---- "
_CAUSE = "\nThe above exception was the direct cause of the following exception:\n\n"
_CONTEXT = "\nDuring handling of the above exception, another exception occurred:\n\n"


class Shortened(Exception):
    """Replaces an exception that is too large for a log; its text is the end of the original traceback."""


def message_of(error: BaseException) -> str:
    """The text of an exception, cut; if its `__str__` fails, a text about this."""
    try:
        return cut(_text(error), MESSAGE)
    except BaseException as unprintable:
        return f"<its text raised {type(unprintable).__name__}>"


def _text(error: BaseException) -> str:
    """`str(error)`, but large arguments are cut first, because quoting 300 MB takes a second."""
    kind = type(error).__str__
    if kind not in (BaseException.__str__, KeyError.__str__):
        return str(error)
    args = [arg[:MESSAGE] if isinstance(arg, str | bytes) else arg for arg in error.args]
    return str((KeyError if kind is KeyError.__str__ else Exception)(*args))


def summary(error: BaseException) -> str:
    """An exception in one short line."""
    return f"{qualified_name(type(error))}({message_of(error)[:LINE]!r})"


def loggable(error: BaseException) -> BaseException:
    """An exception for `exc_info`: the exception, or a short replacement if a formatter would write too much."""
    text = trace(error, 2 * LOGGED)
    if len(text) < WHOLE and MEMBER not in text:
        with suppress(BaseException):  # if its methods and properties raise, they would also raise in a logger
            traceback.format_exception(error)
            return error
    return Shortened(_end(text))


def logged(error: BaseException) -> str:
    """The traceback of an exception in the form of our log formats."""
    return _end(trace(error, 2 * LOGGED))


def _end(text: str) -> str:
    return harmless(text).encode()[-LOGGED:].decode(errors="ignore")


def trace(error: BaseException, most: int = TRACEBACK, message: str | None = None) -> str:
    """The end of the traceback as Python prints it, in characters that PostgreSQL can store.

    It is built backwards from the newest exception, and only the part that is kept: a chain may be long, and each message huge.

    Args:
        error: the exception.
        most: the largest number of characters.
        message: its text, if the caller has it already.
    """
    parts: list[str] = []
    try:
        parts.extend(_parts(error, most, message))
    except BaseException as unprintable:  # raised by methods and properties of a class of the application
        parts.append(f"<its traceback raised {type(unprintable).__name__}>\n")
    return "".join(reversed(parts))[-most:]


def _parts(error: BaseException, room: int, message: str | None) -> Iterator[str]:
    """An exception and the exceptions before it, the newest first, as far as there is room."""
    seen = set[int]()
    following: BaseException | None = error
    link = ""
    while following is not None and id(following) not in seen and room > 0:
        seen.add(id(following))
        part = _one(following, room, message) + link
        yield part
        room -= len(part)
        following, link, message = *_before(following), None


def _before(error: BaseException) -> tuple[BaseException | None, str]:
    """The exception that is printed above this exception, and the line between them."""
    if error.__cause__ is not None:
        return error.__cause__, _CAUSE
    return (None if error.__suppress_context__ else error.__context__), _CONTEXT


def _one(error: BaseException, room: int, message: str | None) -> str:
    """One exception, without the exceptions before it."""
    frames = traceback.format_tb(error.__traceback__, -max(1, min(FRAMES, room // 50)))
    head = ["Traceback (most recent call last):\n", *(f"{cut(frame.rstrip(), MESSAGE)}\n" for frame in frames)] if frames else []
    said = message_of(error) if message is None else message
    name = qualified_name(type(error))
    notes = [f"{cut(note, MESSAGE)}\n" for note in _notes(error)]
    return printable("".join([*head, f"{name}: {said}\n" if said else f"{name}\n", *notes, *_members(error, room)]))


def _notes(error: BaseException) -> list[str]:
    notes = getattr(error, "__notes__", None)
    return [note for note in notes[:GROUP_WIDTH] if isinstance(note, str)] if isinstance(notes, list) else []


def _members(error: BaseException, room: int) -> list[str]:
    """The exceptions of a group, each with its share of the room; nested groups get less room at each level."""
    if not isinstance(error, BaseExceptionGroup):
        return []
    shown = error.exceptions[:GROUP_WIDTH]
    share = room * 3 // 4 // len(shown)
    if share < LEAST:
        return []
    parts = [f"{MEMBER}{n} ----\n{textwrap.indent(trace(one, share), '  | ')}" for n, one in enumerate(shown, 1)]
    left = len(error.exceptions) - len(shown)
    return [*parts, f"{MEMBER}and {left} more\n"] if left else parts
