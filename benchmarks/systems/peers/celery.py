"""Celery for the benchmarks: `… install|work|produce URL [PROCESSES]`.

For many short tasks its guide "Optimizing" (docs.celeryq.dev, userguide/optimizing) advises a large prefetch multiplier,
64 or 128; "Tasks" (userguide/tasks, "Tips and Best Practices") to ignore results that nobody reads, and "Configuration"
(worker_disable_rate_limits) to turn rate limits off where none are used. The pool of processes is its default; its guide
"Concurrency" keeps the others for handlers that wait. A pool of threads takes a sixth less CPU for a job, but of one core.
"""

from __future__ import annotations

import os
import sys

from celery import Celery

from benchmarks.recorder import JOURNAL_VARIABLE, Recorder
from benchmarks.systems.peers.answers import serve

PREFETCH = 128

app = Celery("benchmark")
app.conf.update(
    task_ignore_result=True,
    worker_prefetch_multiplier=PREFETCH,
    worker_disable_rate_limits=True,
    worker_hijack_root_logger=False,
)


if os.environ.get(JOURNAL_VARIABLE):  # "Tasks" and the FAQ: whoever must not lose a task with its worker acknowledges late
    app.conf.update(task_acks_late=True, task_reject_on_worker_lost=True, worker_prefetch_multiplier=1)


@app.task(name="noop")
def noop(sent_at: float) -> None:
    """Count."""
    if RECORDER.keeps_journal:
        RECORDER.work_blocking(sent_at)
    else:
        RECORDER.note(sent_at)


def work(processes: int) -> None:
    """Run a worker whose pool has so many processes, until SIGTERM."""
    app.worker_main(["worker", "--pool", "prefork", "--concurrency", str(processes), "--loglevel", "WARNING"])


def produce() -> None:
    """Send; Celery has no bulk call, so that many are as many calls on one connection."""
    with app.connection_for_write() as connection, app.amqp.Producer(connection) as producer:

        def one(sent_at: float) -> None:
            noop.apply_async((sent_at,), producer=producer)

        def many(count: int) -> None:
            for _ in range(count):
                one(0.0)

        serve(many, one)


if __name__ == "__main__":
    verb, url, *rest = sys.argv[1:]
    app.conf.broker_url = url.replace("unix://", "redis+socket://")
    if verb == "work":
        RECORDER = Recorder()
        work(int(rest[0]) if rest else 1)
    elif verb == "produce":
        produce()
