"""What tests of handlers in processes share; see the fixture `in_process`."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import psutil

from pgqueue import Task
from pgqueue.worker.in_process import Setup
from pgqueue.worker.process import Processes
from tests.worker.jobs import job, said

InProcess = Callable[..., Task[..., Any]]


@asynccontextmanager
async def processes(size: int = 1) -> AsyncIterator[Processes]:
    """Processes without a worker."""
    pool = Processes(size, Setup("postgresql://of/worker", "of_worker", None))
    yield pool
    async with asyncio.timeout(20):
        await pool.close()


async def run_in(pool: Processes, task: Task[..., Any], **args: Any) -> dict[str, Any]:
    """Run a handler; its outcome."""
    async with asyncio.timeout(30):
        return said(await pool.run(job(**args), task.function))


def handler_processes() -> set[int]:
    """The processes for handlers that are there."""
    return {child.pid for child in psutil.Process().children() if is_handler_process(child)}


def is_handler_process(child: psutil.Process) -> bool:
    """Whether it is one for handlers."""
    try:
        return "spawn_main" in " ".join(child.cmdline())
    except psutil.Error:  # it has just ended
        return False


def runs(pid: int) -> bool:
    """Whether a program runs; nobody may be there to reap one whose parent is gone."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
