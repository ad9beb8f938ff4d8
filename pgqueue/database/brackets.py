"""Begin and end of a transaction on the application's own connection, of any library that `bridge` knows; nothing is imported.

Each bracket commits the outermost transaction, so that what was written in it is there for others; or it refuses to begin.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager, suppress
from types import TracebackType
from typing import Any

from ..errors import WrongConnection
from .bridge import async_runner, find, runner


class _Whole:
    """The whole transaction of a SQLAlchemy session or connection: what was done in it before is part of it."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        """It begins with the first statement."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is not None:
            self._connection.rollback()
            return
        try:
            self._connection.commit()
        except BaseException:  # of the application, before the COMMIT: SQLAlchemy leaves the transaction open, and what it locks
            with suppress(Exception):
                self._connection.rollback()
            raise


class _AsyncWhole:
    """`_Whole` for async code."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def __aenter__(self) -> None:
        """It begins with the first statement."""

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is not None:
            await self._connection.rollback()
            return
        try:
            await self._connection.commit()
        except BaseException:
            with suppress(Exception):
                await self._connection.rollback()
            raise


def _of_sqlalchemy(connection: Any, may_nest: bool) -> Any:
    return _Whole(connection)


def _of_async_sqlalchemy(connection: Any, may_nest: bool) -> Any:
    return _AsyncWhole(connection)


def _of_psycopg(connection: Any, may_nest: bool) -> Any:
    _refuse_nested(connection.info.transaction_status.name != "IDLE", may_nest)
    return connection.transaction()


def _of_asyncpg(connection: Any, may_nest: bool) -> Any:
    _refuse_nested(connection.is_in_transaction(), may_nest)
    return connection.transaction()


def _of_django(connection: Any, may_nest: bool) -> Any:
    from django.db.transaction import atomic

    _refuse_nested(connection.in_atomic_block, may_nest)
    return atomic(using=connection.alias)


def _refuse_nested(is_in_transaction: bool, may_nest: bool) -> None:
    if is_in_transaction and not may_nest:
        raise WrongConnection(
            "connection: it is in a transaction, which the end of ctx.transaction() would not commit; begin it by the block: "
            "end the transaction before, and make no block or atomic() around ctx.transaction()"
        )


_Make = Callable[[Any, bool], Any]
_SYNC: Mapping[str, _Make] = {
    "psycopg.Connection": _of_psycopg,
    "sqlalchemy.engine.base.Connection": _of_sqlalchemy,
    "sqlalchemy.orm.session.Session": _of_sqlalchemy,
    "django.db.backends.base.base.BaseDatabaseWrapper": _of_django,
    "django.utils.connection.ConnectionProxy": _of_django,
}
_ASYNC: Mapping[str, _Make] = {
    "psycopg.AsyncConnection": _of_psycopg,
    "sqlalchemy.ext.asyncio.engine.AsyncConnection": _of_async_sqlalchemy,
    "sqlalchemy.ext.asyncio.session.AsyncSession": _of_async_sqlalchemy,
    "asyncpg.connection.Connection": _of_asyncpg,
    "asyncpg.pool.PoolConnectionProxy": _of_asyncpg,
}
_SCOPED: Mapping[str, bool] = {
    "sqlalchemy.orm.scoping.scoped_session": True,
    "sqlalchemy.ext.asyncio.scoping.async_scoped_session": True,
}


def itself(connection: Any) -> Any:
    """The session of a scoped session: the end of a block may run in another asyncio task, which would have another one."""
    return connection.registry() if find(_SCOPED, connection) else connection


def bracket(connection: Any, may_nest: bool = False) -> AbstractContextManager[Any]:
    """The transaction of a connection of sync code.

    Args:
        connection: as in `Task.using`.
        may_nest: whether it may be a savepoint of a transaction that is open: in a test, which rolls everything back.

    Raises:
        WrongConnection: it is of another kind, or in a transaction.
    """
    runner(connection)
    made: AbstractContextManager[Any] = _made(_SYNC, connection, may_nest)
    return made


def abracket(connection: Any, may_nest: bool = False) -> AbstractAsyncContextManager[Any]:
    """`bracket` for async code."""
    async_runner(connection)
    made: AbstractAsyncContextManager[Any] = _made(_ASYNC, connection, may_nest)
    return made


def _made(table: Mapping[str, _Make], connection: Any, may_nest: bool) -> Any:
    make = find(table, connection)
    assert make is not None  # the bridge has refused others
    return make(connection, may_nest)
