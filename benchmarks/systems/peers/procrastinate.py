"""Procrastinate's side: `python -m benchmarks.systems.peers.procrastinate install|work|produce URL`.

Its guide to running several jobs at once (docs, howto/production/concurrency) has async tasks with --concurrency=30, as here, and
one process more for each core. LISTEN is on, its default. The pool has room for as many connections as jobs.
"""

from __future__ import annotations

import logging
import sys

import uvloop
from procrastinate import App, PsycopgConnector

from benchmarks.recorder import Recorder
from benchmarks.systems.peers.answers import serve_async

CONCURRENCY = 30


def application(url: str) -> App:
    """The app with its one task."""
    app = App(connector=PsycopgConnector(conninfo=url, min_size=4, max_size=CONCURRENCY))
    recorder = Recorder()

    @app.task(name="noop", queue="default")
    async def noop(sent_at: float) -> None:
        if recorder.keeps_journal:
            await recorder.work(sent_at)
        else:
            recorder.note(sent_at)

    if recorder.keeps_journal:
        retry_stalled(app)
    return app


def retry_stalled(app: App) -> None:
    """What its guide "Retry stalled jobs" advises, to bring back the jobs of a dead worker: there every ten minutes."""

    @app.periodic(cron="* * * * *")
    @app.task(queueing_lock="retry_stalled_jobs")
    async def retry_stalled_jobs(timestamp: int) -> None:
        for job in await app.job_manager.get_stalled_jobs():
            await app.job_manager.retry_job(job)


async def install(app: App) -> None:
    """Create the schema."""
    await app.schema_manager.apply_schema_async()


async def work(app: App) -> None:
    """Run a worker until SIGTERM."""
    await app.run_worker_async(concurrency=CONCURRENCY)


async def produce(app: App) -> None:
    """Enqueue what stdin asks for."""
    task = app.tasks["noop"]

    async def many(count: int) -> None:
        await task.batch_defer_async(*[{"sent_at": 0.0}] * count)

    async def one(sent_at: float) -> None:
        await task.defer_async(sent_at=sent_at)

    await serve_async(many, one)


async def main(verb: str, url: str) -> None:
    """Run one sub-command."""
    logging.basicConfig(level=logging.WARNING)
    app = application(url)
    async with app.open_async():
        await {"install": install, "work": work, "produce": produce}[verb](app)


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
