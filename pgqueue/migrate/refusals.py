"""What a migration refuses, and what the server refuses to do for its user, as errors of one line with the remedy."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from sqlalchemy.exc import DBAPIError

from ..database.translate import Report, report, translate
from ..errors import ConfigurationError

_REFUSED = "55000"  # object_not_in_prerequisite_state: the files of sql/ raise it
_NO_RIGHT = "42501"
_REMEDIES = {
    "25006": "the transaction is read-only, or the server is a standby: give the URL of the primary",
    "25P02": "an earlier statement of this transaction has failed; roll it back, and mend that one first",
}


@contextmanager
def refusals(schema: str) -> Iterator[None]:
    """Errors of any driver: what is refused as ConfigurationError, what our functions raise as our exceptions."""
    try:
        yield
    except Exception as error:
        said = report(error)
        if said is not None and (message := _refusal(said)):
            raise ConfigurationError(message) from error
        if (ours := translate(error, schema)) is not error:
            raise ours from error
        raise


def _refusal(said: Report) -> str | None:
    if said.sqlstate in (_REFUSED, _NO_RIGHT):
        return said.message
    if said.sqlstate in _REMEDIES:
        return f"connection: {_REMEDIES[said.sqlstate]} ({said.message})"
    return None


@contextmanager
def errors_of_psycopg() -> Iterator[None]:
    """Without what SQLAlchemy puts around them: its own text, the statement and its parameters."""
    try:
        yield
    except DBAPIError as error:
        if not isinstance(error.orig, psycopg.Error):
            raise
        error.__cause__ = error.__context__ = None  # else what the two came from goes round in a circle
        raise error.orig from None
