"""A URL that cannot be used holds a password: no entry into pgqueue shows it, whatever it prints, logs or raises."""

import asyncio
import logging
import os
import pickle
import subprocess
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
from pydantic import SecretStr

from pgqueue import PgQueue
from pgqueue.config import Settings
from pgqueue.database.connection import connect_options, open_connection
from pgqueue.database.connections import Circuit, Connections
from pgqueue.errors import ConfigurationError
from pgqueue.migrate import migrate
from pgqueue.worker import WorkerOptions
from pgqueue.worker.in_process import Setup
from pgqueue.worker.launch import Launch
from tests.cli.conftest import run_here
from tests.waiting import until

ROOT = Path(__file__).parents[2]
SECRET = "hunter2"
POISONED = (
    f"postgresql+oracle://lovelace:{SECRET}@127.0.0.1:1/db",
    f"postgresql+asyncpg://lovelace:{SECRET}/{SECRET}@127.0.0.1:1/db?ssl={SECRET}",
    f"postgresql+psycopg://lovelace:{SECRET}@127.0.0.1:1/db?{SECRET}={SECRET}",
    f"postgresql://lovelace:%{SECRET}@127.0.0.1:1/db",
    f"postgresql://lovelace:{SECRET} {SECRET}@127.0.0.1:1/db?x y",
    f"postgresql://lovelace:{SECRET}/{SECRET}@127.0.0.1:1/db",
    f"postgresql://lovelace:12/{SECRET}@127.0.0.1:1/db",
    f"postgresql://lovelace:@{SECRET}@127.0.0.1:1/db",
    f"postgresql://lovelace:12@@{SECRET}@127.0.0.1:1/db",
    f"postgresql://lovelace:[{SECRET}@127.0.0.1:1/db?{SECRET}",
    f"host=127.0.0.1 port=1 password=a {SECRET}",
    f"host=127.0.0.1 port=1 password='{SECRET}",
    f"{SECRET}://lovelace@127.0.0.1",
    f"jdbc:postgresql://127.0.0.1:1/db?password={SECRET}",
)
UNREACHABLE = (
    f"postgresql://lovelace:{SECRET}@127.0.0.1:1/db?connect_timeout=1",
    f"host=127.0.0.1 port=1 user=lovelace password={SECRET} sslpassword={SECRET}",
    f"postgresql+asyncpg://lovelace:{SECRET}@127.0.0.1:1/db?ssl=disable",
    f"postgresql://127.0.0.1:1/db?user=lovelace&password={SECRET}",
    "postgresql://lovelace:%68unter2@127.0.0.1:1/db",  # libpq makes SECRET of it
    f"postgres://lovelace:{SECRET}@127.0.0.1:1,127.0.0.1:2/db",
)


def clean(**variables: str) -> dict[str, str]:
    """The environment without settings of the machine that runs the tests."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PGQUEUE_")}
    return {**kept, "PYTHONPATH": str(ROOT), **variables}


def said(*command: str, **variables: str) -> str:
    """All that a command prints; it fails."""
    done = subprocess.run(command, capture_output=True, text=True, env=clean(**variables), cwd=ROOT, timeout=120)
    assert done.returncode, done.stdout
    return done.stdout + done.stderr


def told(run: Callable[[], Any]) -> str:
    """All that is told of an exception: of itself, what it came from, and the text of each."""
    with pytest.raises(Exception) as refused:  # noqa: PT011  # of any kind
        run()
    error: BaseException | None = refused.value
    texts, seen = ["".join(traceback.format_exception(refused.value))], set[int]()
    while error is not None:
        assert id(error) not in seen, "what an exception came from goes round in a circle"
        seen.add(id(error))
        texts += [str(error), repr(error), str(error.args)]
        error = error.__cause__ or error.__context__
    return "\n".join(texts)


COMMANDS = {
    "stats": ("-m", "pgqueue", "stats"),
    "doctor": ("-m", "pgqueue", "doctor"),
    "migrate": ("-m", "pgqueue", "migrate"),
    "serve": ("-m", "pgqueue", "serve"),
    "worker": ("-m", "pgqueue", "worker", "tests.apps:app"),
    "supervisor": ("-m", "pgqueue", "worker", "tests.apps:app", "--processes", "2"),
    "alembic": ("-m", "alembic", "current"),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_shows_the_password_of_a_url(command: str) -> None:
    """From a variable. Processes are slow to start: how each URL is refused is tested below, in this one."""
    text = said(sys.executable, *COMMANDS[command], PGQUEUE_DATABASE_URL=POISONED[0])
    assert "database_url: " in text
    assert SECRET not in text


@pytest.mark.parametrize(
    "arguments",
    [
        ("stats", POISONED[0]),
        (POISONED[0],),
        ("stats", "--database-url", POISONED[1]),
        ("stats", f"--databse-url={POISONED[1]}"),
        ("stats", "--schema", POISONED[0] + "x" * 60),
        ("job", POISONED[0]),
        ("limits", POISONED[0]),
        ("worker", POISONED[0]),
        ("jobs", "--state", POISONED[0]),
    ],
)
def test_a_url_in_the_wrong_place_of_a_command_is_not_repeated(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message is often pasted into a ticket."""
    monkeypatch.setenv("COLUMNS", "200")
    code, out, err = run_here(capsys, *arguments)
    assert (code != 0, out) == (True, "")
    assert err
    assert SECRET not in err


