"""The peers that keep their jobs in Redis; each is a script in peers/, whose docstring says its settings and where they are from.

What is unfinished are the jobs that wait and those that a worker has taken and not yet acknowledged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.options import CONCURRENCY, Handler
from benchmarks.peers import Peer, environment
from benchmarks.redis_server import redis_version
from benchmarks.worker import Command

DRAMATIQ_PREFETCH = 1_000
"""Messages that a process fetches ahead, 16 by default: then it sleeps whenever these are under way."""


class _RedisPeer(Peer):
    def __init__(self, name: str, unfinished: Sequence[str], *, history: bool, concurrency: int | None, most_jobs: int) -> None:
        self.name = name
        self.unfinished_query = "\n".join(unfinished)
        self.history = history
        self.concurrency = concurrency
        self.most_jobs = most_jobs

    def version(self) -> str:
        """The version of its package; Unavailable without a Redis server, too."""
        redis_version()
        return super().version()


class _Forking(_RedisPeer):
    """One whose worker starts as many processes as it is told."""

    variables: Mapping[str, str] = {}

    def commands(self, url: str, processes: int, handler: Handler) -> Sequence[Command]:
        """One command for all of them."""
        return [Command([*self.script(), "work", url, str(processes)], {**environment(self.folder), **self.variables})]


class _Dramatiq(_Forking):
    variables: Mapping[str, str] = {"dramatiq_queue_prefetch": str(DRAMATIQ_PREFETCH)}


class _Celery(_Forking):
    folder = "celery"

    def version(self) -> str:
        """Unavailable without the redis-py that only it has, too."""
        environment(self.folder)
        return super().version()


SYSTEMS = {
    system.name: system
    for system in (
        _Celery("celery", ["LLEN celery", "HLEN unacked"], history=False, concurrency=1, most_jobs=40_000),
        _Dramatiq("dramatiq", ["HLEN dramatiq:default.msgs"], history=False, concurrency=8, most_jobs=150_000),
        _RedisPeer(
            "rq",
            ["LLEN rq:queue:default", "LLEN rq:queue:default:intermediate", "ZCARD rq:wip:default"],
            history=True,
            concurrency=1,
            most_jobs=20_000,
        ),
        _RedisPeer("arq", ["ZCARD arq:queue"], history=True, concurrency=CONCURRENCY, most_jobs=40_000),
        _RedisPeer("saq", ["ZCARD saq:default:incomplete"], history=True, concurrency=CONCURRENCY, most_jobs=40_000),
    )
}
