"""The tasks of the worker processes that tests start, kill and stop."""

import asyncio
import os
import threading
import time

from pgqueue import JobContext, PgQueue, Retry

from .audit import Audit

app = PgQueue()
audit = Audit(os.environ.get("AUDIT_URL") or app.url)
AT_ONCE = Retry(3, backoff="fixed", delay=0)


@app.task
async def noop(ctx: JobContext) -> None:
    """As short as a job can be."""
    async with audit.run(ctx):
        pass


@app.task
async def bare() -> None:
    """Not even an audit."""


@app.task
async def serve(tenant: str) -> None:
    """A tenant's job; who was served when stands in the history."""


@app.task(retry=AT_ONCE)
async def slow(ctx: JobContext, seconds: float) -> str:
    """Waits without blocking anybody."""
    async with audit.run(ctx):
        await asyncio.sleep(seconds)
    return f"{os.getpid()}"


@app.task
async def block(ctx: JobContext, seconds: float) -> None:
    """Blocks the event loop."""
    with audit.run_blocking(ctx):
        time.sleep(seconds)  # noqa: ASYNC251


@app.task
def in_thread(ctx: JobContext, seconds: float) -> None:
    """Waits in a thread."""
    with audit.run_blocking(ctx):
        threading.Event().wait(seconds)


@app.task(retry=AT_ONCE)
async def poison(ctx: JobContext) -> None:
    """Takes its worker with it."""
    async with audit.run(ctx):
        os._exit(9)


@app.task(retry=Retry(1, backoff="fixed", delay=2, jitter=False))
async def fail_once(ctx: JobContext) -> None:
    """Fails at its first attempt and waits for the second."""
    async with audit.run(ctx):
        if ctx.attempt == 1:
            raise ValueError("once")


@app.task(retry=Retry(100, backoff="fixed", delay=0, jitter=False))
async def brief(ctx: JobContext, seconds: float) -> None:
    """Takes a moment; dies with its worker as often as you like."""
    async with audit.run(ctx):
        await asyncio.sleep(seconds)
