"""From SQLSTATE to exception: the only place where errors of PostgreSQL become errors of pgqueue."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import psycopg

from .. import errors
from . import grants

_BY_SQLSTATE: dict[str, type[errors.PgQueueError]] = {
    "PQ001": errors.InvalidArgument,
    "PQ002": errors.WorkerLost,
    "PQ003": errors.JobNotFound,
    "PQ004": errors.WrongState,
    "PQ005": errors.QueueFull,
}
_DENIED = "42501"
_UNTRANSLATABLE_CHARACTER = "22P05"
_NOT_MIGRATED = ("3F000", "42883", "42P01")  # no such schema, function, table; it is ours if the message has its name
# Classes of temporary errors: connection, rollback, resources, wrong state (lock_timeout), operator intervention, system.
# Also read_only_sql_transaction: a primary that became a replica gives this error, and the next connection finds the new
# primary; idle_in_transaction_session_timeout and transaction_timeout, which end connections of a delayed process.
_TRANSIENT = ("08", "25006", "25P03", "25P04", "40", "53", "55", "57", "58")


class Report(NamedTuple):
    """The error report of the server, as far as the driver exposes it."""

    sqlstate: str
    message: str
    detail: str | None


def translate(error: Exception, schema: str, user: str | None = None) -> Exception:
    """Our exception for an error of any driver, to a session of `user` if that is known; the error itself if it is another's."""
    said = report(error)
    if said is None:
        return error
    if said.sqlstate in _BY_SQLSTATE:
        return _BY_SQLSTATE[said.sqlstate](said.message)
    if said.sqlstate == _UNTRANSLATABLE_CHARACTER:
        return errors.InvalidArgument(f"args: PostgreSQL cannot store this text: {said.detail or said.message}")
    command = errors.migrate_command(schema)
    if said.sqlstate in _NOT_MIGRATED and any(name in said.message for name in (f"{schema}.", f'{schema}"')):
        return errors.NotMigrated(f"schema {schema!r} has no pgqueue of this version ({said.message}); run `{command}`")
    if said.sqlstate == _DENIED and (grant := grants.remedy(said.message, schema, user)):
        return errors.NotPermitted(
            f"{said.message}; run as the owner of the schema: {grant} (`{command} --roles` makes the roles)"
        )
    return error


def raise_ours(error: Exception, schema: str, connection: Any = None) -> None:
    """Raise our exception for this error. Return if the error is not about pgqueue, so that the caller can raise it unchanged."""
    ours = translate(error, schema, grants.user_of(connection))
    if ours is not error:
        raise ours from error


def is_answer(error: Exception) -> bool:
    """Whether the server has answered so, on a connection that goes on; if not, it is not known what it has done."""
    its = report(error)
    return its is not None and not its.sqlstate.startswith(("08", "57P"))


def report(error: BaseException) -> Report | None:
    """The report of the innermost error that has one: SQLAlchemy, Django and adapters wrap the error of the driver."""
    found = None
    for inner in _unwrapped(error):
        found = _read(inner) or found
    return found


def _unwrapped(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    inner: Any = error
    while isinstance(inner, BaseException) and id(inner) not in seen:
        seen.add(id(inner))
        yield inner
        inner = getattr(inner, "orig", None) or inner.__cause__


def _read(error: Any) -> Report | None:
    sqlstate = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
    if isinstance(sqlstate, str):
        said = getattr(error, "diag", None)  # psycopg and psycopg2 have diag; in asyncpg the error has the fields
        message = getattr(said, "message_primary", None) or getattr(error, "message", None) or str(error)
        return Report(sqlstate, message, getattr(said, "message_detail", None) or getattr(error, "detail", None))
    if error.args and isinstance(error.args[0], dict) and "C" in error.args[0]:  # pg8000: the fields of the protocol
        fields = error.args[0]
        return Report(fields["C"], fields.get("M", ""), fields.get("D"))
    return None


def is_transient(error: psycopg.Error) -> bool:
    """Whether the same call may succeed later on this or another connection."""
    if error.sqlstate is None:
        return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    return error.sqlstate.startswith(_TRANSIENT)
