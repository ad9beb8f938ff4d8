"""pgqueue with limits: the same no-op jobs on the same worker, with keys of every kind.

Jobs are added by the SQL function, so that what is measured is the worker and the database, not a client.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

import psycopg

from benchmarks.options import PRELOAD_BATCH
from benchmarks.systems import Producer
from benchmarks.systems.pgqueue import PgQueueSystem
from benchmarks.systems.sql_worker import sql_worker

AMPLE = 1e6
"""Tokens a second of a limit far above the load."""

SET = "SELECT pgqueue.set_limit(%s, rate => %s, per => %s::interval, burst => %s, max_running => %s)"
ADD = (
    "SELECT pgqueue.enqueue_many('noop', (SELECT jsonb_agg('{\"sent_at\": 0.0}'::jsonb) FROM generate_series(1, %s)),"
    " limits => array_replace(%s::text[], '#', %s || k), fair => %s || k) FROM generate_series(1, %s) AS k"
)
FULL_BATCH = 500


@dataclass(frozen=True)
class Definition:
    """One limit."""

    name: str
    rate: float | None = AMPLE
    per: str | None = "1 s"
    burst: float | None = AMPLE
    max_running: int | None = None


@dataclass(frozen=True)
class Keys:
    """Which keys jobs have: of the limits, `#` stands for `each` and a number from 1 to `count`; or of fairness."""

    limits: tuple[str, ...] | None = None
    each: str = ""
    count: int = 1
    is_fair: bool = False


class LimitedProducer:
    """Enqueues by SQL, the jobs of one call over all keys."""

    def __init__(self, keys: Keys, connection: psycopg.AsyncConnection) -> None:
        self._keys, self._connection = keys, connection

    async def enqueue_many(self, count: int) -> None:
        """As many for each key."""
        keys = self._keys
        limits = None if keys.limits is None else list(keys.limits)
        fair = keys.each if keys.is_fair else None
        await self._connection.execute(ADD, (max(1, count // keys.count), limits, keys.each, fair, keys.count))

    async def enqueue(self, sent_at: float) -> None:
        """Not measured here."""
        raise NotImplementedError

    async def insert_row(self) -> None:
        """Not measured here."""
        raise NotImplementedError


class LimitedSystem(PgQueueSystem):
    """A queue full of jobs with these keys, perhaps behind others of keys that are saturated."""

    benchmarks = frozenset({"limits", "limits-processes"})
    unfinished_query = "SELECT count(*) FROM pgqueue.job WHERE limits IS NULL OR limits[1] NOT LIKE 'full%'"

    def __init__(self, name: str, keys: Keys | None, *limits: Definition, behind: tuple[Keys, int] | None = None) -> None:
        self.name = name
        self._limits = limits
        self._keys, self._behind = keys, behind

    async def install(self, url: str) -> None:
        """Migrate, and set the limits: once, for whatever waits is looked at again when one is set."""
        await super().install(url)
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
            for limit in self._limits:
                await connection.execute(SET, (limit.name, limit.rate, limit.per, limit.burst, limit.max_running))

    def producer(self, url: str) -> AbstractAsyncContextManager[Producer]:
        """A connection that enqueues jobs with these keys; plain ones for a row that measures those."""
        return super().producer(url) if self._keys is None else _limited(url, self._keys)

    async def fill(self, url: str, jobs: int) -> int:
        """First those of saturated keys, until none of them may start, then the others."""
        if self._behind is not None:
            keys, waiting = self._behind
            async with _limited(url, keys) as producer:
                for start in range(0, waiting, at_once := max(PRELOAD_BATCH, keys.count)):
                    await producer.enqueue_many(min(at_once, waiting - start))
            await _start_what_may(url)
        count = 1 if self._keys is None else self._keys.count
        async with self.producer(url) as producer:
            for start in range(0, jobs, PRELOAD_BATCH):
                await producer.enqueue_many(min(PRELOAD_BATCH, jobs - start))
        return sum(max(1, min(PRELOAD_BATCH, jobs - start) // count) * count for start in range(0, jobs, PRELOAD_BATCH))


class RefillableSystem(LimitedSystem):
    """Its queue is refilled while a snapshot is held, too; and its claims and finishes are measured inside the server."""

    benchmarks = LimitedSystem.benchmarks | {"limits-pinned", "server"}


class ExactSystem(LimitedSystem):
    """One key whose rate is far below the load."""

    benchmarks = frozenset({"limits"})

    def __init__(self, rate: float, burst: float) -> None:
        super().__init__(f"exact-{rate:.0f}", Keys(("api",)), Definition("api", rate, burst=burst))
        self.rate, self.burst = rate, burst


@asynccontextmanager
async def _limited(url: str, keys: Keys) -> AsyncIterator[Producer]:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        yield LimitedProducer(keys, connection)


async def _start_what_may(url: str) -> None:
    """Claim and finish until there is nothing more to claim."""
    async with sql_worker(url) as worker:
        while True:
            token, rows = await worker.fetch(FULL_BATCH)
            if not rows:
                return
            await worker.succeed(token, [row[0] for row in rows])


FULL = Definition("full", 1, "1 hour", 1)
AMPLE_KEY = Definition("key")

SYSTEMS: dict[str, LimitedSystem] = {
    system.name: system
    for system in (
        RefillableSystem("one-key", Keys(("key",)), AMPLE_KEY),
        LimitedSystem("keys-100", Keys(("#",), "key:", 100), AMPLE_KEY),
        LimitedSystem("keys-5000", Keys(("#",), "key:", 100), AMPLE_KEY, FULL, behind=(Keys(("#",), "full:", 4_900), 14_700)),
        LimitedSystem("two-limits", Keys(("common", "#"), "key:", 100), AMPLE_KEY, Definition("common")),
        LimitedSystem("max-running", Keys(("key",)), Definition("key", None, None, None, 1_000_000)),
        LimitedSystem("fair-100", Keys(None, "tenant:", 100, is_fair=True)),
        LimitedSystem("behind-50000", None, FULL, behind=(Keys(("full",)), 50_000)),
        ExactSystem(1_000, 100),
        ExactSystem(100, 10),
    )
}
