"""Looking at the database beside the code under test."""

from typing import Any, LiteralString

import psycopg
from psycopg.rows import dict_row


def fetched(cursor: psycopg.Cursor[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of a statement; of `select from …` empty ones, which psycopg counts but does not fetch."""
    if cursor.description:
        return cursor.fetchall()
    return [{} for _ in range(cursor.rowcount)] if (cursor.statusmessage or "").startswith("SELECT") else []


class Look:
    """Short queries on one autocommit connection with pgqueue on its search_path."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.connection = connection

    def rows(self, query: LiteralString, *params: Any) -> list[dict[str, Any]]:
        """All rows of a query."""
        with self.connection.cursor(row_factory=dict_row) as cursor:
            cursor.execute(query, params)
            return fetched(cursor)

    def value(self, query: LiteralString, *params: Any) -> Any:
        """The first column of the first row, None without rows."""
        cursor = self.connection.execute(query, params)
        row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None

    def job(self, id: int) -> dict[str, Any]:
        """The job's row in the view `jobs`."""
        (row,) = self.rows("select * from jobs where id = %s", id)
        return row

    def state(self, id: int) -> str | None:
        """The job's state, None when there is no such job."""
        state: str | None = self.value("select state::text from jobs where id = %s", id)
        return state

    def count(self, state: str) -> int:
        """How many jobs are in this state."""
        return int(self.value("select count(*) from jobs where state = %s::job_state", state))

    def live(self) -> int:
        """How many jobs are not over."""
        return int(self.value("select count(*) from job"))

    def idle(self) -> bool:
        """Whether no job is ready or running; scheduled ones do not count."""
        return not self.value("select exists (select from job where state in ('ready', 'running'))")
