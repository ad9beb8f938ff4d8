"""A place of a crew: one process is to run there. What to do next is decided here, by looking at how things are."""

import asyncio
import random
import time
from dataclasses import dataclass, field
from typing import Literal

from ..worker.launch import Launch
from .process import Process

FIRST_WAIT = 0.5  # seconds before a process that ended is replaced; doubles up to LONGEST_WAIT
LONGEST_WAIT = 30.0
STEADY_AFTER = 60.0  # seconds of running after which the wait starts at FIRST_WAIT again
How = Literal["drain", "now"]


@dataclass(slots=True, eq=False)
class Change:
    """The replacement of a process that works: another one is started, and the old one drains once that is ready.

    Attributes:
        launch: what the new one runs.
        why: in words; None if somebody has asked for it.
        done: whether the new one has taken the place.
        since: on time.monotonic(); the oldest comes first.
    """

    launch: Launch
    why: str | None
    done: "asyncio.Future[bool]"
    since: float = field(default_factory=time.monotonic)


@dataclass(slots=True, eq=False)
class Place:
    """One place.

    Attributes:
        number: its name.
        launch: what runs there; None once it is left.
        process: the one that works.
        successor: the one that boots, to take its place.
        leaving: those that have to end.
        change: the replacement that is wanted or under way.
        failures: processes in a row that have ended by a failure.
        retry_at: on time.monotonic(), when the next process may start.
        was_ready: whether a process of this place ever was.
        last_error: the end of the last process, in words.
    """

    number: int
    launch: Launch | None
    process: Process | None = None
    successor: Process | None = None
    leaving: list[Process] = field(default_factory=list)
    change: Change | None = None
    failures: int = 0
    retry_at: float = 0.0
    was_ready: bool = False
    last_error: str | None = None

    def processes(self) -> list[Process]:
        """All that run here."""
        return [process for process in (self.process, self.successor, *self.leaving) if process is not None]

    def is_empty(self) -> bool:
        """Whether nothing runs here and nothing shall."""
        return self.launch is None and not self.processes()

    def leave(self, how: How) -> None:
        """Let all processes end, and start no other."""
        self.launch = None
        self.settle(False)
        self.leaving = self.processes()
        self.process = self.successor = None
        for process in self.leaving:
            process.drain() if how == "drain" else process.stop()

    def promote(self) -> None:
        """The successor takes the place; the old process drains."""
        old, self.process, self.successor = self.process, self.successor, None
        if self.change is not None:
            self.launch = self.change.launch
        self.settle(True)
        if old is not None:
            old.drain()
            self.leaving.append(old)

    def settle(self, is_done: bool) -> None:
        """End the change."""
        if self.change is not None and not self.change.done.done():
            self.change.done.set_result(is_done)
        self.change = None

    def forget(self, process: Process) -> str:
        """Forget a process that has ended. Returns what it was: "process", "successor" or "leaving"."""
        if process is self.process:
            self.process = None
            return "process"
        if process is self.successor:
            self.successor = None
            return "successor"
        self.leaving.remove(process)
        return "leaving"

    def failed(self, lived: float, longest: float = LONGEST_WAIT) -> float:
        """Note a failure. Returns the seconds until the next process starts, `longest` at most where one was ever ready."""
        longest = longest if self.was_ready else LONGEST_WAIT
        self.failures = 1 if lived > STEADY_AFTER else self.failures + 1
        wait: float = min(longest, FIRST_WAIT * 2 ** min(self.failures - 1, 10)) * random.uniform(0.75, 1.0)
        self.retry_at = time.monotonic() + wait
        return wait
