"""Asking a process for handlers what it does, while its handler runs: a thread of it answers through a pipe."""

import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from .._json import dumps, loads_own
from .stacks import own_threads

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.context import BaseContext

ANSWER_WITHIN = 1.0  # seconds for all processes together
THREAD = "pgqueue-questions"
# Threads of the process that run no code of users.
OURS = (THREAD, "pgqueue-end")


class Questions:
    """The pipe to one process.

    Args:
        context: makes the process.

    Attributes:
        theirs: the end that the process gets.
    """

    def __init__(self, context: "BaseContext") -> None:
        self._ours, self.theirs = context.Pipe()
        self._number = 0

    def ask(self) -> None:
        """Send the question. An answer to an earlier one that has come too late is not taken for one to this."""
        self._number += 1
        with suppress(OSError, ValueError):  # the process is gone
            self._ours.send_bytes(str(self._number).encode())

    def answer(self, deadline: float) -> dict[str, Any]:
        """The answer, as members of an object; if there is none until this time of time.monotonic(), a member says why."""
        with suppress(OSError, EOFError, ValueError):
            while self._ours.poll(max(0.0, deadline - time.monotonic())):
                found: dict[str, Any] = loads_own(self._ours.recv_bytes())
                if found.pop("number") == self._number:
                    return found
            return {"problem": "it does not answer: it still starts, or native code keeps its interpreter; see kill -USR1"}
        return {"problem": "it has ended"}

    def close(self) -> None:
        """Release the pipe; the thread of the process ends then."""
        for end in (self._ours, self.theirs):
            with suppress(OSError):
                end.close()


def ask_all(processes: Sequence[tuple[Questions, dict[str, Any]]]) -> list[dict[str, Any]]:
    """Ask processes at once; what is known of each stands beside its answer."""
    for questions, _ in processes:
        questions.ask()
    deadline = time.monotonic() + ANSWER_WITHIN
    return [known | questions.answer(deadline) for questions, known in processes]


def answer_questions(theirs: "Connection") -> None:
    """Answer what comes through the pipe, in a thread of the calling process, until the pipe is closed."""
    threading.Thread(target=_answer, args=(theirs,), name=THREAD, daemon=True).start()


def _answer(theirs: "Connection") -> None:
    with suppress(OSError, EOFError):
        while True:
            number = int(theirs.recv_bytes())
            theirs.send_bytes(dumps({"number": number, "threads": own_threads(OURS)}).encode())
