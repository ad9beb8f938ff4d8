"""Workers on the test's own event loop."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest

from pgqueue import JobContext, PgQueue, Task
from pgqueue.worker import Worker, WorkerOptions
from tests.looking import Look
from tests.worker import process_jobs
from tests.worker.blocks import INSERT, Register
from tests.worker.processes import InProcess
from tests.worker.slots_harness import SlotsHarness

ENDS_WITHIN = 40.0  # seconds a worker has to end, its grace included


@pytest.fixture
def look(connect: Callable[..., psycopg.Connection[Any]]) -> Look:
    """A look at the database beside the worker."""
    return Look(connect())


@pytest.fixture
async def harness() -> AsyncIterator[SlotsHarness]:
    """Slots without a database; its handlers end with the test."""
    harness = SlotsHarness()
    yield harness
    harness.gate.set()
    await harness.slots.close()


@pytest.fixture
async def async_app(app: PgQueue) -> AsyncIterator[PgQueue]:
    """The app, for a test that enqueues from async code."""
    yield app
    await app.aclose()


@pytest.fixture
async def patient_app(database_url: str) -> AsyncIterator[PgQueue]:
    """An app for handlers that keep the processor busy: on a slow machine a short lease would be lost, and the job run twice."""
    app = PgQueue(database_url, lease=60)
    yield app
    await app.aclose()


@pytest.fixture
def written(look: Look) -> None:
    """A table of the application."""
    look.rows("create table public.written (job_id bigint)")


@pytest.fixture(params=["async", "thread"])
def handler(request: pytest.FixtureRequest, written: None) -> Register:
    """Makes a task of steps that run inside of a block; `after` runs behind it, and its value is what the handler returns."""

    def register(app: PgQueue, inside: Callable[..., Any], after: Callable[..., Any] = lambda ctx: None, **options: Any) -> Any:
        async def in_loop(ctx: JobContext) -> Any:
            async with ctx.transaction() as tx:
                await tx.connection.execute(INSERT, (ctx.id,))
                await asyncio.to_thread(inside, ctx, tx)
            return after(ctx)

        def in_thread(ctx: JobContext) -> Any:
            with ctx.transaction() as tx:
                tx.connection.execute(INSERT, (ctx.id,))
                inside(ctx, tx)
            return after(ctx)

        return app.task(**{"name": "handler", "retry": 0, **options})(in_loop if request.param == "async" else in_thread)

    return register


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> InProcess:
    """Makes a handler of `process_jobs` a task of the test's app; a process finds that of the app there under its name."""

    def declare(app: PgQueue, task: Task[..., Any], **options: Any) -> Task[..., Any]:
        declared: Task[..., Any] = app.task(**{"executor": "process", **options})(task.function)
        monkeypatch.setattr(process_jobs, task.name, declared)
        return declared

    return declare


def new_worker(app: PgQueue, **options: Any) -> Worker:
    """A worker that leaves the signals of the test run alone."""
    return Worker(app, WorkerOptions(**{"handle_signals": False, "grace": 5.0, **options}))


async def burst(app: PgQueue, **options: Any) -> Worker:
    """Run a worker until nothing is left."""
    worker = new_worker(app, burst=True, **options)
    async with asyncio.timeout(ENDS_WITHIN):
        await worker.run()
    return worker


@asynccontextmanager
async def working(app: PgQueue, **options: Any) -> AsyncIterator[Worker]:
    """A worker beside the test; it is stopped at the end, and its error, if any, is raised."""
    worker = new_worker(app, **options)
    run = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        worker.stop()
        async with asyncio.timeout(ENDS_WITHIN):
            await run
