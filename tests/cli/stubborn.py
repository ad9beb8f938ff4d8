"""The app of workers whose handlers and callbacks cannot be stopped: `tests.cli.stubborn:app`."""

import asyncio
import time

from pgqueue import JobEvent, PgQueue

app = PgQueue()


async def never_ends() -> None:
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            continue


@app.task
async def swallow() -> None:
    await never_ends()


@app.task
async def quick() -> None: ...


@app.task
def hold_thread() -> None:
    time.sleep(3600)


@app.on_success
async def callback(event: JobEvent) -> None:
    await never_ends()
