"""How commands fail: one line on stderr, and an exit code."""

import psycopg
import typer

from ..errors import ConfigurationError, InvalidArgument, JobNotFound, NotMigrated, ScheduleNotFound
from .secrets import safe

FAILED, BAD_INPUT, NOT_FOUND, ALERTED = 1, 2, 3, 4


def complain(error: Exception) -> None:
    """Print the error on stderr in one line."""
    message = (error.diag.message_primary if isinstance(error, psycopg.Error) else None) or str(error)
    typer.echo(safe(f"pgqueue: {' '.join(message.split())}"), err=True)


def exit_code(error: Exception) -> int:
    """The exit code of a command that ended with this error."""
    if isinstance(error, JobNotFound | ScheduleNotFound):
        return NOT_FOUND
    if isinstance(error, ConfigurationError | InvalidArgument | NotMigrated | psycopg.DataError | UnicodeError):
        return BAD_INPUT
    return FAILED
