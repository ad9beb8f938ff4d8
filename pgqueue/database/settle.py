"""What our connections need, independent of the settings of the database or the role.

The search_path of a session of ours is `pg_catalog`. It is set where the session belongs to this connection alone: the process
that answers is the one that was announced at connect. A pooler announces a number of its own, and would pass the session to other
clients: there nothing is set, and our statements are safe by themselves; see `qualify`. The other defaults are not set on any
session. If they do not fit, each call runs in a transaction that sets what it needs, with two more round trips.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from psycopg import AsyncConnection, AsyncCursor, Connection, Cursor, IsolationLevel

from .adapters import ADAPTERS, OwnAsyncCursor, OwnCursor

Rows = list[tuple[Any, ...]]
# The path is read before it is set: a list is evaluated from the left.
_ASK = (
    b"select pg_catalog.current_setting('default_transaction_isolation'), "
    b"pg_catalog.current_setting('default_transaction_read_only'), pg_catalog.pg_is_in_recovery(), "
    b"pg_catalog.current_setting('search_path'), case when pg_catalog.pg_backend_pid() operator(pg_catalog.=) %s::bigint "
    b"then pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', false) end"
)
_NOBODY = 0  # the id of no process
SAFE_PATH = b"set local search_path to pg_catalog, pg_temp"
_GIVEN_PATH = b"select pg_catalog.set_config('search_path', %s::pg_catalog.text, true)"


class Defaults(NamedTuple):
    """The default settings of a transaction.

    Attributes:
        isolation: the isolation level.
        read_only: "on" or "off".
        is_standby: whether the server is a standby, which cannot write with any settings.
        path: the search_path that the application has.
        own_path: that of our session; None = the same.
    """

    isolation: str
    read_only: str
    is_standby: bool
    path: str
    own_path: str | None

    @property
    def is_read_only(self) -> bool:
        """Whether a transaction must be set to read-write."""
        return self.read_only == "on" and not self.is_standby

    @property
    def is_fit(self) -> bool:
        """Whether our calls need no settings."""
        return self.isolation == "read committed" and not self.is_read_only

    @property
    def application_path(self) -> str | None:
        """The search_path to set for statements of the application; None: the session has it."""
        return None if self.own_path is None else self.path


def settle(connection: Connection[Any], is_ours: bool) -> str | None:
    """Prepare a new connection for our calls. Returns the search_path that queries of the application need; None: it is set.

    Args:
        connection: a connection in autocommit mode, idle.
        is_ours: False if statements of the application run on it too; then only read-only is changed.
    """
    process = connection.info.backend_pid if is_ours else _NOBODY
    with OwnCursor(connection, ADAPTERS) as cursor:
        defaults = Defaults(*cursor.execute(_ASK, (process,), prepare=False, binary=True).fetchall()[0])
    if is_ours and not defaults.is_fit:
        connection.isolation_level = IsolationLevel.READ_COMMITTED
    if defaults.is_read_only:
        connection.read_only = False
    return defaults.application_path


async def asettle(connection: AsyncConnection[Any], is_ours: bool) -> str | None:
    """`settle` for async code."""
    process = connection.info.backend_pid if is_ours else _NOBODY
    async with OwnAsyncCursor(connection, ADAPTERS) as cursor:
        await cursor.execute(_ASK, (process,), prepare=False, binary=True)
        defaults = Defaults(*(await cursor.fetchall())[0])
    if is_ours and not defaults.is_fit:
        await connection.set_isolation_level(IsolationLevel.READ_COMMITTED)
    if defaults.is_read_only:
        await connection.set_read_only(False)
    return defaults.application_path


def execute(cursor: Cursor[Any], statement: bytes, params: Any) -> Rows:
    """Run one of our statements on one of our connections. Returns the rows."""
    connection, path = cursor.connection, _path_for(cursor, params)
    if connection.isolation_level is None and path is None:
        return cursor.execute(statement, params, prepare=False, binary=True).fetchall()
    with connection.transaction():
        if path is not None:
            OwnCursor(connection, ADAPTERS).execute(_GIVEN_PATH, (path,), prepare=False)
        return cursor.execute(statement, params, prepare=False, binary=True).fetchall()


async def aexecute(cursor: AsyncCursor[Any], statement: bytes, params: Any) -> Rows:
    """`execute` for async code."""
    connection, path = cursor.connection, _path_for(cursor, params)
    if connection.isolation_level is None and path is None:
        await cursor.execute(statement, params, prepare=False, binary=True)
        return await cursor.fetchall()
    async with connection.transaction():
        if path is not None:
            await OwnAsyncCursor(connection, ADAPTERS).execute(_GIVEN_PATH, (path,), prepare=False)
        await cursor.execute(statement, params, prepare=False, binary=True)
        return await cursor.fetchall()


def _path_for(cursor: Cursor[Any] | AsyncCursor[Any], params: Any) -> str | None:
    """The search_path to set for a statement: a query of the application, whose parameters have names, needs its own."""
    return getattr(cursor.connection, "application_path", None) if isinstance(params, Mapping) else None
