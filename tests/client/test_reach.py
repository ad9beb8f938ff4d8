"""A database that cannot be reached: within 5 s an enqueue and a command say where to, from which setting, and why."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from time import monotonic
from typing import Any, NamedTuple

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from pgqueue import PgQueue, Task
from pgqueue.database import SyncPool, reach
from pgqueue.database.away import place, why
from pgqueue.database.connection import open_connection
from pgqueue.database.statement import Statements
from pgqueue.embedded import server
from pgqueue.errors import ConfigurationError, NoConnection
from pgqueue.migrate import migrate
from pgqueue.transaction.services import Services
from tests.cli.conftest import run_here
from tests.looking import Look
from tests.postgres import running_server
from tests.refusing import black_hole, closed_port, refusing

SAYS_WITHIN = 5.0  # seconds
SECRET = "hunter2"


@pytest.fixture
def held() -> Iterator[ExitStack]:
    """Holds what a test starts."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls wait less for a database that is away."""
    monkeypatch.setattr(reach, "AWAY", 0.3)
    monkeypatch.setattr(reach, "SILENT", 1.0)


class Refused(NamedTuple):
    """What an enqueue said, and after how long."""

    text: str
    seconds: float


def _number(n: int) -> int:
    return n


def _enqueue(app: PgQueue) -> Refused:
    began = monotonic()
    with pytest.raises(NoConnection) as refused:
        app.task(_number).enqueue(1)
    return Refused(str(refused.value), monotonic() - began)


async def _aenqueue(app: PgQueue) -> Refused:
    began = monotonic()
    with pytest.raises(NoConnection) as refused:
        await app.task(_number).aenqueue(1)
    took = monotonic() - began
    await app.aclose()
    return Refused(str(refused.value), took)


def _refused(url: str | None, how: str = "sync") -> Refused:
    app = PgQueue(url)
    said = _enqueue(app) if how == "sync" else asyncio.run(_aenqueue(app))
    app.close()
    assert "\n" not in said.text
    assert SECRET not in said.text
    return said


REFUSED = "Connection refused; no server listens there: start it, or correct host and port"
SILENT = "connection timeout expired; check host and port, the network and its firewalls"


