"""A process of a supervisor: `python -m pgqueue.supervisor.child TARGET FD`, which reads from stdin what to run.

The pipe stays open as long as the supervisor lives: when it closes, the worker ends gracefully too.
"""

import os
import signal
import sys
import threading
import time
from typing import BinaryIO

from .._text import one_line
from .._trace import summary
from ..errors import PgQueueError
from ..worker.ending import FLUSH_WITHIN as END_WITHIN
from ..worker.launch import FLUSH_WITHIN, REFUSED, Launch, run
from ..worker.stack_signal import listen_to_signal
from ..worker.status import Status
from ..worker.worker import Worker
from .pipe import DRAIN, Sender

SAY_EVERY = 1.0  # seconds


class Voice:
    """Says again and again how the worker is, in a thread that needs neither the database nor the event loop.

    Args:
        fd: the pipe to the supervisor.
    """

    def __init__(self, fd: int) -> None:
        os.set_inheritable(fd, False)
        self._sender = Sender(fd)
        self._lock = threading.Lock()
        self._worker: Worker | None = None
        self._changed = threading.Event()
        self._is_drain_wanted = False

    def begin(self) -> None:
        """Start to speak."""
        threading.Thread(target=self._run, name="pgqueue-voice", daemon=True).start()

    def watch(self, worker: Worker) -> None:
        """Speak of this worker from now on; it obeys an order that has come before."""
        self._worker, worker.changed = worker, self._changed
        if self._is_drain_wanted:
            worker.drain()

    def drain(self) -> None:
        """Drain the worker, as soon as there is one."""
        self._is_drain_wanted = True
        if self._worker is not None:
            self._worker.drain()

    def say(self, error: BaseException | None = None) -> None:
        """Say it now; with an error if the process ends by it."""
        status = self._worker.status() if self._worker is not None else Status()
        if error is not None:
            said = one_line(str(error)) if isinstance(error, PgQueueError) else summary(error)  # ours are written for people
            status = Status("draining", status.worker, running=status.running, last_error=said[:500])
        with self._lock:
            if self._sender.flush():  # else the supervisor does not read: it gets a newer one later
                self._sender.send(status.to_json())

    def _run(self) -> None:
        while True:
            self._changed.clear()
            self.say()
            self._changed.wait(SAY_EVERY)


def main() -> int:
    """Run what the supervisor asks for; the exit code."""
    listen_to_signal()  # before the first word: who has heard one may ask for stacks
    voice = Voice(int(sys.argv[2]))
    voice.begin()
    orders = _orders()
    if not (line := orders.readline()):
        return 0
    launch = Launch.from_json(line)
    threading.Thread(target=_obey, args=(orders, voice, launch.options.grace), name="pgqueue-orders", daemon=True).start()
    try:
        code = run(launch, voice.watch)
    except PgQueueError as error:
        voice.say(error)
        print(one_line(f"pgqueue: {error}"), file=sys.stderr)
        return REFUSED
    except Exception as error:
        voice.say(error)
        raise
    voice.say()
    return code


def _orders() -> BinaryIO:
    """The pipe of the supervisor. Handlers get an empty stdin."""
    pipe = os.dup(sys.stdin.fileno())
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, sys.stdin.fileno())
    os.close(nothing)
    return os.fdopen(pipe, "rb")


def _obey(orders: BinaryIO, voice: Voice, grace: float) -> None:
    for line in orders:
        if line.strip() == DRAIN.encode():
            voice.drain()
    os.kill(os.getpid(), signal.SIGTERM)  # the supervisor is gone
    time.sleep(grace + END_WITHIN + FLUSH_WITHIN)  # an event loop that is blocked hears no signal, and nobody else ends it
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
