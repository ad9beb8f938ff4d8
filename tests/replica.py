"""A streaming replica of the tests' server."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from pgqueue import embedded
from pgqueue.embedded.account import account
from pgqueue.embedded.programs import programs
from tests.postgres import _memory


class Replica:
    """A replica of a whole server.

    Args:
        primary: the URL of any database of the server.
        version: of PostgreSQL.
    """

    def __init__(self, primary: str, version: int) -> None:
        self._version = version
        self._place = Path(tempfile.mkdtemp(prefix="pgqueue-replica-", dir=_memory()))
        owner = account()
        os.chown(self._place, owner.uid, owner.gid)
        self._data = self._place / "data"
        command = (str(programs(owner, version) / "pg_basebackup"), "-d", make_conninfo(primary, dbname="postgres"))
        subprocess.run(
            (*command, "-D", str(self._data), "-R", "--checkpoint=fast", "--no-sync", "--wal-method=stream"),
            check=True,
            capture_output=True,
            **owner.options(self._place),
        )
        for left in self._data.glob(".s.PGSQL.*"):  # of the socket of the primary, which stands in its data
            left.unlink()
        self._url = embedded.start(self._data, version)

    def url_of(self, database_url: str) -> str:
        """The URL of the replica of a database."""
        return make_conninfo(self._url, dbname=str(conninfo_to_dict(database_url)["dbname"]))

    def stop(self) -> None:
        """Take it away."""
        embedded.stop(self._data)

    def start(self) -> None:
        """Let it come back, with the same URL."""
        embedded.start(self._data, self._version)

    def remove(self) -> None:
        """Leave nothing behind."""
        self.stop()
        shutil.rmtree(self._place, ignore_errors=True)


@contextmanager
def replica_of(primary: str, version: int) -> Iterator[Replica]:
    """Start a replica of a server; it is gone afterwards."""
    replica = Replica(primary, version)
    try:
        yield replica
    finally:
        replica.remove()
