"""SIGUSR1 writes the stacks of all threads to stderr."""

import faulthandler
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress

from .frames import Group, bare_threads, grouped


def listen_to_signal() -> None:
    """Let SIGUSR1 write the stacks of all threads to stderr; not if the application uses the signal.

    The stack of the main thread is written at once, by C code that needs no interpreter. The other threads may be running: C code
    that read their frames would read freed memory and end the process. They follow as soon as the main thread runs Python code.
    """
    number = getattr(signal, "SIGUSR1", None)
    if number is not None and signal.getsignal(number) == signal.SIG_DFL:
        with suppress(AttributeError, OSError, ValueError, RuntimeError):  # there is no stderr, or none with a file
            fd = sys.stderr.fileno()
            signal.signal(number, lambda _, __: _write_others(fd))
            faulthandler.register(number, file=fd, all_threads=False, chain=True)


def _write_others(fd: int) -> None:
    text = "".join(line for group in grouped(bare_threads(())) for line in _lines(group))
    with suppress(OSError):  # nobody reads any more
        os.write(fd, f"{text}\n".encode(errors="backslashreplace"))


def _lines(group: Group) -> Iterator[str]:
    more = group["count"] - len(group["names"])
    yield f"\nThread {', '.join(group['names'])}{f' and {more} more' if more > 0 else ''} (most recent call first):\n"
    for frame in reversed(group["frames"]):
        yield f'  File "{frame["file"]}", line {frame["line"]} in {frame["function"]}\n'
