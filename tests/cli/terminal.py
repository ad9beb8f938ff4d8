"""A command on a terminal of its own."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time
from pathlib import Path
from typing import Any

from ..waiting import PATIENCE

CHECKOUT = Path(__file__).parents[2]
_CONTROL = re.compile(rb"\x1b\[[0-9;?]*[a-zA-Z]")
_HOME = b"\x1b[H"  # what a page begins with


class Terminal:
    """`python -m pgqueue …` on a terminal of this size.

    Args:
        arguments: of the command.
        database_url: what it works on.
    """

    def __init__(self, *arguments: str, database_url: str, columns: int = 80, rows: int = 24) -> None:
        self.columns, self.rows = columns, rows
        self._out = b""
        # readline, once it is imported, sets COLUMNS and LINES, in part where os.environ does not see them.
        environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
        environment |= {"PGQUEUE_DATABASE_URL": database_url, "TERM": "xterm-256color"}
        self._pid, self._file = pty.fork()
        if self._pid == 0:
            os.chdir(CHECKOUT)
            os.execve(sys.executable, [sys.executable, "-m", "pgqueue", *arguments], environment)
        fcntl.ioctl(self._file, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.before = self.modes()

    def modes(self) -> list[Any]:
        """The settings of the terminal."""
        return termios.tcgetattr(self._file)

    def shows(self, text: str) -> list[str]:
        """Wait until the page holds this; the lines of that page."""
        patience = time.monotonic() + PATIENCE
        while time.monotonic() < patience:
            page = self._page()
            if any(text in line for line in page):
                return page
            self._read()
        raise AssertionError(f"{text!r} is not shown: {self._page()}")

    def press(self, key: str) -> None:
        """A key."""
        os.write(self._file, key.encode())

    def ends(self) -> int:
        """Wait for the end of the command; its exit code."""
        patience = time.monotonic() + PATIENCE
        while time.monotonic() < patience:
            pid, status = os.waitpid(self._pid, os.WNOHANG)
            if pid:
                self._pid = 0
                return os.waitstatus_to_exitcode(status)
            self._read()
        raise AssertionError("it does not end")

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self._pid, number)

    @property
    def has_left_the_page(self) -> bool:
        """Whether it shows again what was there before."""
        return b"\x1b[?1049l" in self._out

    def close(self) -> None:
        """Leave nothing behind."""
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
        os.close(self._file)

    def _page(self) -> list[str]:
        pages = self._out.split(_HOME)
        whole = pages[-2] if len(pages) > 1 else pages[-1]  # the last one may not be complete
        return _CONTROL.sub(b"", whole).decode(errors="replace").replace("\r", "").split("\n")

    def _read(self) -> None:
        if select.select([self._file], [], [], 0.05)[0]:
            try:
                self._out += os.read(self._file, 65536)
            except OSError:  # the other end is closed
                time.sleep(0.01)
