"""The measured systems: one module each, all behind the same small protocol, all made to do the same work."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from importlib import import_module
from typing import Protocol, cast

from benchmarks.errors import Unavailable
from benchmarks.options import Handler
from benchmarks.worker import Command

CONNECTIONS = ("psycopg", "psycopg-async", "sqlalchemy", "sqlalchemy-async", "asyncpg", "django", "enqueue_select")
"""pgqueue on an application's own connection: rows of the benchmark `enqueue`."""

SHAPES = ("chains-2", "chords-100", "chords-10000", "dags-10", "beside-workflows")
"""pgqueue with jobs that depend on each other: rows of the benchmark `workflows`."""

LIMITED = (
    "one-key",
    "keys-100",
    "keys-5000",
    "two-limits",
    "max-running",
    "fair-100",
    "behind-50000",
    "exact-1000",
    "exact-100",
)
"""pgqueue with limits: rows of the benchmarks `limits…`."""

INSIDE = ("batches-100", "batches-10", "schedules-and-pauses")
"""pgqueue with smaller claims, and in an install of which more is used: rows of the benchmark `server`."""

IN_REDIS = ("celery", "dramatiq", "rq", "arq", "saq")
"""Peers that keep their jobs in Redis, not in PostgreSQL."""

PEERS = ("pgqueuer", "graphile", "procrastinate", "chancy", "pgboss", *IN_REDIS)
"""Other systems."""

NAMES = ("pgqueue", *CONNECTIONS, *SHAPES, *LIMITED, *INSIDE, "bare", *PEERS)


class Producer(Protocol):
    """An open connection that enqueues; every job is one call of the no-op job with one number."""

    async def enqueue_many(self, count: int) -> None:
        """Enqueue by the system's own bulk call: one call, one commit."""

    async def enqueue(self, sent_at: float) -> float | None:
        """Enqueue one job by the system's own call for one; the job carries the time it was sent at.

        Returns the seconds of the call where another process made it and took its time; else None.
        """

    async def insert_row(self) -> None:
        """Insert the row of one job by a plain INSERT on such a connection: the floor for `enqueue`.

        Raises Unavailable for a system without SQL.
        """


class System(Protocol):
    """A job queue on PostgreSQL."""

    name: str
    history: bool
    """Whether finished jobs stay on record; without it a system writes less."""
    concurrency: int | None
    """Handlers at once in one process; None: as many as there are jobs claimed."""
    benchmarks: frozenset[str]
    """The benchmarks it can take part in."""
    enqueue_batch: int | None
    """Jobs in one call where bulk enqueueing is measured; None: as many as for the others."""
    most_jobs: int | None
    """Jobs that it is given at most, about twenty seconds of its pace; None: as many as the benchmark says."""
    unfinished_query: str
    """Counts the jobs that are not finished, in the language of its store (of Redis: commands, one a line, whose answers are
    added); run once after a measurement, to check what handlers counted."""

    def version(self) -> str:
        """The version under test; raises Unavailable where the system cannot run."""

    async def install(self, url: str) -> None:
        """Create the schema in an empty database."""

    def commands(self, url: str, processes: int, handler: Handler) -> Sequence[Command]:
        """What to start for so many worker processes."""

    def producer(self, url: str) -> AbstractAsyncContextManager[Producer]:
        """Connect a producer."""


class Calls(Protocol):
    """A connection that makes a worker's SQL calls by hand."""

    async def claim(self, count: int) -> None:
        """Take exactly so many jobs; raises if there are fewer."""

    async def finish(self) -> None:
        """Record the jobs of the last claim as succeeded."""


class CallableSystem(System, Protocol):
    """A system whose SQL calls can be made without a worker."""

    def calls(self, url: str) -> AbstractAsyncContextManager[Calls]:
        """Connect and register as a worker."""


class ShapedSystem(System, Protocol):
    """A system whose queue can be filled with jobs that depend on each other."""

    async def fill(self, url: str, jobs: int) -> int:
        """Enqueue about so many jobs of its shape; how many they are."""


def load(name: str) -> System:
    """The system of that name; its libraries are imported only now."""
    if name not in NAMES:
        raise Unavailable(f"unknown system {name!r}; known are {', '.join(NAMES)}")
    try:
        if name in CONNECTIONS:
            return cast(System, import_module("benchmarks.systems.connections").SYSTEMS[name])
        if name in IN_REDIS:
            return cast(System, import_module("benchmarks.systems.redis_peers").SYSTEMS[name])
        if name in SHAPES:
            return cast(System, import_module("benchmarks.systems.workflows").SYSTEMS[name])
        if name in LIMITED:
            return cast(System, import_module("benchmarks.systems.limits").SYSTEMS[name])
        if name in INSIDE:
            return cast(System, import_module("benchmarks.systems.inside").SYSTEMS[name])
        return cast(System, import_module(f"benchmarks.systems.{name}").SYSTEM)
    except ImportError as error:
        raise Unavailable(f"{name} cannot be imported: {error}") from error
