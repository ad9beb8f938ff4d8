"""pgqueue's SQL functions called by hand, without its worker: for the bare loop, and to time single calls."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import psycopg

from benchmarks.errors import BenchmarkError

REGISTER = "SELECT pgqueue.register_worker(%s, 'benchmark', 'localhost', %s, 'none', %s, 500, interval '1 hour')"
CLAIM = "SELECT * FROM pgqueue.claim(%s, %s, %s, %s, resume_at => %s)"
FINISH = "SELECT * FROM pgqueue.finish(ids => %s::bigint[], tokens => %s::uuid[], elapseds => null)"
QUEUES = ["default"]


class SqlWorker:
    """One connection and one row in the worker table."""

    def __init__(self, connection: psycopg.AsyncConnection, worker: UUID) -> None:
        self._cursor = connection.cursor(binary=True)
        self._worker = worker
        self._claimed: list[int] = []
        self._token = uuid4()

    async def fetch(self, count: int, resume_at: str | None = None) -> tuple[UUID, list[tuple[Any, ...]]]:
        """Claim up to so many jobs, in full or from a cursor on; the token and the rows."""
        token = uuid4()
        await self._cursor.execute(CLAIM, (self._worker, token, QUEUES, count, resume_at))
        rows = await self._cursor.fetchall()
        if rows and rows[-1][0] is None:  # it says only when jobs with limits are to be looked at again
            rows.pop()
        return token, rows

    async def succeed(self, token: UUID, ids: list[int]) -> None:
        """Record jobs of one claim as succeeded."""
        tokens = ",".join([str(token)] * len(ids))
        await self._cursor.execute(FINISH, (f"{{{str(ids)[1:-1]}}}", f"{{{tokens}}}"))
        if await self._cursor.fetchall():
            raise BenchmarkError("an outcome was refused")

    async def claim(self, count: int) -> None:
        """Take exactly so many jobs."""
        self._token, rows = await self.fetch(count)
        if len(rows) != count:
            raise BenchmarkError(f"claimed {len(rows)} of {count} jobs")
        self._claimed = [row[0] for row in rows]

    async def finish(self) -> None:
        """Record the jobs of the last claim as succeeded."""
        await self.succeed(self._token, self._claimed)


@asynccontextmanager
async def sql_worker(url: str, options: str = "") -> AsyncIterator[SqlWorker]:
    """Connect, with these options of the session, and register."""
    worker = uuid4()
    async with await psycopg.AsyncConnection.connect(url, autocommit=True, options=options) as connection:
        await connection.execute(REGISTER, (worker, os.getpid(), QUEUES))
        yield SqlWorker(connection, worker)
