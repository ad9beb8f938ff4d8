"""Statements on the application's own connection, of any supported library: nothing is imported, committed or changed.

Each `_run_on_…` takes a connection, a statement in our form (`%s` or `%(name)s`) and its parameters, and returns the rows.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache
from typing import Any, TypeVar

import psycopg

from ..errors import WrongConnection
from .adapters import EXACT, OwnAsyncCursor, OwnCursor, adapters_for
from .settle import aexecute, execute

T = TypeVar("T")
Rows = list[tuple[Any, ...]]
Run = Callable[[Any, bytes, Any], Rows]
AsyncRun = Callable[[Any, bytes, Any], Awaitable[Rows]]
Keys = tuple[int | str, ...]

# For two-phase commits: PostgreSQL cannot prepare a transaction that has notified. See sql/functions/common/_wake.sql.
_QUIET = b"select pg_catalog.set_config('pgqueue.notify', 'off', true)"
# For SQLAlchemy: if an application streams its rows, our statement would run with a server-side cursor.
_AT_ONCE: Mapping[str, Any] = {"stream_results": False, "yield_per": None}
_PLACEHOLDER = re.compile(r"%%|%s|%\((\w+)\)s")


def run_on_own(connection: Any, statement: bytes, params: Any) -> Rows:
    """Run a statement on a connection that pgqueue has opened. Returns the rows."""
    return execute(OwnCursor(connection, adapters_for(connection, params, psycopg.adapters)), statement, params)


def _run_on_psycopg(connection: Any, statement: bytes, params: Any) -> Rows:
    cursor = OwnCursor(connection, adapters_for(connection, params, connection.adapters))
    if _prepares_psycopg(connection):
        cursor.execute(_QUIET, prepare=False)
    return cursor.execute(statement, params, prepare=False, binary=True).fetchall()


def _run_on_sqlalchemy(connection: Any, statement: bytes, params: Any) -> Rows:
    _check_dialect(connection)
    if _prepares_sqlalchemy(connection):
        connection.execute(_text(_QUIET)[0], execution_options=_AT_ONCE)
    text, keys = _text(statement)
    return [tuple(row) for row in connection.execute(text, _named(keys, params), execution_options=_AT_ONCE)]


def _run_on_session(session: Any, statement: bytes, params: Any) -> Rows:
    # Use its connection, not the session: the session could flush the caller's objects first.
    try:
        connection = session.connection()
    except Exception as error:
        _raise_without_engine(error)
        raise
    return _run_on_sqlalchemy(connection, statement, params)


def _run_on_django(connection: Any, statement: bytes, params: Any) -> Rows:
    vendor = getattr(connection, "vendor", None)
    if vendor != "postgresql":
        raise WrongConnection(f"connection: Django's to {vendor!r} is not valid; the jobs are in PostgreSQL")
    with connection.cursor() as cursor:
        if _prepares_psycopg(connection.connection):
            cursor.execute(_QUIET.decode())
        cursor.execute(statement.decode(), params)
        return list(cursor.fetchall())


async def arun_on_own(connection: Any, statement: bytes, params: Any) -> Rows:
    """`run_on_own` for async code."""
    return await aexecute(OwnAsyncCursor(connection, adapters_for(connection, params, psycopg.adapters)), statement, params)


async def arun_exactly(connection: Any, statement: bytes, params: Any) -> Rows:
    """`arun_on_own`, with numbers in JSON as they are stored; see `Exact`."""
    return await aexecute(OwnAsyncCursor(connection, EXACT), statement, params)


async def _arun_on_psycopg(connection: Any, statement: bytes, params: Any) -> Rows:
    cursor = OwnAsyncCursor(connection, adapters_for(connection, params, connection.adapters))
    if _prepares_psycopg(connection):
        await cursor.execute(_QUIET, prepare=False)
    await cursor.execute(statement, params, prepare=False, binary=True)
    return await cursor.fetchall()


async def _arun_on_sqlalchemy(connection: Any, statement: bytes, params: Any) -> Rows:
    _check_dialect(connection)
    if _prepares_sqlalchemy(connection.sync_connection):
        await connection.execute(_text(_QUIET)[0], execution_options=_AT_ONCE)
    text, keys = _text(statement)
    return [tuple(row) for row in await connection.execute(text, _named(keys, params), execution_options=_AT_ONCE)]


async def _arun_on_session(session: Any, statement: bytes, params: Any) -> Rows:
    try:
        connection = await session.connection()
    except Exception as error:
        _raise_without_engine(error)
        raise
    return await _arun_on_sqlalchemy(connection, statement, params)


async def _arun_on_asyncpg(connection: Any, statement: bytes, params: Any) -> Rows:
    text, keys = _numbered(statement)
    return [tuple(row) for row in await connection.fetch(text, *(params[key] for key in keys))]


_SYNC: Mapping[str, Run] = {
    "psycopg.Connection": _run_on_psycopg,
    "sqlalchemy.engine.base.Connection": _run_on_sqlalchemy,
    "sqlalchemy.orm.session.Session": _run_on_session,
    "sqlalchemy.orm.scoping.scoped_session": _run_on_session,
    "django.db.backends.base.base.BaseDatabaseWrapper": _run_on_django,
    "django.utils.connection.ConnectionProxy": _run_on_django,
}
_ASYNC: Mapping[str, AsyncRun] = {
    "psycopg.AsyncConnection": _arun_on_psycopg,
    "sqlalchemy.ext.asyncio.engine.AsyncConnection": _arun_on_sqlalchemy,
    "sqlalchemy.ext.asyncio.session.AsyncSession": _arun_on_session,
    "sqlalchemy.ext.asyncio.scoping.async_scoped_session": _arun_on_session,
    "asyncpg.connection.Connection": _arun_on_asyncpg,
    "asyncpg.pool.PoolConnectionProxy": _arun_on_asyncpg,
}
_SYNC_KINDS = "a psycopg Connection, a SQLAlchemy Session, scoped_session or Connection, or a Django connection"
_ASYNC_KINDS = (
    "a psycopg AsyncConnection, a SQLAlchemy AsyncSession, async_scoped_session or AsyncConnection, or an asyncpg Connection"
)
_MAKERS = {
    "sqlalchemy.engine.base.Engine": "with engine.begin() as connection",
    "sqlalchemy.orm.session.sessionmaker": "with maker.begin() as session",
    "sqlalchemy.ext.asyncio.engine.AsyncEngine": "async with engine.begin() as connection",
    "sqlalchemy.ext.asyncio.session.async_sessionmaker": "async with maker.begin() as session",
    "psycopg_pool.pool.ConnectionPool": "with pool.connection() as connection",
    "psycopg_pool.pool_async.AsyncConnectionPool": "async with pool.connection() as connection",
    "asyncpg.pool.Pool": "async with pool.acquire() as connection",
    "django.utils.connection.BaseConnectionHandler": 'connections["default"]',
}
_ONE = "of a session with several engines, give session.connection(bind_arguments={'mapper': …}), with a class of that database"


def runner(connection: Any) -> Run:
    """The function that runs statements on this connection of sync code.

    Raises:
        WrongConnection: the connection is not supported; the message lists what is supported.
    """
    run = find(_SYNC, connection)
    if run is None:
        raise _refused(connection, f"enqueue takes {_SYNC_KINDS}", _ASYNC, "aenqueue")
    return run


def async_runner(connection: Any) -> AsyncRun:
    """`runner` for async code."""
    run = find(_ASYNC, connection)
    if run is None:
        raise _refused(connection, f"aenqueue takes {_ASYNC_KINDS}", _SYNC, "enqueue")
    return run


def find(table: Mapping[str, T], connection: Any) -> T | None:
    """The entry for the class of the connection, or for its nearest base class."""
    names = (f"{kind.__module__}.{kind.__qualname__}" for kind in type(connection).__mro__)
    return next((table[name] for name in names if name in table), None)


def _refused(connection: Any, takes: str, other: Mapping[str, object], call: str) -> WrongConnection:
    message = f"connection: a {type(connection).__module__}.{type(connection).__qualname__} is not valid; {takes}"
    if find(other, connection):
        message += f"; this one works with {call}"
    elif how := find(_MAKERS, connection):
        message += f"; get one from this by: {how}"
    return WrongConnection(message)


def _check_dialect(connection: Any) -> None:
    name = connection.dialect.name
    if name != "postgresql":
        raise WrongConnection(f"connection: SQLAlchemy's to {name!r} is not valid; the jobs are in PostgreSQL; {_ONE}")


def _prepares_psycopg(connection: Any) -> bool:
    """Whether it is in a transaction of `tpc_begin`; psycopg has no other way to find out."""
    return getattr(connection, "_tpc", None) is not None


def _prepares_sqlalchemy(connection: Any) -> bool:
    """Whether it is in a transaction of `begin_twophase`, as with `twophase=True`: only these have an xid."""
    return hasattr(connection.get_transaction(), "xid")


def _raise_without_engine(error: Exception) -> None:
    """Raise our exception, with the remedy, if the session has no engine for a statement without a mapper."""
    if type(error).__name__ == "UnboundExecutionError":
        raise WrongConnection(
            f"connection: this SQLAlchemy session names no engine for statements without a mapper; {_ONE}"
        ) from error


def _convert(statement: str, mark: str) -> tuple[str, Keys]:
    """The statement with `<mark>1`, `<mark>2`, … for placeholders, and the parameter of each placeholder."""
    keys: list[int | str] = []

    def replace(placeholder: re.Match[str]) -> str:
        if placeholder[0] == "%%":
            return "%"
        key = placeholder[1] or len(keys)
        if key not in keys:
            keys.append(key)
        return f"{mark}{keys.index(key) + 1}"

    return _PLACEHOLDER.sub(replace, statement), tuple(keys)


@lru_cache(maxsize=512)
def _numbered(statement: bytes) -> tuple[str, Keys]:
    return _convert(statement.decode(), "$")


@lru_cache(maxsize=512)
def _text(statement: bytes) -> tuple[Any, Keys]:
    """A SQLAlchemy `text()` with the parameters :p1, :p2, …; other colons of the statement do not become parameters.

    The space separates our parameter from a colon before it, as in `[1:%(last)s]`: `::p1` would not be a parameter.
    """
    from sqlalchemy import text

    converted, keys = _convert(statement.decode().replace(":", r"\:"), " :p")
    return text(converted), keys


def _named(keys: Keys, params: Any) -> dict[str, Any]:
    return {f"p{number}": params[key] for number, key in enumerate(keys, 1)}
