"""The kinds of connections that SQLAlchemy has."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import sqlalchemy as sa
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy.ext import asyncio as aio
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from .kinds import AsyncKind, Kind, Rows, asyncpg_arguments, psycopg_attributes


def _rows(result: Any) -> Rows:
    return [tuple(row) for row in result] if result.returns_rows else []


class Alchemy(Kind):
    """sqlalchemy.Connection."""

    error = sa.exc.DBAPIError

    def __init__(self, url: str) -> None:
        self.engine = sa.create_engine("postgresql+psycopg://", connect_args=conninfo_to_dict(url))
        self.given = self.open()

    def open(self) -> Any:
        """What is to be given."""
        return self.engine.connect()

    def execute(self, statement: str) -> Rows:
        return _rows(self.given.execute(sa.text(statement)))

    def commit(self) -> None:
        self.given.commit()

    def rollback(self) -> None:
        self.given.rollback()

    def savepoint(self) -> AbstractContextManager[Any]:
        context: AbstractContextManager[Any] = self.given.begin_nested()
        return context

    def attributes(self) -> dict[str, Any]:
        return _alchemy_attributes(self.given)

    def close(self) -> None:
        self.given.close()
        self.engine.dispose()


def _alchemy_attributes(connection: sa.Connection) -> dict[str, Any]:
    driver: Any = connection.connection.driver_connection
    theirs = psycopg_attributes(driver) if hasattr(driver, "prepare_threshold") else {}
    return theirs | {"options": dict(connection.get_execution_options()), "level": connection.get_isolation_level()}


def _session_attributes(session: Any) -> dict[str, Any]:
    return {name: getattr(session, name) for name in ("autoflush", "info", "bind", "is_active", "new", "dirty")}


class AlchemySession(Alchemy):
    """sqlalchemy.orm.Session."""

    def open(self) -> Any:
        return Session(self.engine)

    def attributes(self) -> dict[str, Any]:
        return _session_attributes(self.given) | _alchemy_attributes(self.given.connection())


class AlchemyScoped(AlchemySession):
    """sqlalchemy.orm.scoped_session."""

    def open(self) -> Any:
        return scoped_session(sessionmaker(self.engine))


class AsyncAlchemy(AsyncKind):
    """sqlalchemy.ext.asyncio.AsyncConnection on asyncpg."""

    error = sa.exc.DBAPIError
    driver = "asyncpg"
    prepares = True

    def __init__(self, url: str) -> None:
        super().__init__()
        arguments = asyncpg_arguments(url) if self.driver == "asyncpg" else conninfo_to_dict(url)
        self.engine = aio.create_async_engine(f"postgresql+{self.driver}://", connect_args=arguments)
        self.given = self.wait(self.open())

    async def open(self) -> Any:
        """What is to be given."""
        return await self.engine.connect()

    def execute(self, statement: str) -> Rows:
        return _rows(self.wait(self.given.execute(sa.text(statement))))

    def commit(self) -> None:
        self.wait(self.given.commit())

    def rollback(self) -> None:
        self.wait(self.given.rollback())

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        savepoint = self.given.begin_nested()
        self.wait(savepoint.start())
        try:
            yield
        except BaseException:
            self.wait(savepoint.rollback())
            raise

    def attributes(self) -> dict[str, Any]:
        return self.wait(self.given.run_sync(_alchemy_attributes))

    def close(self) -> None:
        self.wait(self.given.close())
        self.wait(self.engine.dispose())
        self.loop.close()


class AsyncAlchemyPsycopg(AsyncAlchemy):
    """sqlalchemy.ext.asyncio.AsyncConnection on psycopg."""

    driver = "psycopg"
    prepares = False


class AsyncAlchemySession(AsyncAlchemy):
    """sqlalchemy.ext.asyncio.AsyncSession on asyncpg."""

    async def open(self) -> Any:
        return aio.AsyncSession(self.engine)

    def attributes(self) -> dict[str, Any]:
        connection = self.wait(self.given.connection())
        attributes: dict[str, Any] = self.wait(connection.run_sync(_alchemy_attributes))
        return _session_attributes(self.given) | attributes


class AsyncAlchemyScoped(AsyncAlchemySession):
    """sqlalchemy.ext.asyncio.async_scoped_session on asyncpg."""

    async def open(self) -> Any:
        return aio.async_scoped_session(aio.async_sessionmaker(self.engine), scopefunc=lambda: "the request")
