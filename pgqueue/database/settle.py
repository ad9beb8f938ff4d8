"""The defaults that our connections need, independent of the settings of the database or the role.

They are not set on the session, because a pooler would pass the session to other clients. If the defaults of a connection do not
fit, each of its calls runs in a transaction that sets what it needs, with two more round trips. Other connections have no cost.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from psycopg import AsyncConnection, AsyncCursor, Connection, Cursor, IsolationLevel

from .adapters import ADAPTERS, OwnAsyncCursor, OwnCursor

Rows = list[tuple[Any, ...]]
_ASK = (
    b"select pg_catalog.current_setting('default_transaction_isolation'), "
    b"pg_catalog.current_setting('default_transaction_read_only'), (pg_catalog.current_schemas(true))[1], "
    b"pg_catalog.pg_is_in_recovery()"
)
SAFE_PATH = b"set local search_path to pg_catalog, pg_temp"


class Defaults(NamedTuple):
    """The default settings of a transaction.

    Attributes:
        isolation: the isolation level.
        read_only: "on" or "off".
        first_schema: the schema in which names are looked up first.
        is_standby: whether the server is a standby, which cannot write with any settings.
    """

    isolation: str
    read_only: str
    first_schema: str
    is_standby: bool

    @property
    def is_read_only(self) -> bool:
        """Whether a transaction must be set to read-write."""
        return self.read_only == "on" and not self.is_standby

    @property
    def is_fit(self) -> bool:
        """Whether our calls need no settings."""
        return self.isolation == "read committed" and not self.is_read_only and self.first_schema == "pg_catalog"


def settle(connection: Connection[Any], is_ours: bool) -> None:
    """Let a new connection set in each transaction what it needs, if the defaults do not fit.

    Args:
        connection: a connection in autocommit mode, idle.
        is_ours: False if statements of the application run on it too; then only read-only is changed.
    """
    with OwnCursor(connection, ADAPTERS) as cursor:
        defaults = Defaults(*cursor.execute(_ASK, binary=True).fetchall()[0])
    if is_ours and not defaults.is_fit:
        connection.isolation_level = IsolationLevel.READ_COMMITTED
    if defaults.is_read_only:
        connection.read_only = False


async def asettle(connection: AsyncConnection[Any], is_ours: bool) -> None:
    """`settle` for async code."""
    async with OwnAsyncCursor(connection, ADAPTERS) as cursor:
        await cursor.execute(_ASK, binary=True)
        defaults = Defaults(*(await cursor.fetchall())[0])
    if is_ours and not defaults.is_fit:
        await connection.set_isolation_level(IsolationLevel.READ_COMMITTED)
    if defaults.is_read_only:
        await connection.set_read_only(False)


def execute(cursor: Cursor[Any], statement: bytes, params: Any) -> Rows:
    """Run one of our statements on one of our connections. Returns the rows."""
    if cursor.connection.isolation_level is None:
        return cursor.execute(statement, params, prepare=False, binary=True).fetchall()
    with cursor.connection.transaction():
        if not isinstance(params, Mapping):  # else it has a query of the application, which needs its own search_path
            cursor.execute(SAFE_PATH)
        return cursor.execute(statement, params, prepare=False, binary=True).fetchall()


async def aexecute(cursor: AsyncCursor[Any], statement: bytes, params: Any) -> Rows:
    """`execute` for async code."""
    if cursor.connection.isolation_level is None:
        await cursor.execute(statement, params, prepare=False, binary=True)
        return await cursor.fetchall()
    async with cursor.connection.transaction():
        if not isinstance(params, Mapping):
            await cursor.execute(SAFE_PATH)
        await cursor.execute(statement, params, prepare=False, binary=True)
        return await cursor.fetchall()
