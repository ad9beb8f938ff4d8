"""Which job blocks the event loop of a worker; asked in another thread, while the loop is blocked."""

import asyncio
from collections.abc import Mapping
from typing import Any, NamedTuple

from ..registry import CHUNK
from ..run import Run
from .frames import run_of_task, runs_in_threads

_ON_LOOP = "define blocking handlers with `def`, so that they run in threads"
_IN_THREAD = 'its code does not let others run: give the task executor="process"'


class Blocking(NamedTuple):
    """What blocks the loop.

    Attributes:
        run: of the job whose handler does it.
        is_in_thread: whether the handler runs in a thread, and keeps the interpreter to itself.
    """

    run: Run
    is_in_thread: bool


class Blocker:
    """Finds the job that blocks a loop.

    Args:
        loop: the event loop.
        jobs: the runs by the task that runs them; each task may do several, one after the other.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, jobs: Mapping["asyncio.Task[Any]", Run]) -> None:
        self._loop, self._jobs = loop, jobs

    def look(self) -> Blocking | None:
        """The job whose handler the loop runs just now; if it runs none, the only one that runs in a thread. None = not known."""
        if (task := asyncio.current_task(self._loop)) is not None:
            run = self._jobs.get(task) or run_of_task(task)
            return None if run is None else Blocking(run, False)
        runs = runs_in_threads()
        return Blocking(runs[0], True) if len(runs) == 1 else None


def warning(seconds: float, by: Blocking | None) -> str:
    """The line of the log about a loop that was blocked."""
    blocked = f"the event loop was blocked for {seconds:.1f} s"
    if by is None:
        return f"{blocked}; {_ON_LOOP}"
    job = f"job {by.run.id} (task {task_of(by.run)!r})"
    return f"{blocked} while {job} ran in a thread; {_IN_THREAD}" if by.is_in_thread else f"{blocked} by {job}; {_ON_LOOP}"


def task_of(run: Run) -> str:
    """The task whose code runs: of a chunk the one that it calls."""
    return str(run.args.get("task", CHUNK)) if run.task == CHUNK else run.task
