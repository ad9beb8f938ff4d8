"""Keys that are pressed while a page is shown."""

import os
import select
import sys
from typing import Any, Self


class Keys:
    """The terminal gives each key at once and does not show it, until the block ends; Ctrl-C is as ever."""

    def __init__(self) -> None:
        self._before: list[Any] | None = None

    def __enter__(self) -> Self:
        import termios  # not on Windows, where `is_there` is false
        import tty

        self._file = sys.stdin.fileno()
        self._before = termios.tcgetattr(self._file)
        tty.setcbreak(self._file)
        return self

    def __exit__(self, *_: Any) -> None:
        import termios

        if self._before is not None:
            termios.tcsetattr(self._file, termios.TCSADRAIN, self._before)

    def get(self, within: float) -> str:
        """The key that is pressed within so many seconds, else ""; "q" when the terminal is gone."""
        if not select.select([self._file], [], [], within)[0]:
            return ""
        try:
            return os.read(self._file, 64)[:1].decode(errors="replace") or "q"
        except OSError:  # it was closed
            return "q"


def is_there() -> bool:
    """Whether there is a terminal that shows a page and gives keys."""
    is_simple = os.environ.get("TERM", "") in ("", "dumb", "unknown")
    return os.name == "posix" and not is_simple and sys.stdin.isatty() and sys.stdout.isatty()
