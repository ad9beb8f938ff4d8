"""Debian's PgBouncer in transaction mode, as a child process on loopback with a configuration of its own."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.waiting import until

BINARY = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
CONFIGURATION = """\
[databases]
* = {target}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {users}
pool_mode = transaction
default_pool_size = {pool_size}
max_client_conn = 500
server_login_retry = 1
"""


@contextmanager
def pgbouncer(url: str, pool_size: int) -> Iterator[str]:
    """Start a PgBouncer before a server; gives the URL through it.

    Args:
        url: of the database; a unix socket or TCP.
        pool_size: connections to the server at most.
    """
    assert BINARY is not None
    server = conninfo_to_dict(url)
    host, user = str(server.get("host") or "localhost"), str(server.get("user") or "postgres")
    directory = Path(tempfile.mkdtemp(prefix="pgbouncer-"))
    port, account = _free_port(), _account(host)
    users, configuration = directory / "users.txt", directory / "pgbouncer.ini"
    users.write_text(f'"{user}" "{server.get("password") or ""}"\n')
    target = f"host={host} port={server.get('port') or 5432}"
    configuration.write_text(CONFIGURATION.format(target=target, port=port, users=users, pool_size=pool_size))
    directory.chmod(0o755)  # the account below reads it
    command = [BINARY, *(["-u", account] if os.geteuid() == 0 else []), str(configuration)]
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    through = make_conninfo(url, host="127.0.0.1", port=port, sslmode="disable", gssencmode="disable")
    try:
        until(lambda: _answers(through, process, directory / "log"), "PgBouncer")
        yield through
    finally:
        process.terminate()  # at once, whatever its clients do
        process.wait(10)
        shutil.rmtree(directory)


def _account(host: str) -> str:
    """The account to run as, because it refuses root: the owner of the socket, whose directory may be closed to others."""
    return pwd.getpwuid(os.stat(host).st_uid).pw_name if host.startswith("/") and os.stat(host).st_uid else "nobody"


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _answers(url: str, process: "subprocess.Popen[bytes]", log: Path) -> bool:
    assert process.poll() is None, log.read_text()
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True
