"""The connections of a supervisor and its workers: none is shared, none is idle in the supervisor, few come at once."""

import os
import signal
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg
import pytest

from pgqueue.migrate import migrate

from ..faults.proxy import Proxy
from ..looking import Look
from ..postgres import running_server
from ..waiting import until
from .conftest import Start
from .test_supervisor import APP, start_two

OURS = "select count(*) from pg_stat_activity where application_name ~ '^pgqueue ' and datname = current_database()"


def _sockets(pid: int) -> set[str]:
    """The sockets that a process holds, by their inodes."""
    links = set()
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # it was closed meanwhile
            links.add(os.readlink(fd))
    return {link for link in links if link.startswith("socket:")}


def test_no_process_shares_a_socket_and_an_idle_supervisor_has_no_connection(start: Start, look: Look, database_url: str) -> None:
    """Over TCP, because the connections of a process cannot be told from its other sockets otherwise."""
    with Proxy(database_url) as proxy:
        supervisor = start_two(start, look, "--database-url", proxy.url)
        until(lambda: look.value("select count(*) from worker where wake_mode = 'notify'") == 2, "both listen")
        workers = [row["pid"] for row in look.rows("select pid from worker")]

        sockets = [_sockets(pid) for pid in (supervisor.pid, *workers)]

        assert all(sockets), "each has some: of its event loop at least"
        assert sum(map(len, sockets)) == len(set.union(*sockets)), "none is in two processes"
        assert psutil.Process(supervisor.pid).net_connections("tcp") == []
        assert all(psutil.Process(pid).net_connections("tcp") for pid in workers)
        supervisor.signal(signal.SIGTERM)
        assert supervisor.ends() == 0


@pytest.mark.parametrize(
    ("many", "concurrency"),
    [(8, 1), pytest.param(12, 2, marks=pytest.mark.slow)],
)
def test_a_start_and_a_roll_need_less_than_twice_the_connections(start: Start, look: Look, many: int, concurrency: int) -> None:
    """They grow with the processes that are ready, and never beyond."""
    _start_and_roll(start, look, many, "--concurrency", concurrency)


@pytest.mark.slow
def test_a_start_and_a_roll_of_50_processes_need_less_than_twice_the_connections(
    start: Start, request: pytest.FixtureRequest
) -> None:
    """They need more connections than a server allows by default."""
    with running_server(request.config.getoption("--postgres"), max_connections="400") as url:
        migrate(url)
        with psycopg.connect(url, autocommit=True, options="-c search_path=pgqueue") as connection:
            _start_and_roll(start, Look(connection), 50, "--concurrency", "1", "--database-url", url)


def _start_and_roll(start: Start, look: Look, many: int, *options: object) -> None:
    supervisor = start("pgqueue.worker", APP, "--processes", many, *options)
    most_at_start = most = 0

    def are_ready() -> bool:
        nonlocal most_at_start
        most_at_start = max(most_at_start, look.value(OURS))
        return bool(look.value("select count(*) from worker where wake_mode = 'notify'") == many)

    until(are_ready, "all are ready", within=60 + 6 * many)
    steady = look.value(OURS)
    supervisor.signal(signal.SIGHUP)

    def is_rolled() -> bool:
        nonlocal most
        most = max(most, look.value(OURS))
        return "all worker processes were replaced" in supervisor.log()

    until(is_rolled, "the roll", within=60 + 12 * many)
    print(f"{many} processes: {most_at_start} at the start, {steady} when all are ready, {most} while they roll")
    assert steady >= many
    assert most_at_start < 2 * steady
    assert most < 2 * steady
    supervisor.signal(signal.SIGTERM)
    assert supervisor.ends() == 0
