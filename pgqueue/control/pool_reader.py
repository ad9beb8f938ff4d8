"""The part of `app.pools` that reads."""

import builtins
from datetime import timedelta
from typing import Any, TypeVar

from .._checks import Duration, check_duration, interval, invalid, is_whole
from ..client import Client
from ..database import Call
from ..database.calls import pool_reads as reads
from ..database.calls.pool_reads import PoolAgent, PoolEvent, PoolSample, PoolStatus, PoolWorker
from .pool_values import not_found, read_name, unknown_pool

T = TypeVar("T")
MOST_EVENTS = 10_000
HOUR = timedelta(hours=1)


class PoolReader:
    """Reads pools.

    Args:
        client: runs the calls on the install.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    def get(self, name: str) -> PoolStatus:
        """A pool with what it wants and what runs.

        Raises:
            PoolNotFound: there is no such pool; the message lists those that there are.
        """
        found = self._run(reads.pool(read_name(name)))
        return found[0] if found else _absent(name, self.list())

    async def aget(self, name: str) -> PoolStatus:
        """`get` for async code."""
        found = await self._arun(reads.pool(read_name(name)))
        return found[0] if found else _absent(name, await self.alist())

    def list(self) -> builtins.list[PoolStatus]:
        """Every pool, in the order of their names."""
        return self._run(reads.pools())

    async def alist(self) -> builtins.list[PoolStatus]:
        """`list` for async code."""
        return await self._arun(reads.pools())

    def workers(self, name: str) -> builtins.list[PoolWorker]:
        """The slots of a pool with their workers; none of a pool that is not there."""
        return self._run(reads.pool_workers(read_name(name)))

    async def aworkers(self, name: str) -> builtins.list[PoolWorker]:
        """`workers` for async code."""
        return await self._arun(reads.pool_workers(read_name(name)))

    def agents(self, name: str) -> builtins.list[PoolAgent]:
        """The agents of a pool."""
        return self._run(reads.pool_agents(read_name(name)))

    async def aagents(self, name: str) -> builtins.list[PoolAgent]:
        """`agents` for async code."""
        return await self._arun(reads.pool_agents(read_name(name)))

    def events(self, name: str, limit: int = 100) -> builtins.list[PoolEvent]:
        """What was decided about a pool and what happened to it, the newest first; also of one that is gone.

        Args:
            name: of the pool.
            limit: how many, 1 to 10,000.

        Raises:
            InvalidArgument: a value is invalid.
        """
        return self._run(_events(name, limit))

    async def aevents(self, name: str, limit: int = 100) -> builtins.list[PoolEvent]:
        """`events` for async code."""
        return await self._arun(_events(name, limit))

    def samples(self, name: str, last: Duration = HOUR) -> builtins.list[PoolSample]:
        """How many workers were wanted and ran, and how much waited, minute by minute.

        Args:
            name: of the pool.
            last: over which time up to now, as a timedelta or seconds; an hour by default.

        Raises:
            InvalidArgument: a value is invalid.
        """
        return self._run(_samples(name, last))

    async def asamples(self, name: str, last: Duration = HOUR) -> builtins.list[PoolSample]:
        """`samples` for async code."""
        return await self._arun(_samples(name, last))

    def _run(self, call: Call[T]) -> T:
        with not_found():
            return self._client.database.run(call)

    async def _arun(self, call: Call[T]) -> T:
        with not_found():
            return await self._client.async_database.run(call)


def _events(name: str, limit: int) -> Call[list[PoolEvent]]:
    if not is_whole(limit) or not 1 <= limit <= MOST_EVENTS:
        raise invalid("limit", limit, f"use 1 to {MOST_EVENTS:,}")
    return reads.pool_events(read_name(name), limit)


def _samples(name: str, last: Duration) -> Call[list[PoolSample]]:
    check_duration("last", last)
    return reads.pool_samples(read_name(name), str(interval(last)))


def _absent(name: str, there: list[PoolStatus]) -> Any:
    raise unknown_pool(name, [one.name for one in there])