@pytest.mark.alone
@pytest.mark.parametrize(("how", "kind"), [("sync", "closed"), ("async", "silent"), ("sync", "both")])
def test_an_enqueue_says_within_5_s_why_the_database_cannot_be_reached(
    how: str, kind: str, held: ExitStack, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Of the whole time, because that is what is promised; below, the same in less."""
    closed, silent = closed_port(), held.enter_context(black_hole())
    hosts, ports, reason = {
        "closed": ("127.0.0.1", f"{closed}", REFUSED),
        "silent": ("127.0.0.1", f"{silent}", SILENT),
        "both": ("127.0.0.1,127.0.0.1", f"{silent},{closed}", f"127.0.0.1:{silent}: {SILENT}; 127.0.0.1:{closed}: {REFUSED}"),
    }[kind]
    monkeypatch.setenv("PGQUEUE_DATABASE_URL", make_conninfo(user="ada", password=SECRET, host=hosts, port=ports))
    said = _refused(None, how)
    assert reach.AWAY - 0.5 < said.seconds < SAYS_WITHIN
    assert said.text.endswith(f"(PGQUEUE_DATABASE_URL): {reason}")
    assert caplog.text == ""  # the pool's own lines repeat it again and again


@pytest.mark.parametrize("how", ["sync", "async"])
def test_an_enqueue_says_why_the_database_cannot_be_reached(how: str, impatient: None) -> None:
    port = closed_port()
    said = _refused(f"postgresql+asyncpg://ada:{SECRET}@127.0.0.1:{port}/db", how)
    assert said.text.endswith(f" s: cannot connect to 127.0.0.1:{port} (database_url): {REFUSED}")


def test_a_host_that_is_not_known_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    ran = run_here(capsys, "stats", "--database-url", f"postgresql://ada:{SECRET}@nowhere.invalid:6000/db")
    assert ran.code == 1
    assert ran.err.startswith("pgqueue: cannot connect to nowhere.invalid:6000 (database_url): failed to resolve host")
    assert ran.err.endswith("correct the host, or the name server of this machine\n")


@pytest.mark.alone
def test_a_silent_server_is_named_by_a_command_in_time(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, held: ExitStack
) -> None:
    port = held.enter_context(black_hole())
    monkeypatch.setenv("PGQUEUE_DATABASE_URL", f"postgresql://ada:{SECRET}@127.0.0.1:{port}/db")
    began = monotonic()
    ran = run_here(capsys, "stats")
    assert monotonic() - began < SAYS_WITHIN
    assert (ran.code, ran.err.count("\n")) == (1, 1)
    assert f"cannot connect to 127.0.0.1:{port} (PGQUEUE_DATABASE_URL): connection timeout expired; check host" in ran.err


@pytest.mark.parametrize("first", ["closed", "silent"])
def test_the_second_host_is_used_when_the_first_is_dead(first: str, database_url: str, held: ExitStack, look: Look) -> None:
    port = closed_port() if first == "closed" else held.enter_context(black_hole())
    given = conninfo_to_dict(database_url)
    url = make_conninfo(database_url, host=f"127.0.0.1,{given['host']}", port=f"{port},{given.get('port') or 5432}")
    app = PgQueue(url)
    app.task(_number).enqueue(1)
    app.close()
    assert look.live() == 1


@pytest.mark.parametrize(("bears_outage", "least"), [(False, 0.0), (True, 0.9)])
def test_a_handler_waits_for_a_database_that_is_away_as_long_as_for_a_busy_pool(
    bears_outage: bool, least: float, impatient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A short outage does not end it, as it does not end its worker."""
    monkeypatch.setattr(reach, "AGAIN", 0.2)  # so that it looks several times
    pool = SyncPool(f"host=127.0.0.1 port={closed_port()}", Statements("pgqueue"), 1, bears_outage=bears_outage)
    began = monotonic()
    with pytest.raises(NoConnection, match="Connection refused"):
        pool.pool().getconn(1.0)
    assert least <= monotonic() - began
    pool.close()
    services = Services(PgQueue("host=nowhere.invalid"))
    assert services.transactions._bears_outage
    assert services.async_transactions._bears_outage


def test_a_busy_pool_of_a_healthy_server_waits_on(app: PgQueue, welcome: Task[[int], str], look: Look, impatient: None) -> None:
    """Longer than it would wait for a database that is away, also while it cannot open one more connection."""
    pool = app.database.pool()
    taken = [pool.getconn() for _ in range(4)]
    wait_for = 4 * reach.AWAY

    def enqueued() -> float:
        began = monotonic()
        welcome.enqueue(1)
        return monotonic() - began

    pool._reach.note(NoConnection("too many clients"))  # as if it had tried
    asyncio.run(_give_back_after(wait_for, pool, taken.pop(), enqueued))
    assert look.live() == 1
    for connection in taken:
        pool.putconn(connection)


async def _give_back_after(seconds: float, pool: Any, connection: Any, call: Callable[[], float]) -> None:
    calling = asyncio.create_task(asyncio.to_thread(call))
    await asyncio.wait({calling}, timeout=seconds)
    pool.putconn(connection)
    assert await calling >= seconds - 0.1


async def test_a_blocked_event_loop_is_no_database_that_is_away(
    async_app: PgQueue, welcome: Task[[int], str], impatient: None
) -> None:
    """Before it has connected for the first time."""
    enqueuing = asyncio.create_task(welcome.aenqueue(1))
    await asyncio.sleep(0)
    time.sleep(reach.AWAY + 0.2)  # noqa: ASYNC251  # a handler that blocks
    assert (await enqueuing).id


@pytest.mark.parametrize(
    ("sqlstate", "message", "remedy"),
    [
        ("57P03", "the database system is starting up", "the server starts: try again in some seconds"),
        ("57P03", "the database system is shutting down", "the server stops: start it again"),
        ("53300", "sorry, too many clients already", r"the server is full: .* lower pool_size \(PGQUEUE_POOL_SIZE\)"),
        (
            "53300",
            "remaining connection slots are reserved for roles with the SUPERUSER attribute",
            "the server is full: raise max_",
        ),
        ("28000", 'no pg_hba.conf entry for host "1.2.3.4", user "a", database "d", no encryption', r"add \?sslmode=require"),
        ("28000", "Passwort-Authentifizierung fehlgeschlagen", "check the URL and the server"),
    ],
)
def test_what_a_server_answers_is_said_with_a_remedy(sqlstate: str, message: str, remedy: str, held: ExitStack) -> None:
    port = held.enter_context(refusing(sqlstate, message))
    url = f"postgresql://ada:{SECRET}@127.0.0.1:{port}/db?sslmode=disable&gssencmode=disable"
    with pytest.raises(NoConnection, match=rf"^cannot connect to 127.0.0.1:{port} \(database_url\): .*{remedy}") as refused:
        open_connection(url, "test")
    assert message in str(refused.value)


def test_what_is_no_server_of_postgresql(held: ExitStack) -> None:
    port = held.enter_context(refusing("28000", "x"))
    with pytest.raises(NoConnection, match="server does not support SSL, but SSL was required; remove sslmode from the URL"):
        open_connection(f"postgresql://ada:{SECRET}@127.0.0.1:{port}/db?sslmode=require", "test")


@contextmanager
def _with_passwords() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server, "HBA", f"local all ada scram-sha-256\n{server.HBA}")
        yield


