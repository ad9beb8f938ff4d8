"""The Redis server of a run: a process of its own for each system and round, on a Unix socket in a temporary directory.

It has Redis's defaults, which are those of the distributions' redis.conf: snapshots after 3,600 s with one change, 300 s with 100
or 60 s with 10,000, and no append-only file. A crash loses what came after the last snapshot, with APPENDING about a second.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path

from benchmarks.errors import BenchmarkError, Unavailable

PROGRAM = "redis-server"
DEFAULTS: Sequence[str] = ()
APPENDING = ("--appendonly", "yes", "--appendfsync", "everysec")
"""What Redis's documentation on persistence advises to those who must not lose what was written."""

START_SECONDS = 30.0
ASK_SECONDS = 5.0


@lru_cache
def redis_version() -> str:
    """The version of the installed server; raises Unavailable where there is none."""
    path = shutil.which(PROGRAM)
    if path is None:
        raise Unavailable("redis-server is not installed (Debian: apt install redis-server)")
    answer = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=ASK_SECONDS)
    versions = [word.removeprefix("v=") for word in answer.stdout.split() if word.startswith("v=")]
    if not versions:
        raise Unavailable(f"{path} does not say its version")
    return versions[0]


class RedisProcess:
    """One server and its directory; a context manager that leaves neither behind.

    Args:
        settings: options of redis-server, DEFAULTS or APPENDING.
    """

    def __init__(self, settings: Sequence[str] = DEFAULTS) -> None:
        self._settings = settings
        self._directory = Path(tempfile.mkdtemp(prefix="benchmark-redis-"))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def socket(self) -> Path:
        """Where clients connect."""
        return self._directory / "redis.sock"

    @property
    def pid(self) -> int | None:
        """The running server."""
        return self._process.pid if self._process else None

    def __enter__(self) -> RedisProcess:
        try:
            self.start()
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._remove()

    def start(self) -> None:
        """Start it on what is in its directory, and wait until it has loaded that."""
        files = ["--dir", str(self._directory), "--unixsocket", str(self.socket), "--logfile", "redis.log"]
        command = [PROGRAM, "--port", "0", "--daemonize", "no", "--loglevel", "warning", *files, *self._settings]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise BenchmarkError(f"redis-server did not start:\n{self._log()}")
            time.sleep(0.01)

    def crash(self) -> None:
        """End it as a crash does: nothing is written any more."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None
        self.socket.unlink(missing_ok=True)

    def ask(self, command: str) -> str:
        """The first line of the answer to one command, without its mark; raises for an error."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(ASK_SECONDS)
            connection.connect(str(self.socket))
            connection.sendall(command.encode() + b"\r\n")
            with connection.makefile("rb") as answer:
                line = answer.readline().decode().strip()
        if not line or line[0] == "-":
            raise BenchmarkError(f"redis-server refuses {command!r}: {line[1:]}")
        return line[1:]

    def _answers(self) -> bool:
        with suppress(OSError, BenchmarkError):
            return self.ask("PING") == "PONG"
        return False

    def _log(self) -> str:
        path = self._directory / "redis.log"
        return path.read_text(errors="replace")[-2000:] if path.exists() else ""

    def _remove(self) -> None:
        self.crash()
        shutil.rmtree(self._directory, ignore_errors=True)


class RedisServer:
    """Redis as a store: a database is a process of its own, so that each begins with an empty memory."""

    def __init__(self, settings: Sequence[str] = DEFAULTS) -> None:
        self._settings = settings
        self.running: dict[str, RedisProcess] = {}

    def url(self, database: str) -> str:
        """Its Unix socket."""
        return f"unix://{self.running[database].socket}"

    @contextmanager
    def fresh_database(self, label: str) -> Iterator[str]:
        """A new server; yields the name that it is known by here, and ends it afterwards."""
        with RedisProcess(self._settings) as process:
            name = f"{label}-{process.pid}"
            self.running[name] = process
            try:
                yield name
            finally:
                del self.running[name]

    def settle(self, database: str) -> None:
        """Nothing to do: what was written is in memory, and snapshots come when they come."""

    def usage(self, database: str) -> None:
        """Redis has neither commits nor WAL."""

    def crashed(self, database: str) -> None:
        """Kill it; what it has on disk is what the new one has."""
        self.running[database].crash()
        self.running[database].start()

    def count(self, database: str, query: str) -> int:
        """The sum of the integers that these commands answer, one a line."""
        return sum(int(self.running[database].ask(command)) for command in query.splitlines())
