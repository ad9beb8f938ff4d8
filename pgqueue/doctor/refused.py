"""Findings about what could not be examined."""

import psycopg

from ..database.backoff import first_line
from ..database.calls.doctor import Finding
from ..errors import PgQueueError

_DENIED = "42501"
_TOO_LONG = "57014"


def quoted(name: str) -> str:
    """A name as an identifier of SQL."""
    return '"' + name.replace('"', '""') + '"'


def no_connection(error: psycopg.Error) -> Finding:
    """The database cannot be reached."""
    return Finding(
        "no-connection",
        "error",
        "database",
        f"the database cannot be reached: {first_line(error)}",
        {},
        "nothing works",
        "check database_url (PGQUEUE_DATABASE_URL), the server, its pg_hba.conf, and what lies between",
    )


def not_run(check: str, error: PgQueueError | psycopg.Error, schema: str) -> Finding:
    """A check could not be made."""
    state = getattr(error, "sqlstate", None)
    if state == _DENIED:
        remedy = f"grant {quoted(schema + '_viewer')} to the role of this session, and examine again"
    elif state == _TOO_LONG:
        remedy = "it took longer than 2 s: examine again when the server has less to do"
    else:
        remedy = "see the message, and examine again"
    return Finding(
        "check-not-run",
        "warning",
        check,
        f"the check {check!r} could not be made: {first_line(error) if isinstance(error, psycopg.Error) else error}",
        {"check": check, "sqlstate": state},
        "what it would find is not known",
        remedy,
    )
