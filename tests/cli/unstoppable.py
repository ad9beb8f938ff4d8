"""The app of workers whose handlers and callbacks cannot be stopped: `tests.cli.unstoppable:app`."""

import asyncio
import time

from pgqueue import JobContext, JobEvent, PgQueue

from .handler_start import mark_started

app = PgQueue()


async def never_ends() -> None:
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            continue


@app.task
async def swallow(ctx: JobContext) -> None:
    mark_started(app, ctx)
    await never_ends()


@app.task
async def quick() -> None: ...


@app.task
def hold_thread(ctx: JobContext) -> None:
    mark_started(app, ctx)
    time.sleep(3600)


@app.on_success
async def callback(event: JobEvent) -> None:
    await never_ends()
