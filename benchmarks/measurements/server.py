"""Inside the server: the processor time that claim, finish and commit take of a backend, beside the bare statements.

No client works meanwhile: a backend drains batch after batch in a procedure (server.sql), and reads its own counter of processor
time, so that it matters little what else the machine does. pgqueue's functions and the bare statements drain in turns, each a
queue of its own in the same tables.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from uuid import UUID, uuid4

import psycopg

from benchmarks.errors import BenchmarkError
from benchmarks.figures import Figures
from benchmarks.options import PRELOAD_BATCH, SERVER_BATCH
from benchmarks.run import Run
from benchmarks.systems import ShapedSystem
from benchmarks.systems.sql_worker import QUEUES, REGISTER

JOBS = 40_000
"""Of each of the two; half as many before them are not measured."""

MOST_BATCHES = 500

TURN_JOBS = 2_000
STEPS = ("claim", "commit", "build", "read", "finish", "commit")
"""As server.sql marks them. To build is the client's work, and not counted."""

PLAIN_STEPS = ("claim", "finish", "server")
"""Of which there is a ratio to the bare statements."""

COUNTED = ("claim", "read", "finish", "commit")

PLANS = (
    "-c search_path=benchmark,pgqueue -c enable_seqscan=off -c enable_bitmapscan=off -c enable_hashjoin=off"
    " -c enable_mergejoin=off -c plan_cache_mode=force_generic_plan -c jit=off"
)
"""The settings that claim and finish have: the bare statements are not to be had by a worse plan."""

FILL_BARE = (
    "SELECT pgqueue.enqueue_many('noop', (SELECT jsonb_agg('{\"sent_at\": 0.0}'::jsonb) FROM generate_series(1, %s)), 'bare')"
)
TAKES_ARRAYS = "SELECT EXISTS (SELECT FROM pg_proc WHERE proname = 'finish' AND 'elapseds' = ANY (proargnames))"
MAY_READ = "SELECT pg_read_file('/proc/self/schedstat', 0, 1000, true) IS NOT NULL"
VACUUM = "VACUUM (INDEX_CLEANUP ON) pgqueue.job"
"""Before each turn: else all claims walk what ended before. What that costs `pinned` says."""

DRAIN = "CALL drain(%(worker)s, %(batch)s, %(batches)s, %(plain)s)"
DRAIN_BARE = "CALL drain_bare(%(worker)s, %(batch)s, %(batches)s)"


@dataclass
class Costs:
    """What was used for so many jobs: nanoseconds and bytes of WAL, by step."""

    jobs: int = 0
    nanoseconds: dict[str, int] = field(default_factory=dict)
    wal: int = 0

    def add(self, jobs: int, nanoseconds: list[int], wal: list[int]) -> None:
        """Those of one turn."""
        self.jobs += jobs
        self.wal += sum(wal)
        for step, value in zip(STEPS, nanoseconds, strict=True):
            self.nanoseconds[step] = self.nanoseconds.get(step, 0) + value

    def __add__(self, other: Costs) -> Costs:
        """Those of both."""
        summed = Costs()
        for costs in (self, other):
            summed.jobs += costs.jobs
            summed.wal += costs.wal
            for step, value in costs.nanoseconds.items():
                summed.nanoseconds[step] = summed.nanoseconds.get(step, 0) + value
        return summed

    def each(self, step: str) -> float:
        """Microseconds for each job."""
        return self.nanoseconds[step] / 1000 / self.jobs


async def measure(run: Run) -> Figures:
    """Fill both queues, drain a part of each, then measure them in turns of a few batches."""
    system = cast(ShapedSystem, run.system)
    batch = getattr(system, "batch", None) or run.options.batch or SERVER_BATCH
    batches = max(1, min(TURN_JOBS, run.options.jobs or TURN_JOBS) // batch)
    turns = max(1, (run.options.jobs or min(JOBS, MOST_BATCHES * batch)) // (batch * batches))
    warm_up = (turns + 1) // 2
    jobs = (warm_up + turns) * batch * batches
    async with run.database() as database:
        url = run.server.url(database)
        run.steps.phase("filling", 1)
        filled = await system.fill(url, jobs)
        with backend(url) as it:
            it.fill_bare(filled)
            run.server.settle(database)
            run.steps.phase("draining", warm_up + turns)
            ours, bare = Costs(), Costs()
            for number in range(warm_up + turns):
                costs = it.turn(batch, batches)
                run.steps.reach(number)
                if number >= warm_up:
                    ours, bare = ours + costs[0], bare + costs[1]
    return figures(ours, bare)


def figures(ours: Costs, bare: Costs) -> Figures:
    """Microseconds and bytes of WAL for each job, and how many times those of the bare statements they are."""
    found: Figures = {"jobs": ours.jobs}
    for prefix, costs in (("", ours), ("bare_", bare)):
        found |= {f"{prefix}{step}_us": costs.each(step) for step in dict.fromkeys(STEPS)}
        found[f"{prefix}server_us"] = sum(costs.each(step) for step in COUNTED)
        found[f"{prefix}wal_bytes_per_job"] = costs.wal / costs.jobs
    ratios = {f"{step}_to_bare": found[f"{step}_us"] / found[f"bare_{step}_us"] for step in PLAIN_STEPS}
    return {**found, **ratios}


class Backend:
    """A connection whose server process does all the work."""

    def __init__(self, connection: psycopg.Connection, worker: UUID, plain: bool) -> None:
        self._connection, self._worker, self._plain = connection, worker, plain

    def fill_bare(self, jobs: int) -> None:
        """Plain jobs for the bare statements."""
        for start in range(0, jobs, PRELOAD_BATCH):
            self._connection.execute(FILL_BARE, (min(PRELOAD_BATCH, jobs - start),))

    def turn(self, batch: int, batches: int) -> tuple[Costs, Costs]:
        """So many batches of both; what they cost."""
        parameters = {"worker": self._worker, "batch": batch, "batches": batches, "plain": self._plain}
        return self._drained(DRAIN, parameters), self._drained(DRAIN_BARE, parameters)

    def _drained(self, call: str, parameters: dict[str, Any]) -> Costs:
        self._connection.execute(VACUUM)
        row = self._connection.execute(call.encode(), parameters).fetchone()
        assert row is not None
        costs = Costs()
        costs.add(*row)
        return costs


@contextmanager
def backend(url: str) -> Iterator[Backend]:
    """Connect, register as a worker and make the procedures; for a superuser of a server on Linux."""
    with psycopg.connect(url, autocommit=True, options=PLANS) as connection:
        try:
            connection.execute(MAY_READ)
        except psycopg.Error as error:
            raise BenchmarkError(f"the server's processor time cannot be read (a superuser can, on Linux): {error}") from error
        connection.execute("CREATE SCHEMA benchmark")
        connection.execute(Path(__file__).with_name("server.sql").read_bytes())
        worker = uuid4()
        connection.execute(REGISTER, (worker, os.getpid(), QUEUES))
        row = connection.execute(TAKES_ARRAYS).fetchone()
        yield Backend(connection, worker, row is not None and row[0])
