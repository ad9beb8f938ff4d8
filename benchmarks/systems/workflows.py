"""pgqueue with jobs that depend on each other: the same no-op jobs on the same worker, in workflows of several shapes.

Workflows are added by the SQL function, so that what is measured is the worker and the database, not a client.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import psycopg

from benchmarks.options import PRELOAD_BATCH
from benchmarks.systems.pgqueue import PgQueueSystem

Node = dict[str, Any]

ENQUEUE = "SELECT pgqueue.enqueue_workflow(%s::jsonb) FROM generate_series(1, %s)"
ELSEWHERE = "elsewhere"
"""A queue that no worker serves."""

LARGE_WORKFLOWS = 10


def node(*after: int, queue: str = "default") -> Node:
    """The no-op job, waiting for the nodes at these places."""
    return {"task": "noop", "args": {"sent_at": 0.0}, "queue": queue, "after": list(after)}


def chain(length: int) -> list[Node]:
    """One after the other."""
    return [node(*([place] if place else [])) for place in range(length)]


def chord(parents: int, queue: str = "default") -> list[Node]:
    """Many at once, then one that waits for all of them."""
    return [*(node(queue=queue) for _ in range(parents)), node(*range(1, parents + 1), queue=queue)]


def fan_out(children: int) -> list[Node]:
    """One, then many that wait for it."""
    return [node(), *(node(1) for _ in range(children))]


DAG = [node(), node(1), node(1), node(1), node(2, 3), node(3, 4), node(2, 4), node(5, 6), node(6, 7), node(8, 9)]
"""Ten nodes on five levels."""


async def add(url: str, nodes: Sequence[Node], times: int = 1) -> None:
    """Add a workflow so many times, several in one transaction where they are small."""
    at_once = max(1, PRELOAD_BATCH // len(nodes))
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        for start in range(0, times, at_once):
            await connection.execute(ENQUEUE, (json.dumps(nodes), min(at_once, times - start)))


class Shaped(PgQueueSystem):
    """A queue full of workflows of one shape."""

    benchmarks = frozenset({"workflows"})

    def __init__(self, name: str, nodes: Sequence[Node]) -> None:
        self.name = name
        self._nodes = nodes

    async def fill(self, url: str, jobs: int) -> int:
        """As many whole workflows as fit, one at least."""
        times = max(1, jobs // len(self._nodes))
        await add(url, self._nodes, times)
        return times * len(self._nodes)


class ShapedInside(Shaped):
    """Its claims and finishes are measured inside the server, too."""

    benchmarks = Shaped.benchmarks | {"server"}


class Beside(PgQueueSystem):
    """Plain jobs in a database where large workflows wait."""

    name = "beside-workflows"
    benchmarks = frozenset({"workflows"})
    unfinished_query = "SELECT count(*) FROM pgqueue.job WHERE queue = 'default'"

    async def fill(self, url: str, jobs: int) -> int:
        """Workflows in a queue of their own, then the plain jobs."""
        await add(url, chord(10_000, queue=ELSEWHERE), LARGE_WORKFLOWS)
        return await super().fill(url, jobs)


SYSTEMS: dict[str, PgQueueSystem] = {
    system.name: system
    for system in (
        ShapedInside("chains-2", chain(2)),
        Shaped("chords-100", chord(100)),
        Shaped("chords-10000", chord(10_000)),
        Shaped("dags-10", DAG),
        Beside(),
    )
}
