"""RQ for the benchmarks: `… install|work|produce URL`.

"Notes on Performance" (python-rq.org, docs/benchmark) keeps SimpleWorker, which does not fork for each job, for jobs that
take a few milliseconds: so here. Many jobs go through Queue.enqueue_many, in one pipeline. Results stay for 500 s, its default.
"""

from __future__ import annotations

import logging
import os
import sys
from functools import lru_cache

from redis import Redis
from rq import Queue, Retry, SimpleWorker

from benchmarks.recorder import JOURNAL_VARIABLE, Recorder
from benchmarks.systems.peers.answers import serve

NOOP = "benchmarks.systems.peers.rq.noop"


@lru_cache
def recorder() -> Recorder:
    """The worker imports this module a second time, by name: only that one counts."""
    return Recorder()


def noop(sent_at: float) -> None:
    """Count."""
    if recorder().keeps_journal:
        recorder().work_blocking(sent_at)
    else:
        recorder().note(sent_at)


def work(connection: Redis) -> None:
    """Run a worker until SIGTERM."""
    logging.getLogger("rq").setLevel(logging.WARNING)
    SimpleWorker(["default"], connection=connection).work(logging_level="WARNING")


def produce(connection: Redis) -> None:
    """Send."""
    queue = Queue(connection=connection)

    def many(count: int) -> None:
        queue.enqueue_many([Queue.prepare_data(NOOP, (0.0,)) for _ in range(count)])

    # A job whose worker has died comes back only if it may be retried ("Exceptions & Retries").
    retry = Retry(max=3) if os.environ.get(JOURNAL_VARIABLE) else None
    serve(many, lambda sent_at: queue.enqueue(NOOP, sent_at, retry=retry))


if __name__ == "__main__":
    verb, url = sys.argv[1:]
    redis = Redis.from_url(url)
    if verb == "work":
        work(redis)
    elif verb == "produce":
        produce(redis)
