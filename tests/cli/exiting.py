"""The app of workers whose handlers end, or try to: `tests.cli.exiting:app`."""

import asyncio
import sys

from pgqueue import PgQueue

from ..worker.raised import throw

app = PgQueue()


async def _exit() -> None:
    sys.exit(3)


async def _interrupt() -> None:
    throw("KeyboardInterrupt")


@app.task(retry=0)
async def exit_in_child() -> None:
    await asyncio.create_task(_exit())


@app.task(retry=0)
async def interrupt_in_group() -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(_interrupt())
        await asyncio.sleep(60)


@app.task(retry=0)
async def exit_in_callback() -> None:
    asyncio.get_running_loop().call_soon(sys.exit, 3)
    await asyncio.sleep(0.01)
    raise ValueError


@app.task(retry=0)
async def cancel_all() -> None:
    for task in asyncio.all_tasks():
        task.cancel()
    await asyncio.sleep(60)


@app.task
async def fine() -> None: ...