def _connections(url: str) -> None:
    Connections(url, "claims", Circuit())


RAISING: dict[str, Callable[[str], Any]] = {
    "an app": lambda url: PgQueue(url),
    "an app that listens elsewhere": lambda url: PgQueue("postgresql://localhost/db", listen_url=url),
    "settings": lambda url: Settings(database_url=SecretStr(url)),
    "migrate": lambda url: migrate(url),
    "a connection": lambda url: open_connection(url, "test"),
    "the options of a connection": lambda url: connect_options(url, "test"),
    "the connections of a worker": _connections,
}


@pytest.mark.parametrize("entry", RAISING)
@pytest.mark.parametrize("url", POISONED, ids=range(len(POISONED)))
def test_no_exception_holds_the_password_of_a_url(entry: str, url: str) -> None:
    """Nor does one that it came from, which tools such as Sentry send as well."""
    assert SECRET not in told(lambda: RAISING[entry](url))


async def _try(url: str) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(1):  # it never ends by itself
            await Circuit().connect(url, **connect_options(url, "test"))


@pytest.mark.parametrize("url", UNREACHABLE, ids=range(len(UNREACHABLE)))
def test_a_database_that_cannot_be_reached_is_told_without_the_password(url: str, caplog: pytest.LogCaptureFixture) -> None:
    """By exceptions, and by the log of a worker at each try."""
    app = PgQueue(url)
    texts = [told(lambda: open_connection(url, "test")), told(lambda: migrate(url)), str(app.doctor())]

    with caplog.at_level(logging.DEBUG):
        asyncio.run(_try(url))
    assert "connection" in caplog.text
    assert SECRET not in "\n".join([*texts, caplog.text])


def test_what_holds_a_url_does_not_show_it() -> None:
    """In a log line, in the locals of a traceback, and as JSON."""
    url = UNREACHABLE[0]
    settings = PgQueue(url, listen_url=url).settings
    copied = pickle.loads(pickle.dumps(settings))
    for holder in (settings, copied, Launch("app:app", WorkerOptions(), url), Setup(url, "pgqueue", None)):
        assert SECRET not in f"{holder} {holder!r}"
    assert SECRET not in settings.model_dump_json() + str(settings.model_dump()) + str(vars(settings))


def test_the_key_of_an_http_worker_is_not_shown() -> None:
    """Neither by its options nor by the HTTP client, which repeats a header that it refuses."""
    from pgqueue.http_worker.worker import HttpWorkerOptions

    assert SECRET not in repr(HttpWorkerOptions("http://localhost", SECRET))
    for bad in (f"{SECRET}\n", f"{SECRET}é", f"a {SECRET}"):
        with pytest.raises(ConfigurationError, match="key: it has characters that no key has") as refused:
            HttpWorkerOptions("http://localhost", bad)
        assert SECRET not in str(refused.value)
    with pytest.raises(ConfigurationError, match="url: ") as refused:
        HttpWorkerOptions(f"ftp://lovelace:{SECRET}@localhost", "key")
    assert SECRET not in str(refused.value)


def test_the_fixtures_for_tests_of_applications_do_not_show_the_password(tmp_path: Path) -> None:
    """pytest shows the arguments of the functions that an error came through."""
    (tmp_path / "test_it.py").write_text("def test_it(pgqueue_database_url):\n    pass\n")
    command = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider", str(tmp_path), "--rootdir", str(tmp_path))
    for url in (POISONED[0], UNREACHABLE[0]):
        text = said(*command, PGQUEUE_TEST_DATABASE_URL=url)
        assert "PGQUEUE_TEST_DATABASE_URL: " in text
        assert SECRET not in text


def test_the_processes_of_a_worker_have_no_url_among_their_arguments(database_url: str) -> None:
    """Every user of the machine may read those of all processes."""
    url = psycopg.conninfo.make_conninfo(database_url, password=SECRET)
    orders = ("--processes", "2", "--schema", "pgqueue", "--database-url", url)
    command = (sys.executable, "-m", "pgqueue", "worker", "tests.worker.process_jobs:app", *orders)
    worker = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=clean(), cwd=ROOT)
    try:
        with psycopg.connect(database_url, autocommit=True) as connection:
            until(lambda: len(connection.execute("select from pgqueue.worker").fetchall()) == 2, "the workers have started")
        children = psutil.Process(worker.pid).children(recursive=True)
        assert len(children) >= 2
        assert not [child for child in children if SECRET in str(child.cmdline())]
        assert [child for child in children if "tests.worker.process_jobs:app" in str(child.cmdline())]
    finally:
        worker.terminate()
        worker.wait(60)


def test_the_helps_say_that_others_see_options() -> None:
    """Where somebody reads how to pass a URL or a key."""
    for command in (("pgqueue", "stats"), ("pgqueue.http_worker",)):
        shown = subprocess.run((sys.executable, "-m", *command, "--help"), capture_output=True, text=True, env=clean(), cwd=ROOT)
        assert "other users of the machine" in " ".join(shown.stdout.replace("│", " ").split()).lower()
