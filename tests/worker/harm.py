"""What can happen to the loops of a worker."""

import asyncio
from collections.abc import Callable
from typing import Any

from pgqueue.worker.worker import Worker

Harm = Callable[["asyncio.Task[None]"], object]


def cancel(task: "asyncio.Task[None]") -> None:
    """Somebody cancels all tasks of the event loop."""
    task.cancel()


def let_raise(task: "asyncio.Task[None]") -> None:
    """Let the await where the task sits raise: a fault of ours."""
    waiter: Any = task._fut_waiter  # type: ignore[attr-defined]
    if waiter is not None and not waiter.done():
        waiter.set_exception(RuntimeError("harm"))


def tasks_of(worker: Worker) -> dict[str, "asyncio.Task[None]"]:
    """The task of each loop, by its name."""
    return {name: loop.task for name, loop in worker._parts.loops._loops.items() if loop.task is not None}
