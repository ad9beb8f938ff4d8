"""A worker process of a supervisor: `python -m pgqueue.worker.child`, which reads from a pipe what to run.

The pipe stays open as long as the supervisor lives: when it closes, the worker ends gracefully too.
"""

import os
import signal
import sys
import threading

from .._text import one_line
from ..errors import PgQueueError
from .launch import REFUSED, Launch, run


def main() -> int:
    """Run what the supervisor asks for; the exit code."""
    launch = _listen_to_supervisor()
    try:
        return run(launch)
    except PgQueueError as error:
        print(one_line(f"pgqueue: {error}"), file=sys.stderr)
        return REFUSED


def _listen_to_supervisor() -> Launch:
    launch = Launch.from_json(sys.stdin.buffer.readline())
    pipe = os.dup(sys.stdin.fileno())
    os.dup2(os.open(os.devnull, os.O_RDONLY), sys.stdin.fileno())  # handlers get an empty stdin, not the pipe of the supervisor
    threading.Thread(target=_end_with, args=(pipe,), name="pgqueue-supervised", daemon=True).start()
    return launch


def _end_with(pipe: int) -> None:
    os.read(pipe, 1)  # nothing is ever written: read returns when the supervisor is gone
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
