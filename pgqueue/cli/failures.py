"""How commands fail: one line on stderr, and an exit code; a traceback if nobody expected it."""

import psycopg
import typer

from .._text import in_lines
from .._trace import trace
from ..errors import ConfigurationError, InvalidArgument, JobNotFound, NotMigrated, PgQueueError, PoolNotFound, ScheduleNotFound
from ..insight.traceback import folded, said_frames
from .secrets import redactor, safe

LONGEST = 4000  # characters of an error, which may name what somebody has typed
FAILED, BAD_INPUT, NOT_FOUND, ALERTED = 1, 2, 3, 4


def told(error: Exception) -> int:
    """Print what ended a command, which nobody expected if it is not one of ours. Returns the exit code."""
    if isinstance(error, PgQueueError | psycopg.Error | UnicodeError):  # UnicodeError: an argument is not valid text
        complain(error)
        return exit_code(error)
    crash(error)
    return FAILED


def complain(error: Exception) -> None:
    """Print the error on stderr in one line."""
    message = (error.diag.message_primary if isinstance(error, psycopg.Error) else None) or str(error)
    line = safe(f"pgqueue: {' '.join(message.split())}")
    typer.echo(line if len(line) <= LONGEST else f"{line[:LONGEST]}… ({len(line)} characters)", err=True)


def crash(error: Exception) -> None:
    """Print the traceback of an error that no command expects: without secrets, and nothing in it is obeyed.

    Above code of the application the frames of pgqueue are one line.
    """
    parts = folded(redactor().text(trace(error).rstrip()))
    text = "\n".join(f"  … {said_frames(part)}" if isinstance(part, int) else part for part in parts)
    typer.echo(in_lines(text), err=True)


def exit_code(error: Exception) -> int:
    """The exit code of a command that ended with this error."""
    if isinstance(error, JobNotFound | PoolNotFound | ScheduleNotFound):
        return NOT_FOUND
    if isinstance(error, ConfigurationError | InvalidArgument | NotMigrated | psycopg.DataError | UnicodeError):
        return BAD_INPUT
    return FAILED
