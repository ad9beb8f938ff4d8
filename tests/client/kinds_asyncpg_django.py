"""The kinds of connections that have transactions as blocks only: asyncpg's and Django's."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import asyncpg
import django
import django.db
from django.conf import settings
from django.db import connections, transaction
from psycopg.conninfo import conninfo_to_dict

from .kinds import AsyncKind, Kind, Rows, asyncpg_arguments


class Asyncpg(AsyncKind):
    """asyncpg.Connection."""

    error = asyncpg.PostgresError
    prepares = True

    def __init__(self, url: str) -> None:
        super().__init__()
        self.wait(self.open(asyncpg_arguments(url)))
        self.begin()

    async def open(self, arguments: dict[str, Any]) -> None:
        """Make what is to be given."""
        self.given = await asyncpg.connect(**arguments)

    def begin(self) -> None:
        """Begin the next transaction."""
        self.transaction = self.given.transaction()
        self.wait(self.transaction.start())

    def execute(self, statement: str) -> Rows:
        return [tuple(row) for row in self.wait(self.given.fetch(statement))]

    def commit(self) -> None:
        self.wait(self.transaction.commit())
        self.begin()

    def rollback(self) -> None:
        self.wait(self.transaction.rollback())
        self.begin()

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        savepoint = self.given.transaction()
        self.wait(savepoint.start())
        try:
            yield
        except BaseException:
            self.wait(savepoint.rollback())
            raise

    def attributes(self) -> dict[str, Any]:
        return {
            "in transaction": self.given.is_in_transaction(),
            "settings": self.given.get_settings(),
            "json": self.execute("select '[1]'::jsonb"),
        }

    def close(self) -> None:
        self.wait(self.given.close())
        self.loop.close()


class AsyncpgPooled(Asyncpg):
    """What asyncpg.Pool.acquire gives."""

    async def open(self, arguments: dict[str, Any]) -> None:
        self.pool = await asyncpg.create_pool(**arguments, min_size=1, max_size=1)
        self.given = await self.pool.acquire()

    def close(self) -> None:
        self.wait(self.transaction.rollback())
        self.wait(self.pool.release(self.given))
        self.wait(self.pool.close())
        self.loop.close()


class Django(Kind):
    """django.db.connections["…"]."""

    error = django.db.DatabaseError
    alias = "other"

    def __init__(self, url: str) -> None:
        configure(url)
        self.given = self.open()
        self.begin()

    def open(self) -> Any:
        """What is to be given."""
        return connections[self.alias]

    def begin(self) -> None:
        """Begin the next transaction."""
        self.atomic = transaction.atomic(using=self.alias)
        self.atomic.__enter__()

    def execute(self, statement: str) -> Rows:
        with connections[self.alias].cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall()) if cursor.description else []

    def commit(self) -> None:
        self.atomic.__exit__(None, None, None)
        self.begin()

    def rollback(self) -> None:
        transaction.set_rollback(True, using=self.alias)
        self.commit()

    def savepoint(self) -> AbstractContextManager[Any]:
        context: AbstractContextManager[Any] = transaction.atomic(using=self.alias)
        return context

    def attributes(self) -> dict[str, Any]:
        names = ("autocommit", "in_atomic_block", "needs_rollback", "commit_on_exit", "isolation_level", "settings_dict")
        connection = connections[self.alias]
        return {name: getattr(connection, name) for name in names} | {"savepoints": list(connection.savepoint_ids)}

    def close(self) -> None:
        transaction.set_rollback(True, using=self.alias)
        self.atomic.__exit__(None, None, None)
        connections[self.alias].close()
        del connections[self.alias]


class DjangoDefault(Django):
    """django.db.connection."""

    alias = "default"

    def open(self) -> Any:
        return django.db.connection


def configure(url: str) -> None:
    """Let Django's connections, opened from now on, go to this database."""
    if not settings.configured:
        settings.configure(USE_TZ=True)
        django.setup()
    given = conninfo_to_dict(url)
    names = {"host": "HOST", "port": "PORT", "user": "USER", "password": "PASSWORD", "dbname": "NAME"}
    database = {theirs: given.get(name) or "" for name, theirs in names.items()} | {"ENGINE": "django.db.backends.postgresql"}
    lite = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
    connections.settings = connections.configure_settings({"default": database, "other": database.copy(), "lite": lite})
