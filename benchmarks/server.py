"""The PostgreSQL server of a run: a private one that is deleted afterwards, or BENCHMARK_DATABASE_URL."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg

from benchmarks.errors import BenchmarkError
from benchmarks.store import Usage

URL_VARIABLE = "BENCHMARK_DATABASE_URL"
POSTGRES_VERSION = 18
SETTINGS = {"shared_buffers": "1GB", "max_wal_size": "8GB", "max_connections": "500"}
"""Changed from PostgreSQL's defaults: room for the backlog and for 100 workers, no checkpoint in the middle of a measurement."""

REPORTED_SETTINGS = (*SETTINGS, "fsync", "synchronous_commit", "full_page_writes", "autovacuum")


@dataclass(frozen=True)
class Server:
    """A running server, known by the URL of a database whose user may create databases."""

    admin_url: str
    restart: Callable[[], None] | None = None
    crash: Callable[[], None] | None = None

    def restarted(self) -> bool:
        """Restart it, so that its memory is empty; False for a server that is not ours."""
        if self.restart is not None:
            self.restart()
        return self.restart is not None

    def crashed(self, database: str) -> None:
        """End it without a word to anybody, as `pg_ctl restart -m immediate` does, and return when it answers again."""
        if self.crash is None:
            raise BenchmarkError(f"a server named by {URL_VARIABLE} is not ours to crash: leave the variable out")
        self.crash()

    def url(self, database: str) -> str:
        """The URL of another database of this server."""
        return urlunsplit(urlsplit(self.admin_url)._replace(path=f"/{database}"))

    @contextmanager
    def connect(self, database: str | None = None) -> Iterator[psycopg.Connection]:
        """An autocommit connection, to the administrator's database if none is named."""
        url = self.admin_url if database is None else self.url(database)
        with psycopg.connect(url, autocommit=True) as connection:
            yield connection

    @contextmanager
    def fresh_database(self, label: str) -> Iterator[str]:
        """A new, empty database; yields its name and drops it afterwards."""
        name = f"benchmark_{label}_{os.getpid()}_{time.monotonic_ns()}"
        with self.connect() as connection:
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
        try:
            yield name
        finally:
            with self.connect() as connection:
                connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'.encode())

    def settle(self, database: str) -> None:
        """Vacuum, analyze and checkpoint, so that the filling of a queue is not paid for by its draining."""
        with self.connect(database) as connection:
            connection.execute("VACUUM (ANALYZE)")
            connection.execute("CHECKPOINT")

    def usage(self, database: str) -> Usage:
        """Commits and WAL so far; waits until all sessions are gone, for they count up to their end."""
        with self.connect() as connection:
            deadline = time.monotonic() + 10
            while _sessions(connection, database) and time.monotonic() < deadline:
                time.sleep(0.05)
            commits, wal_bytes = _one_row(
                connection,
                "SELECT xact_commit, pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint"
                " FROM pg_stat_database WHERE datname = %s",
                database,
            )
        return Usage(commits, wal_bytes)

    def count(self, database: str, query: str) -> int:
        """The number in the first row of a query."""
        with self.connect(database) as connection:
            row = connection.execute(query.encode()).fetchone()
        return int(row[0]) if row else 0

    def wal_bytes(self) -> int:
        """WAL so far, of all databases."""
        with self.connect() as connection:
            return _one_row(connection, "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), %s)::bigint", "0/0")[0]

    def settings(self) -> dict[str, str]:
        """Version and the settings that matter here, for the report."""
        with self.connect() as connection:
            names = ("server_version", *REPORTED_SETTINGS)
            return {name: str(_one_row(connection, "SELECT current_setting(%s)", name)[0]) for name in names}


def _one_row(connection: psycopg.Connection, query: str, parameter: str) -> tuple[int, ...]:
    row = connection.execute(query.encode(), (parameter,)).fetchone()
    if row is None:
        raise LookupError(f"no row for {parameter!r}")
    return row


def _sessions(connection: psycopg.Connection, database: str) -> int:
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND backend_type = 'client backend'"
    return _one_row(connection, query, database)[0]


def _end_at_once(directory: Path) -> None:
    """An immediate shutdown: backends end without their clients being told, and the next start recovers from the WAL."""
    pid = int((directory / "postmaster.pid").read_text().split()[0])
    os.kill(pid, signal.SIGQUIT)
    deadline = time.monotonic() + 30
    while (directory / "postmaster.pid").exists():
        if time.monotonic() > deadline:
            raise BenchmarkError("PostgreSQL did not end within 30 s")
        time.sleep(0.01)


def _reached(server: Server) -> Server:
    """That server, if it answers; raises once, not for each system."""
    try:
        with server.connect():
            return server
    except psycopg.Error as error:
        said = " ".join(str(error).split())
        raise BenchmarkError(
            f"the server that {URL_VARIABLE} names does not answer; start it, or leave the variable out: {said}"
        ) from error


@contextmanager
def running_server() -> Iterator[Server]:
    """The server to measure on: the configured one, or a private one on a Unix socket, deleted at the end."""
    configured = os.environ.get(URL_VARIABLE)
    if configured:
        yield _reached(Server(configured))
        return
    from pgqueue import embedded

    directory = Path(tempfile.mkdtemp(prefix="benchmark-postgres-"))
    url = embedded.start(directory, POSTGRES_VERSION)
    try:
        with psycopg.connect(url, autocommit=True) as connection:
            for name, value in SETTINGS.items():
                connection.execute(f"ALTER SYSTEM SET {name} = '{value}'".encode())

        def restart() -> None:
            embedded.stop(directory)
            assert embedded.start(directory, POSTGRES_VERSION) == url

        def crash() -> None:
            _end_at_once(directory)
            restart()

        restart()
        yield Server(url, restart, crash)
    finally:
        embedded.stop(directory)
        shutil.rmtree(directory, ignore_errors=True)
