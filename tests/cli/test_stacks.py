"""pgqueue stacks: what a worker does just now."""

import asyncio
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from pgqueue import PgQueue
from pgqueue.worker import Worker, WorkerOptions

from ..client.manual_worker import ManualWorker
from ..looking import Look
from ..waiting import until
from .conftest import Run


@contextmanager
def worker_beside(app: PgQueue, look: Look, name: str) -> Iterator[None]:
    """A worker in a thread that hears notifications."""
    worker = Worker(app, WorkerOptions(handle_signals=False, name=name, grace=5))
    thread = threading.Thread(target=lambda: asyncio.run(worker.run()))
    thread.start()
    try:
        until(lambda: look.value("select count(*) from worker where wake_mode = 'notify'"), "a worker that listens")
        yield
    finally:
        worker.stop()  # its heartbeats wake the loop, which sees it
        thread.join(30)


def test_a_job_or_a_worker_names_whose_stacks_are_shown(app: PgQueue, run: Run, look: Look) -> None:
    may_end, began = threading.Event(), threading.Event()

    @app.task
    def hang() -> None:
        began.set()
        may_end.wait(60)

    job = hang.enqueue()
    with worker_beside(app, look, "mail@web-1"):
        assert began.wait(30)
        for which in (job.id, "mail@web-1", look.value("select id from worker")):
            ran = run("stacks", which)
            assert ran.code == 0
            assert f", job {job.id}\n" in ran.out
            assert "may_end.wait(60)" in ran.out
        (row,) = run("stacks", job.id, "--json").lines
        assert row["stacks"]["threads"][0]["jobs"] == [str(job.id)]
        may_end.set()


def test_who_is_not_there_cannot_be_asked(run: Run, app: PgQueue) -> None:
    job = app.task(name="noop")(lambda: None).enqueue()
    for which in (job.id, "nobody", uuid.uuid4()):
        ran = run("stacks", which)
        assert (ran.code, ran.err.count("\n")) == (3, 1)


def test_a_name_that_two_workers_have_is_refused_and_a_silent_worker_is_told_of(
    run: Run, look: Look, connect: Callable[..., psycopg.Connection[Any]]
) -> None:
    ManualWorker(connect())
    silent = run("stacks", "manual worker", "--wait", "0")
    assert (silent.code, "has not answered within 0 s" in silent.err) == (1, True)
    ManualWorker(connect())
    twice = run("stacks", "manual worker")
    assert (twice.code, "2 workers have the name" in twice.err) == (2, True)
