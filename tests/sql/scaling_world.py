"""A pool in simulated time: jobs come, agents start and lose workers, and autoscale() sees that instead of the tables."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from .conftest import Sql
from .pool_steps import make_pool

STEP = 10  # seconds
START = datetime(2026, 1, 1, tzinfo=UTC)
SEEN = """
    create or replace function scaling_figures(its pool, rules jsonb, at timestamptz) returns jsonb
    language sql stable as $$ select current_setting('seen.figures')::jsonb $$;
    create function pg_temp.look(figures jsonb, at timestamptz) returns int language plpgsql as $$
    begin
        perform set_config('seen.figures', figures::text, true), autoscale('mail', 'agent', at);
        return (select wanted from pool);
    end $$
"""


@dataclass
class Worker:
    """A worker that runs jobs; before `ready_at` it is only on its way."""

    ready_at: int
    jobs: list[int] = field(default_factory=list)  # the seconds that each has left


@dataclass
class World:
    """A pool, its jobs and its workers; `wanted` has how many workers it wanted after each step."""

    sql: Sql
    concurrency: int = 10
    minimum: int = 1
    maximum: int = 50
    rules: dict[str, Any] = field(default_factory=dict)
    boot: int = 5  # seconds that a worker takes to start
    connections: int = 10_000
    now: int = 0
    waiting: list[tuple[int, int]] = field(default_factory=list)  # since when, and how many seconds it will take
    workers: list[Worker] = field(default_factory=list)
    leaving: list[Worker] = field(default_factory=list)
    wanted: list[int] = field(default_factory=list)
    seen: dict[str, Any] = field(default_factory=dict)  # the figures of the last look

    def __post_init__(self) -> None:
        self.sql.connection.execute(SEEN.encode())
        make_pool(
            self.sql, queues=["mail"], concurrency=self.concurrency, minimum=self.minimum, maximum=self.maximum,
            autoscale=True, rules=self.rules,
        )  # fmt: skip

    @property
    def count(self) -> int:
        """Workers that are wanted now."""
        return self.wanted[-1] if self.wanted else self.minimum

    def step(self, come: int = 0, seconds: int = STEP, agents_work: bool = True) -> None:
        """Ten seconds: jobs come, agents do what is wanted, workers work, an agent looks whether to scale."""
        self.now += STEP
        self.waiting += [(self.now, seconds)] * come
        if agents_work:
            self._supply()
        self._work()
        self.look()

    def look(self) -> None:
        """An agent calls autoscale()."""
        self.seen = self.figures()
        at = START + timedelta(seconds=self.now)
        self.wanted.append(self.sql.value("select pg_temp.look(%s, %s)", json.dumps(self.seen), at))

    def lose(self, number: int) -> None:
        """An agent dies with so many workers; their jobs are rescued."""
        for _ in range(min(number, len(self.workers))):
            self.waiting = [(self.now, left) for left in self.workers.pop().jobs] + self.waiting

    def figures(self) -> dict[str, Any]:
        """As scaling_figures() has them."""
        up = [worker for worker in self.workers if worker.ready_at <= self.now]
        running = sum(len(worker.jobs) for worker in up)
        slots = self.count * self.concurrency
        used = 5 * (len(self.workers) + len(self.leaving))
        return {
            "wanted": self.count,
            "workers": len(up),
            "running": running,
            "ready": len(self.waiting),
            "oldest": self.now - self.waiting[0][0] if self.waiting else None,
            "utilisation": round(running / slots, 2) if slots else float(running + len(self.waiting) > 0),
            "connections_left": max(self.connections - used, 0),
        }

    def _supply(self) -> None:
        while len(self.workers) < self.count:
            self.workers.append(Worker(self.now + self.boot))
        if len(self.workers) > self.count:
            self.workers.sort(key=lambda worker: -len(worker.jobs))  # idle ones go first
            self.leaving += self.workers[self.count :]
            del self.workers[self.count :]

    def _work(self) -> None:
        for worker in (*self.workers, *self.leaving):
            worker.jobs = [left - STEP for left in worker.jobs if left > STEP]
        self.leaving = [worker for worker in self.leaving if worker.jobs]
        for worker in self.workers:
            if worker.ready_at <= self.now:
                free = self.concurrency - len(worker.jobs)
                worker.jobs += [seconds for _, seconds in self.waiting[:free]]
                del self.waiting[:free]
