"""SQL functions called through one thin fixture."""

import json
import uuid
from collections.abc import Callable
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.rows import dict_row


class Sql:
    """Calls SQL functions on one connection and looks at tables."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.connection = connection

    def rows(self, query: str, *params: Any) -> list[dict[str, Any]]:
        """All rows of a query, as dicts."""
        with self.connection.cursor(row_factory=dict_row) as cursor:
            cursor.execute(query, params)  # type: ignore[arg-type]
            return cursor.fetchall() if cursor.description else []

    def value(self, query: str, *params: Any) -> Any:
        """The first column of the first row, None without rows."""
        row = self.connection.execute(query, params).fetchone()  # type: ignore[arg-type]
        return row[0] if row else None

    def enqueue(self, task: str = "noop", args: dict[str, Any] | None = None, **options: Any) -> int:
        """enqueue() with named arguments."""
        named = "".join(f", {name} => %s" for name in options)
        return int(self.value(f"select enqueue(%s, %s{named})", task, json.dumps(args or {}), *options.values()))

    def worker(self, lease: str = "30 s", queues: tuple[str, ...] = ("default",)) -> UUID:
        """A registered worker's id."""
        id = uuid.uuid4()
        self.value("select register_worker(%s, 'w', 'host', 1, '0', %s, 10, %s::interval)", id, list(queues), lease)
        return id

    def claim(
        self, worker: UUID, want: int = 10, queues: tuple[str, ...] = ("default",), **options: Any
    ) -> tuple[UUID, list[dict[str, Any]]]:
        """One claim: its token and rows."""
        token = uuid.uuid4()
        named = "".join(f", {name} => %s" for name in options)
        return token, self.rows(
            f"select * from claim(%s, %s, %s, %s{named})", worker, token, list(queues), want, *options.values()
        )

    def finish(self, token: UUID, *outcomes: dict[str, Any]) -> list[dict[str, Any]]:
        """finish() for outcomes of one claim; the verdicts."""
        return self.rows("select * from finish(%s)", json.dumps([{"token": str(token), **outcome} for outcome in outcomes]))

    def job(self, id: int) -> dict[str, Any]:
        """The job's row in the view `jobs`."""
        (row,) = self.rows("select * from jobs where id = %s", id)
        return row


@pytest.fixture
def sql(connection: psycopg.Connection[Any]) -> Sql:
    """The test's connection."""
    return Sql(connection)


@pytest.fixture
def another_sql(connect: Callable[..., psycopg.Connection[Any]]) -> Callable[[], Sql]:
    """Opens further connections."""
    return lambda: Sql(connect())
