"""A private PostgreSQL server from a Python package: for first steps, the demo and tests; never for production."""

import atexit
import os
import sys
import threading
from pathlib import Path
from subprocess import SubprocessError
from typing import TYPE_CHECKING

from .._process import this_process
from ..errors import ConfigurationError

if TYPE_CHECKING:
    from .server import Server

DEFAULT_DIRECTORY = Path(".pgqueue")
_Process = tuple[int, int]
_joined: dict[tuple[_Process, Path], "Server"] = {}  # by process, because a forked child has joined nothing
_starting: dict[_Process, threading.Lock] = {}  # by process, because a forked child could inherit a held lock


def start(directory: str | os.PathLike[str] | None = None, version: int = 18) -> str:
    """Start (or join) the server with its data in a directory, and return its URL.

    Only the user who starts it can connect. It stops when the last process that joined it ends; its data stays.

    Args:
        directory: data directory; `.pgqueue` in the current directory by default.
        version: 18, or 16.

    Raises:
        ConfigurationError: the extra `embedded` is not installed, or the directory cannot be used.
    """
    if sys.platform == "win32":  # there it could only listen on a port, which is open to all users of the machine
        raise ConfigurationError("database_url: embedded: does not work on Windows; use postgresql://user@host/database")
    from .server import Server

    path = Path(directory or DEFAULT_DIRECTORY).absolute()
    try:
        with _starting.setdefault(this_process(), threading.Lock()):
            key = this_process(), path.resolve()
            server = _joined.get(key) or Server(path, version)
            url = server.join()
            _joined[key] = server
            return url
    except (OSError, ValueError, SubprocessError) as error:
        raise ConfigurationError(f"database_url: embedded: cannot use {str(path)!r}: {error}") from error


def stop(directory: str | os.PathLike[str]) -> None:
    """Leave the server that `start` has joined in this process; it stops when no other process uses it."""
    if server := _joined.pop((this_process(), Path(directory).resolve()), None):
        server.leave()


@atexit.register
def _leave_all() -> None:
    for process, path in list(_joined):
        if process == this_process():
            stop(path)
