"""SQLSTATE to exception: the one place where an error crosses from PostgreSQL to Python."""

import psycopg
from psycopg import errors as pg

from .. import errors

_BY_SQLSTATE: dict[str, type[errors.PgQueueError]] = {
    "PQ001": errors.InvalidArgument,
    "PQ002": errors.WorkerLost,
    "PQ003": errors.JobNotFound,
    "PQ004": errors.WrongState,
}
_NOT_MIGRATED = (pg.InvalidSchemaName, pg.UndefinedFunction, pg.UndefinedTable)
# Classes that pass: connection, rollback, resources, not in the right state (lock_timeout), operator intervention, system.
_TRANSIENT = ("08", "40", "53", "55", "57", "58")


def translate(error: psycopg.Error, schema: str) -> Exception:
    """The exception our caller should see for a database error; the error itself if it is none of ours."""
    if error.sqlstate in _BY_SQLSTATE:
        return _BY_SQLSTATE[error.sqlstate](error.diag.message_primary)
    if isinstance(error, pg.UntranslatableCharacter):
        return errors.InvalidArgument(f"args: PostgreSQL cannot store this text: {error.diag.message_detail or error}")
    if isinstance(error, _NOT_MIGRATED):
        return errors.NotMigrated(f"schema {schema!r} has no pgqueue of this version ({error}); run `pgqueue migrate`")
    return error


def is_transient(error: psycopg.Error) -> bool:
    """Whether the same call may succeed later on this or another connection."""
    if error.sqlstate is None:
        return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    # A primary that became a replica answers "read only": the next connection finds the new primary.
    return error.sqlstate.startswith(_TRANSIENT) or isinstance(error, pg.ReadOnlySqlTransaction)
