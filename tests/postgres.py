"""PostgreSQL servers of the tests' own."""

import shutil
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from pgqueue import embedded
from pgqueue.embedded import programs, server

DEBIAN_BINARIES = "/usr/lib/postgresql/{}"

# A test's database need not survive a power cut; crashes and immediate restarts of PostgreSQL alone lose nothing by this.
SPARE_THE_DISK = {"fsync": "off", "full_page_writes": "off"}

MEMORY_FOR_SERVERS = 4 * 2**30  # bytes


@contextmanager
def running_server(version: int, **settings: str) -> Iterator[str]:
    """Start a server that is gone afterwards; gives its URL.

    Args:
        version: 15, 16 or 18.
        settings: of the server, for those that need a restart.
    """
    directory = Path(tempfile.mkdtemp(prefix="pgqueue-test-", dir=_memory()))
    try:
        with _programs(version):
            url = embedded.start(directory, version)
            _set(url, {**SPARE_THE_DISK, **settings})
            if settings:
                embedded.stop(directory)
                url = embedded.start(directory, version)
        yield url
    finally:
        embedded.stop(directory)
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def _programs(version: int) -> Iterator[None]:
    """Debian's programs for a version that is not in the wheel. Its map of users cannot say "all roles", so all may connect."""
    with pytest.MonkeyPatch.context() as patch:
        if version not in programs.FOLDERS:
            patch.setitem(programs.FOLDERS, version, DEBIAN_BINARIES.format(version))
            patch.setattr(server, "HBA", "local all all trust\n")
        yield


def _memory() -> Path | None:
    """A file system in memory with room for the servers, on which a database is made ten times as fast as on a slow disk."""
    memory = Path("/dev/shm")
    return memory if memory.is_dir() and shutil.disk_usage(memory).free > MEMORY_FOR_SERVERS else None


@contextmanager
def new_database(server_url: str, template: str | None = None) -> Iterator[str]:
    """Create a database that is dropped afterwards; gives its URL.

    Args:
        server_url: of any database on the server.
        template: the name of a database to copy. Its files are copied: through the WAL a copy takes ten times as long.
    """
    with psycopg.connect(server_url, autocommit=True) as server:
        name = _create(server, template)
        try:
            yield make_conninfo(server_url, dbname=name)
        finally:
            _is_left(server, name)
            _drop(server, name)


class Copies:
    """Copies of a database, one at a time. One to which nothing was written serves once more: to copy and drop takes 25 ms."""

    def __init__(self, server_url: str, template: str) -> None:
        self._server_url, self._template = server_url, template
        self._server = psycopg.connect(server_url, autocommit=True)
        self._untouched: str | None = None

    @contextmanager
    def one(self) -> Iterator[str]:
        """The URL of a copy that is as the template."""
        name, self._untouched = self._untouched or _create(self._server, self._template), None
        before = self._transaction()
        try:
            yield make_conninfo(self._server_url, dbname=name)
        finally:
            # What writes is given a transaction id by the server, also if it is rolled back, or only takes a sequence's next.
            if _is_left(self._server, name) and self._transaction() == before + 1:
                self._untouched = name
            else:
                _drop(self._server, name)

    def _transaction(self) -> int:
        """A transaction id of the server."""
        row = self._server.execute("select pg_current_xact_id()::text::bigint").fetchone()
        assert row is not None
        return int(row[0])

    def close(self) -> None:
        """Leave no copy behind."""
        if self._untouched is not None:
            _drop(self._server, self._untouched)
        self._server.close()


def _create(server: psycopg.Connection[Any], template: str | None) -> str:
    name = f"pgqueue_test_{uuid.uuid4().hex[:8]}"
    source = sql.SQL("template {} strategy file_copy").format(sql.Identifier(template)) if template else sql.SQL("")
    server.execute(sql.SQL("create database {} {}").format(sql.Identifier(name), source))
    return name


def _drop(server: psycopg.Connection[Any], name: str) -> None:
    server.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


def _is_left(server: psycopg.Connection[Any], database: str) -> bool:
    """Wait for closed connections: a drop that meets one of them sleeps for 0.1 s. What is still connected then, is cut."""
    patience = time.monotonic() + 0.05
    while time.monotonic() < patience:
        if not server.execute("select 1 from pg_stat_activity where datname = %s", [database]).fetchone():
            return True
        time.sleep(0.001)
    return False


def _set(url: str, settings: Mapping[str, str]) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for name, value in settings.items():
            connection.execute(sql.SQL("alter system set {} = {}").format(sql.Identifier(name), sql.Literal(value)))
        connection.execute("select pg_reload_conf()")
