"""The app that the workers under test run: `tests.cli.jobs:app`."""

import asyncio
import os
import signal
import subprocess
import time
from pathlib import Path

from pgqueue import JobContext, PgQueue

from .handler_start import mark_started

app = PgQueue()
no_tasks = PgQueue()
no_app = "something else"


@app.task
async def pid() -> int:
    return os.getpid()


@app.task
async def sleep(ctx: JobContext, seconds: float) -> str:
    mark_started(app, ctx)
    await asyncio.sleep(seconds)
    return "slept"


@app.task
def wait_for_file(ctx: JobContext, path: str) -> None:
    mark_started(app, ctx)
    while not Path(path).exists():
        time.sleep(0.02)


@app.task
def hold_thread(ctx: JobContext, seconds: float) -> None:
    mark_started(app, ctx)
    time.sleep(seconds)


@app.task
async def die() -> None:
    os._exit(3)


@app.task(queue="mail")
async def mail() -> str:
    return "sent"


@app.task
async def block_loop(ctx: JobContext) -> None:
    mark_started(app, ctx)
    time.sleep(60)  # noqa: ASYNC251 - what must not be done


@app.task
def leave_orphan() -> None:
    subprocess.run(["sh", "-c", "sleep 0.7 &"], check=True)


@app.task(retry=10)
async def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
