"""Every kind of connection an application may have, behind one interface; the async ones have a loop of their own."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Coroutine, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict

from pgqueue import Job, Task
from pgqueue.database import bridge

T = TypeVar("T")
Rows = list[tuple[Any, ...]]


class Kind(ABC):
    """One connection of an application, in a transaction of its own.

    Attributes:
        given: what is passed as `connection=`.
        error: what the library raises.
        prepares: whether the library makes prepared statements of whatever it runs.
    """

    given: Any
    error: type[Exception]
    prepares = False

    @abstractmethod
    def execute(self, statement: str) -> Rows:
        """Run a statement of the application."""

    @abstractmethod
    def commit(self) -> None:
        """End the transaction."""

    @abstractmethod
    def rollback(self) -> None:
        """Undo the transaction."""

    @abstractmethod
    def savepoint(self) -> AbstractContextManager[Any]:
        """A block that is undone when it raises."""

    @abstractmethod
    def attributes(self) -> dict[str, Any]:
        """Whatever the library lets one set on the connection."""

    @abstractmethod
    def close(self) -> None:
        """Undo and close."""

    def enqueue(self, task: Task[[int], str], number: int) -> Job[str]:
        """Enqueue in the transaction."""
        return task.using(connection=self.given).enqueue(number)

    def enqueue_many(self, task: Task[[int], str], arguments: Iterable[tuple[int]]) -> list[Job[str]]:
        """Enqueue several in the transaction."""
        return task.using(connection=self.given).enqueue_many(arguments)

    def run(self, statement: bytes, params: Any) -> Rows:
        """Run a statement as pgqueue does."""
        return bridge.runner(self.given)(self.given, statement, params)


class AsyncKind(Kind):
    """A kind for async code."""

    def __init__(self) -> None:
        self.loop = asyncio.Runner()

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end."""
        return self.loop.run(work)

    def enqueue(self, task: Task[[int], str], number: int) -> Job[str]:
        return self.wait(task.using(connection=self.given).aenqueue(number))

    def enqueue_many(self, task: Task[[int], str], arguments: Iterable[tuple[int]]) -> list[Job[str]]:
        return self.wait(task.using(connection=self.given).aenqueue_many(arguments))

    def run(self, statement: bytes, params: Any) -> Rows:
        async def run() -> Rows:
            return await bridge.async_runner(self.given)(self.given, statement, params)

        return self.wait(run())


_PSYCOPG = ("autocommit", "prepare_threshold", "prepared_max", "row_factory", "cursor_factory", "isolation_level", "read_only")


def psycopg_attributes(connection: Any) -> dict[str, Any]:
    """Whatever one may set on a psycopg connection."""
    return {name: getattr(connection, name) for name in _PSYCOPG} | {"adapters": connection.adapters}


class Psycopg(Kind):
    """psycopg.Connection."""

    error = psycopg.Error

    def __init__(self, url: str) -> None:
        self.given = psycopg.connect(url)

    def execute(self, statement: str) -> Rows:
        cursor = self.given.execute(statement)
        return list(cursor.fetchall()) if cursor.description else []

    def commit(self) -> None:
        self.given.commit()

    def rollback(self) -> None:
        self.given.rollback()

    def savepoint(self) -> AbstractContextManager[Any]:
        context: AbstractContextManager[Any] = self.given.transaction()
        return context

    def attributes(self) -> dict[str, Any]:
        return psycopg_attributes(self.given)

    def close(self) -> None:
        self.given.close()


class AsyncPsycopg(AsyncKind):
    """psycopg.AsyncConnection."""

    error = psycopg.Error

    def __init__(self, url: str) -> None:
        super().__init__()
        self.given = self.wait(psycopg.AsyncConnection.connect(url))

    def execute(self, statement: str) -> Rows:
        async def execute() -> Rows:
            cursor = await self.given.execute(statement)
            return list(await cursor.fetchall()) if cursor.description else []

        return self.wait(execute())

    def commit(self) -> None:
        self.wait(self.given.commit())

    def rollback(self) -> None:
        self.wait(self.given.rollback())

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        self.execute("savepoint theirs")
        try:
            yield
        except BaseException:
            self.execute("rollback to theirs")
            raise

    def attributes(self) -> dict[str, Any]:
        return psycopg_attributes(self.given)

    def close(self) -> None:
        self.wait(self.given.close())
        self.loop.close()


def asyncpg_arguments(url: str) -> dict[str, Any]:
    """A conninfo in the words of asyncpg."""
    given = conninfo_to_dict(url)
    names = {"host": "host", "port": "port", "user": "user", "password": "password", "dbname": "database"}
    return {theirs: given[name] for name, theirs in names.items() if given.get(name)}
