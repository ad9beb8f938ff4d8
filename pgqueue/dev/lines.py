"""Lines of several processes in one terminal: each says whose it is."""

import asyncio
import sys
from typing import TextIO

WIDTH = 6  # of the names
_COLOURS = {"worker": 36, "server": 35, "dev": 1}
_MOST = 1 << 16  # bytes of one line; longer ones are cut in pieces


class Lines:
    """Writes lines.

    Args:
        out: where to; stdout by default.
    """

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stdout
        self.has_colours = self._out.isatty()

    def write(self, name: str, text: str) -> None:
        """Write a line of this process."""
        head = f"{name:<{WIDTH}} |"
        shown = f"\x1b[{_COLOURS.get(name, 0)}m{head}\x1b[0m" if self.has_colours else head
        self._out.write(f"{shown} {text}\n")
        self._out.flush()

    async def copy(self, name: str, source: asyncio.StreamReader) -> None:
        """Write all that comes from a process, as it comes."""
        rest = b""
        while part := await source.read(_MOST):
            *whole, rest = (rest + part).split(b"\n")
            for line in whole:
                self.write(name, line.decode(errors="replace").rstrip())
            if len(rest) > _MOST:
                self.write(name, rest.decode(errors="replace"))
                rest = b""
        if rest:
            self.write(name, rest.decode(errors="replace"))
