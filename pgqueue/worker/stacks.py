"""What a worker does at a moment: its threads, its tasks, and its processes for handlers. See ask_stacks."""

import asyncio
import logging
import os
import platform
from collections.abc import Callable, Mapping
from typing import Any

from .._json import dumps
from .._trace import summary
from ..redact import Redactor
from .frames import Group, bare_threads, code_of, grouped, tasks, threads

log = logging.getLogger("pgqueue.worker")
ROOM = 200_000  # bytes of an answer, so that PostgreSQL's form of it has at most 256 kB
FOR_THREADS, FOR_PROCESSES = 0.5, 0.75  # which part of the room they may fill


class Stacks:
    """Tells what a worker does. Its methods are called in another thread than that of the loop, which may be blocked.

    Args:
        loop: the event loop of the worker.
        loop_thread: the ident of its thread.
        running: the task of each job whose handler runs, by job id.
        processes: asks the processes for handlers for theirs: a list of objects.
        redactor: leaves secrets out of lines of code.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        loop_thread: int,
        running: Mapping[int, "asyncio.Task[Any]"],
        processes: Callable[[], list[dict[str, Any]]],
        redactor: Redactor,
    ) -> None:
        self._loop, self._loop_thread, self._running = loop, loop_thread, running
        self._processes, self._redactor = processes, redactor

    def take(self, blocked_for: float) -> str:
        """What the worker does now, as JSON; whatever fails, the answer says so.

        Args:
            blocked_for: seconds for which its event loop has not answered.
        """
        facts: dict[str, Any] = {"pid": os.getpid(), "python": platform.python_version(), "blocked_for": round(blocked_for, 3)}
        try:
            return dumps(facts | self._parts())
        except Exception as error:  # none of it may end the thread that keeps the lease
            log.exception("the stacks of this worker could not be taken")
            return dumps(facts | {"problem": summary(error)})

    def _parts(self) -> dict[str, Any]:
        jobs = {task: str(id) for id, task in dict(self._running).items()}
        text = self._redactor.text
        of_threads = grouped(threads(text, lambda ident: self._job_of(ident, jobs)))
        of_tasks = grouped(tasks(self._loop, text, jobs.get))
        of_processes = [one | with_lines(one, text) for one in self._processes()]
        room = Room(ROOM)
        kept = {
            "threads": room.fill(of_threads, FOR_THREADS),
            "processes": room.fill(of_processes, FOR_PROCESSES),
            "tasks": room.fill(of_tasks, 1.0),
        }
        return kept | {"left_out": room.left_out}

    def _job_of(self, ident: int, jobs: Mapping["asyncio.Task[Any]", str]) -> str | None:
        """The job whose handler the loop runs just now."""
        if ident != self._loop_thread:
            return None
        task = asyncio.current_task(self._loop)
        return None if task is None else jobs.get(task)


class Room:
    """Room for parts of an answer.

    Args:
        most: bytes.

    Attributes:
        left_out: how many threads, tasks and processes found no room.
    """

    def __init__(self, most: int) -> None:
        self._most, self._used = most, 0
        self.left_out = 0

    def fill(self, parts: list[Any], share: float) -> list[Any]:
        """The first of these parts for which there is room, up to this share of the whole."""
        kept = []
        for part in parts:
            size = len(dumps(part).encode())
            if self._used + size > self._most * share:
                self.left_out += part.get("count", 1)
            else:
                self._used += size
                kept.append(part)
        return kept


def own_threads(without: tuple[str, ...]) -> list[Group]:
    """All threads of this process, for a process of handlers; its worker adds the lines."""
    return grouped(bare_threads(without))


def with_lines(process: Mapping[str, Any], text: Callable[[str], str]) -> dict[str, Any]:
    """The threads of a process with the lines of their files, which the worker has, too; without secrets."""
    found: dict[str, Any] = {}
    for group in process.get("threads", ()):
        frames = [frame | {"code": code_of(frame["file"], frame["line"], text)} for frame in group["frames"]]
        found.setdefault("threads", []).append(group | {"frames": frames})
    return found
