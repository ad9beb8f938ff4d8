"""The app of workers whose handlers and callbacks cannot be stopped: `tests.cli.stubborn:app`."""

import asyncio
import time

from pgqueue import JobContext, JobEvent, PgQueue

from .begun import begin

app = PgQueue()


async def never_ends() -> None:
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            continue


@app.task
async def swallow(ctx: JobContext) -> None:
    begin(app, ctx)
    await never_ends()


@app.task
async def quick() -> None: ...


@app.task
def hold_thread(ctx: JobContext) -> None:
    begin(app, ctx)
    time.sleep(3600)


@app.on_success
async def callback(event: JobEvent) -> None:
    await never_ends()
