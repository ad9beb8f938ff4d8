"""The two pipes between a supervisor and its process: orders go down, what the process says of itself comes up."""

import asyncio
import logging
import os
from collections.abc import Callable

from ..worker.status import Status

log = logging.getLogger("pgqueue.supervisor")
LONGEST = 1_000_000  # bytes of a line
READ = 65536  # bytes at once: what a pipe holds
DRAIN = "drain"  # an order: end when all handlers have


class Sender:
    """Writes lines into a pipe without ever waiting for the reader; what finds no room is kept until the next try.

    Args:
        fd: the pipe; this closes it.
    """

    def __init__(self, fd: int) -> None:
        os.set_blocking(fd, False)
        self._fd, self._rest = fd, b""

    def send(self, line: str) -> None:
        """Send a line after what is still to be sent."""
        self._rest += f"{line}\n".encode()
        self.flush()

    def flush(self) -> bool:
        """Send what there is room for. Returns whether all is sent."""
        try:
            while self._rest:
                self._rest = self._rest[os.write(self._fd, self._rest) :]
        except BlockingIOError:
            return False
        except OSError:  # nobody reads any more
            self._rest = b""
        return True

    def close(self) -> None:
        """Close the pipe; the reader sees its end."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd, self._rest = -1, b""


class Statuses:
    """Reads what a process says, on the event loop.

    Args:
        fd: the pipe; this closes it.
        on_status: told each status.
    """

    def __init__(self, fd: int, on_status: Callable[[Status], object]) -> None:
        os.set_blocking(fd, False)
        self._fd, self._on_status, self._rest = fd, on_status, b""
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(fd, self.read)

    def read(self) -> None:
        """Read all that there is."""
        while self._fd >= 0:
            try:
                part = os.read(self._fd, READ)
            except BlockingIOError:
                return
            if not part:
                self.close()
                return
            *lines, self._rest = (self._rest + part).split(b"\n")
            self._rest = self._rest[-LONGEST:]
            for line in lines:
                self._take(line)

    def _take(self, line: bytes) -> None:
        try:
            status = Status.from_json(line)
        except (ValueError, TypeError, RecursionError):  # something of the application has written into it
            log.debug("a process wrote a line that is no status")
            return
        self._on_status(status)

    def close(self) -> None:
        """Read no more."""
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1
