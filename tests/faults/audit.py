"""The audit table: every handler writes what it does into a schema of its own, and invariants are asserted from it."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, LiteralString

import psycopg
from psycopg import AsyncConnection

from pgqueue import JobContext
from tests.looking import Look

SCHEMA = """
create schema if not exists audit;
create unlogged table if not exists audit.run (
    run bigint generated always as identity, job_id bigint not null, token uuid not null, worker text not null,
    started_at timestamptz not null default clock_timestamp(), ended_at timestamptz);
"""
_START = "insert into audit.run (job_id, token, worker) values (%s, %s, %s) returning run"
_END = "update audit.run set ended_at = clock_timestamp() where run = %s"


class Audit:
    """What handlers write with; connects at first use, once per process."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._worker = f"{os.getpid()}"
        self._connection: AsyncConnection[Any] | None = None
        self._opening = asyncio.Lock()

    @asynccontextmanager
    async def run(self, ctx: JobContext) -> AsyncIterator[None]:
        """Note the start, and the end if the run comes to one."""
        async with self._opening:
            if self._connection is None or self._connection.closed:
                self._connection = await AsyncConnection.connect(
                    self._url, autocommit=True, options="-c synchronous_commit=off", application_name="audit"
                )
        cursor = await self._connection.execute(_START, (ctx.id, ctx.token, self._worker))
        row = await cursor.fetchone()
        assert row is not None
        yield
        await self._connection.execute(_END, row)

    async def close(self) -> None:
        """Close the connection, in a process that goes on."""
        if self._connection is not None:
            await self._connection.close()

    @contextmanager
    def run_blocking(self, ctx: JobContext) -> Iterator[None]:
        """The same for a handler that must not let go of the event loop, or runs in a thread."""
        with psycopg.connect(self._url, autocommit=True, application_name="audit") as connection:
            row = connection.execute(_START, (ctx.id, ctx.token, self._worker)).fetchone()
            yield
            connection.execute(_END, row)


class Findings:
    """What the audit table says."""

    def __init__(self, look: Look) -> None:
        self._look = look

    def runs(self) -> int:
        """How many runs began."""
        return int(self._look.value("select count(*) from audit.run"))

    def workers(self) -> int:
        """How many processes ran anything."""
        return int(self._look.value("select count(distinct worker) from audit.run"))

    def _ids(self, query: LiteralString) -> list[int]:
        return [row["job_id"] for row in self._look.rows(query)]

    def assert_all_done(self, ids: list[int]) -> None:
        """No acknowledged enqueue is lost: each job ended once, and the live table is empty."""
        ended = self._look.rows("select id from jobs where id = any (%s) and state in ('succeeded', 'failed')", ids)
        assert sorted(row["id"] for row in ended) == sorted(ids), "a job was lost or ended twice"
        assert self._look.live() == 0, "the live table is not empty"

    def assert_each_ran_once(self) -> None:
        """One start and one end of each job."""
        assert self._ids("select job_id from audit.run group by 1 having count(*) <> 1") == [], "jobs that ran twice"
        assert self._ids("select job_id from audit.run where ended_at is null") == [], "jobs that never ended"

    def assert_no_overlap(self) -> None:
        """At no moment two runs of one job; a run that never ended overlaps with nothing."""
        overlapping = self._ids(
            "select a.job_id from audit.run a join audit.run b on b.job_id = a.job_id and b.run > a.run "
            "where a.ended_at > b.started_at"
        )
        assert overlapping == [], "jobs that ran in two places at once"

    def assert_a_token_for_each_run(self) -> None:
        """A repeated run has a new fence."""
        assert self._ids("select job_id from audit.run group by job_id, token having count(*) > 1") == []