@pytest.fixture(scope="module")
def guarded() -> Iterator[str]:
    """A server that asks ada for her password, with databases that are of no use."""
    with _with_passwords(), running_server(18) as url, psycopg.connect(url, autocommit=True) as connection:
        for statement in (
            f"create role ada login password '{SECRET}'",
            "create role outsider login",
            "create role group_of_people",
            "create database filled connection limit 0",
            "create database closed",
            "revoke connect on database closed from public",
            "create database latin encoding 'LATIN1' locale 'C' template template0",
            "create database ascii encoding 'SQL_ASCII' locale 'C' template template0",
        ):
            connection.execute(statement)
        yield url


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"user": "ada", "password": "wrong"}, 'password authentication failed for user "ada"; correct user and password'),
        ({"user": "ada"}, r"no password supplied; put the password into the URL, or keep it in ~/\.pgpass"),
        ({"user": "nobody"}, 'role "nobody" does not exist; create it'),
        ({"user": "group_of_people"}, 'role "group_of_people" is not permitted to log in; use another user'),
        ({"user": "ada", "password": SECRET, "dbname": "nix"}, 'database "nix" does not exist; create it'),
        ({"user": "ada", "password": SECRET, "dbname": "filled"}, 'too many connections for database "filled"; the server is'),
        ({"user": "outsider", "dbname": "closed"}, 'permission denied for database "closed"; .*`grant connect on database'),
    ],
)
def test_what_postgresql_refuses_is_said_with_a_remedy(
    guarded: str, changes: dict[str, str], reason: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = make_conninfo(guarded, **changes)
    with pytest.raises(NoConnection, match=rf"^cannot connect to the socket .* \(database_url\): {reason}"):
        open_connection(url, "test")
    monkeypatch.setenv("PGQUEUE_DATABASE_URL", url)
    for command in ("stats", "migrate"):
        ran = run_here(capsys, command)
        assert (ran.code, ran.err.count("\n"), "(PGQUEUE_DATABASE_URL)" in ran.err) == (1, 1, True)
        assert SECRET not in ran.err


def test_an_enqueue_says_why_it_was_refused(guarded: str, impatient: None) -> None:
    assert 'password authentication failed for user "ada"' in _refused(make_conninfo(guarded, user="ada", password="wrong")).text


@pytest.mark.parametrize("encoding", ["latin", "ascii"])
def test_a_database_that_cannot_store_every_text_is_refused(
    guarded: str, encoding: str, capsys: pytest.CaptureFixture[str]
) -> None:
    url = make_conninfo(guarded, dbname=encoding)
    remedy = "pgqueue needs UTF8: create database … encoding 'UTF8' template template0"
    with pytest.raises(ConfigurationError, match=f"database '{encoding}' has the encoding (LATIN1|SQL_ASCII), .*{remedy}"):
        migrate(url)
    for command in (("migrate",), ("stats",), ("worker", "tests.cli.jobs:app")):
        ran = run_here(capsys, *command, "--database-url", url)
        assert (ran.code, ran.err.count("\n")) == (2, 1), command
        assert remedy in ran.err
    with psycopg.connect(url) as connection:
        assert connection.execute("select to_regnamespace('pgqueue')").fetchone() == (None,)


def test_an_enqueue_into_a_database_that_cannot_store_every_text_says_so(guarded: str, impatient: None) -> None:
    assert "has the encoding LATIN1" in _refused(make_conninfo(guarded, dbname="latin")).text


def test_where_a_url_leads_is_said_as_libpq_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOST", "from.variable")
    monkeypatch.setenv("PGPORT", "7000")
    for url, said in (
        ("dbname=jobs", "from.variable:7000"),
        ("postgresql://one,two:1/db", "one:5432, two:1"),
        ("host=a,b port=1", "a:1, b:1"),
        ("hostaddr=::1 port=1", "[::1]:1"),
        ("host=/tmp port=1", "the socket /tmp/.s.PGSQL.1"),
    ):
        assert place(conninfo_to_dict(url)) == said


def test_what_is_said_has_an_end() -> None:
    error = psycopg.OperationalError("connection failed: " + "x" * 10_000)
    assert len(why(error, {}, "database_url")) < 1000
