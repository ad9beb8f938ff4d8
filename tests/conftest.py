"""A real PostgreSQL for every test: one server a session, one migrated template, and an untouched clone of it for each test."""

import gc
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from pgqueue import PgQueue
from pgqueue.migrate import migrate
from pgqueue.worker import liveness
from tests.pgbouncer import BINARY, pgbouncer
from tests.postgres import Copies, new_database, running_server

TEST_LEASE = 2.0  # seconds
NEWEST_POSTGRES = 18


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--postgres", type=int, default=NEWEST_POSTGRES, help="major version of the server that is started: 15, 16 or 18"
    )
    parser.addoption("--slow", action="store_true", help="run the long forms of the faults")


def pytest_configure() -> None:
    """What the processes that tests start would inherit.

    A shell that runs the tests in the background has them ignore SIGINT. Where no bytecode may be written, each of the hundreds
    of processes would compile pgqueue again, a quarter of the time that it takes to start, and pytest would rewrite the asserts
    of all tests again.

    Tables of commands are as wide as COLUMNS says, which readline sets for the processes that a terminal's process starts.

    No test speaks TLS with the world. To read the certificates of its authorities, for each client of HTTP, took 25 ms.

    While tests are collected nothing is garbage, and there are a million objects to look through.
    """
    os.environ.pop("SSL_CERT_FILE", None)
    os.environ["SSL_CERT_DIR"] = os.devnull
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ.pop("COLUMNS", None)
    sys.dont_write_bytecode = False
    gc.disable()
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Three processes on two cores: many tests wait for processes and leases most of their time."""
    return min(8, (os.cpu_count() or 2) * 3 // 2)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """`make test` runs the short forms, `make test-faults` the long ones; see the markers in pyproject.toml."""
    _refuse_ids_that_change(items)
    left_out = [] if config.getoption("--slow") else [item for item in items if "slow" in item.keywords]
    if config.getoption("--postgres") != NEWEST_POSTGRES:
        left_out += _repeats(items)
    dropped = set(left_out)
    items[:] = [item for item in items if item not in dropped]
    config.hook.pytest_deselected(items=left_out)


def pytest_collection_finish() -> None:
    """The garbage collector leaves alone what was made until now: it took a fifth of the processor's time to look through it.

    A test makes little garbage: to look after each 700 objects took an eighth of the time of what is left.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    gc.enable()


def _refuse_ids_that_change(items: list[pytest.Item]) -> None:
    """Each process of a parallel run must collect the same ids, and the order of a set of strings differs between them."""
    if changing := [item.nodeid for item in items if re.search(r"\{'[^']*', |0x[0-9a-f]{6}", item.nodeid)]:
        raise pytest.UsageError(f"the id of a test holds a set of strings or an address; name the case: {changing}")


def _repeats(items: list[pytest.Item]) -> list[pytest.Item]:
    """What an older PostgreSQL need not run.

    What can differ between versions are functions, plans and locks; the Makefile says what runs on which version. Mutants test
    the tests, and sizes are the same: `one_postgres` leaves them out. A table of arguments or states takes one path through the
    same functions again and again: of tests marked `one_case` the first case runs.
    """
    seen: set[str] = set()
    repeats = []
    for item in items:
        test = item.nodeid.partition("[")[0]
        if "one_postgres" in item.keywords or ("one_case" in item.keywords and test in seen):
            repeats.append(item)
        seen.add(test)
    return repeats


@pytest.fixture(scope="session")
def server_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A server to make databases on: PGQUEUE_TEST_DATABASE_URL, or one of our own that is gone afterwards."""
    if url := os.environ.get("PGQUEUE_TEST_DATABASE_URL"):
        yield url
        return
    with running_server(request.config.getoption("--postgres")) as url:
        yield url


@pytest.fixture(scope="session")
def template(server_url: str) -> Iterator[str]:
    """The name of a database into which pgqueue is installed once a session.

    The install is a year old for all tests: else it would be new for the first ones, and old for those that run an hour later.
    """
    with new_database(server_url) as url:
        migrate(url)
        with psycopg.connect(url) as connection:
            connection.execute("update pgqueue.setting set created_at = created_at - interval '1 year'")
        yield str(conninfo_to_dict(url)["dbname"])


@pytest.fixture(scope="session")
def copies(server_url: str, template: str) -> Iterator[Copies]:
    """Copies of the template."""
    copies = Copies(server_url, template)
    yield copies
    copies.close()


@pytest.fixture
def database_url(copies: Copies) -> Iterator[str]:
    """The URL of a fresh database with pgqueue installed."""
    with copies.one() as url:
        yield url


@pytest.fixture
def pooled(database_url: str) -> Iterator[Callable[[int], str]]:
    """Starts a PgBouncer in transaction mode with a pool of this size before the test's database; gives the URL through it."""
    if BINARY is None:
        pytest.skip("there is no pgbouncer: apt-get install pgbouncer")
    with ExitStack() as running:
        yield lambda pool_size: running.enter_context(pgbouncer(database_url, pool_size))


@pytest.fixture
def empty_database_url(server_url: str) -> Iterator[str]:
    """The URL of a fresh database without pgqueue."""
    with new_database(server_url) as url:
        yield url


@pytest.fixture
def connect(database_url: str) -> Iterator[Callable[..., psycopg.Connection[Any]]]:
    """Opens connections to the test's database with pgqueue on the search_path; they are closed afterwards."""
    opened: list[psycopg.Connection[Any]] = []

    def open_one(**options: Any) -> psycopg.Connection[Any]:
        connection = psycopg.connect(database_url, options="-c search_path=pgqueue", **{"autocommit": True, **options})
        opened.append(connection)
        return connection

    yield open_one
    for connection in opened:
        connection.close()


@pytest.fixture
def connection(connect: Callable[..., psycopg.Connection[Any]]) -> psycopg.Connection[Any]:
    """One autocommit connection to the test's database."""
    return connect()


@pytest.fixture(autouse=True, scope="session")
def quick_ends() -> Iterator[None]:
    """A worker in this process ends at once, and not a quarter of a second later."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(liveness, "LOOK_EVERY", 0.02)
        yield


@pytest.fixture
def app(database_url: str) -> Iterator[PgQueue]:
    """An app on the test's database with a short lease."""
    app = PgQueue(database_url, lease=TEST_LEASE)
    yield app
    app.close()
