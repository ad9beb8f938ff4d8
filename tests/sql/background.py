"""Races made certain: a statement runs on another connection until it is seen waiting for a lock."""

import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from .conftest import Sql

PATIENCE = 20.0  # seconds until a test that waits for another backend gives up


class Background:
    """A statement that runs beside the test, on a connection of its own."""

    def __init__(self, sql: Sql, query: str, *params: Any) -> None:
        self._sql = sql
        self._pool = ThreadPoolExecutor(max_workers=1)
        self._future: Future[list[dict[str, Any]]] = self._pool.submit(sql.rows, query, *params)

    def is_blocked(self, watcher: Sql) -> bool:
        """Whether the statement waits for a lock: true once it is seen waiting, false once it has ended."""
        deadline = time.monotonic() + PATIENCE
        while not self._future.done():
            if watcher.value(
                "select coalesce(wait_event_type = 'Lock', false) from pg_stat_activity where pid = %s",
                self._sql.connection.info.backend_pid,
            ):
                return True
            if time.monotonic() > deadline:
                pytest.fail("the statement was never seen waiting")
        return False

    def wait_until_blocked(self, watcher: Sql) -> None:
        """Return once the statement waits for a lock; fail when it ended without waiting."""
        if not self.is_blocked(watcher):
            pytest.fail(f"the statement ended without waiting: {self._future.result()}")

    def rows(self) -> list[dict[str, Any]]:
        """What the statement returned, or the error it raised."""
        try:
            return self._future.result(PATIENCE)
        finally:
            self._pool.shutdown()

    def refusal(self) -> psycopg.Error:
        """The error with which the statement ended."""
        with pytest.raises(psycopg.Error) as caught:
            self.rows()
        return caught.value
