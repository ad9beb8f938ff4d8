"""The innermost cause of an exception, by which SQL groups failures; see error_identity.sql."""

from typing import TypedDict

from .._text import NAME, REASON, cut
from .._trace import message_of
from ..errors import RemoteError
from ..retry import qualified_name

MOST_CAUSES = 100  # exceptions of a chain that are followed
FRAMES = 20  # of the innermost cause, the newest ones
FRAME = 200  # characters of a file name
TEXT = 4096  # characters of all frames


class Cause(TypedDict):
    """The innermost cause of an error: the exception that was raised first.

    Attributes:
        type: the name of its class.
        message: its text.
        frames: where it was raised, in the form of a traceback without lines of code.
    """

    type: str
    message: str
    frames: str


def cause_of(error: BaseException) -> Cause | None:
    """The innermost cause of an exception; None if it has none. Of a group it is the cause of the first exception in it."""
    try:
        root = _innermost(error)
        return None if root is error else _described(root)
    except BaseException:  # raised by properties of a class of the application
        return None


def _described(root: BaseException) -> Cause:
    if isinstance(root, RemoteError):
        its: Cause | None = root.cause
        return its or Cause(type=cut(root.type, NAME), message=cut(root.message, REASON), frames=cut(_end(root.traceback), TEXT))
    return Cause(type=qualified_name(type(root)), message=message_of(root)[:REASON], frames=_frames(root))


def _innermost(error: BaseException) -> BaseException:
    seen: set[int] = set()
    while id(error) not in seen and len(seen) < MOST_CAUSES:
        seen.add(id(error))
        error = _before(error) or error
    return error


def _before(error: BaseException) -> BaseException | None:
    if isinstance(error, BaseExceptionGroup):
        return error.exceptions[0]
    return error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _frames(error: BaseException) -> str:
    """The newest frames of an exception; a function that calls itself counts once."""
    at, frames = error.__traceback__, list[tuple[str, str]]()
    while at is not None:
        code = at.tb_frame.f_code
        frame = code.co_filename, code.co_name
        if not frames or frames[-1] != frame:
            frames.append(frame)
        at = at.tb_next
    lines = (f'  File "{file[-FRAME:]}", line 0, in {function[:FRAME]}\n' for file, function in frames[-FRAMES:])
    return cut(_end("".join(lines)), TEXT)


def _end(text: str | None) -> str:
    return (text or "")[-TEXT:]
