"""Workers on the test's own event loop."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest

from pgqueue import PgQueue
from pgqueue.worker import Worker, WorkerOptions
from tests.looking import Look

ENDS_WITHIN = 40.0  # seconds a worker has to end, its grace included


@pytest.fixture
def look(connect: Callable[..., psycopg.Connection[Any]]) -> Look:
    """A look at the database beside the worker."""
    return Look(connect())


@pytest.fixture
async def async_app(app: PgQueue) -> AsyncIterator[PgQueue]:
    """The app, for a test that enqueues from async code."""
    yield app
    await app.aclose()


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
