"""Commands run in this process where they only read and print, and in processes of their own where they work."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pytest

from pgqueue import PgQueue, Retry
from pgqueue.cli import main
from pgqueue.migrate import migrate
from pgqueue.worker import Worker, WorkerOptions

from ..looking import Look
from ..probing import manager as manager
from ..probing import port as port
from ..waiting import PATIENCE, until

CHECKOUT = Path(__file__).parents[2]


class Ran(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[Any]:
        """What it printed, as one JSON document a line."""
        return [json.loads(line) for line in self.out.splitlines()]


Run = Callable[..., Ran]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, database_url: str) -> Run:
    """Runs a command on the test's database."""
    monkeypatch.setenv("PGQUEUE_DATABASE_URL", database_url)
    return lambda *arguments: run_here(capsys, *arguments)


def run_here(capsys: pytest.CaptureFixture[str], *arguments: str) -> Ran:
    """Run a command in this process."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        main([str(argument) for argument in arguments])
    assert isinstance(end.value.code, int)
    return Ran(end.value.code, *capsys.readouterr())


@pytest.fixture
def look(connection: psycopg.Connection[Any]) -> Look:
    """Looks at the test's database."""
    return Look(connection)


@pytest.fixture
def work(app: PgQueue) -> Callable[[], None]:
    """Registers two tasks, and runs what is in the queue until nothing is ready."""

    @app.task
    async def add(a: int, b: int) -> int:
        return a + b

    @app.task(retry=Retry(1, backoff="fixed", delay=0), queue="mail")
    async def fail(why: str) -> None:
        raise ValueError(why)

    return lambda: asyncio.run(Worker(app, WorkerOptions(burst=True, handle_signals=False)).run())


class Process:
    """A command in a process of its own, in a session of its own, as if started by a terminal."""

    def __init__(self, arguments: list[str], environment: dict[str, str], log: Path, inside: tuple[str, ...] = ()) -> None:
        self._log = log
        command = [*inside, sys.executable, "-m", *arguments]
        with log.open("wb") as out:
            self._process = subprocess.Popen(
                command, cwd=CHECKOUT, env=environment, stdout=out, stderr=out, start_new_session=True
            )
        self.pid = self._process.pid

    def log(self) -> str:
        """What it has written to stdout and stderr."""
        return self._log.read_text()

    def says(self, text: str) -> None:
        """Wait until it has logged this."""
        until(lambda: text in self.log(), f"{text!r} in the log")

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def ctrl_c(self) -> None:
        """What a terminal does: SIGINT to the whole process group."""
        os.killpg(self.pid, signal.SIGINT)

    def ends(self, within: float = PATIENCE) -> int:
        """Wait for its end; the exit code."""
        return self._process.wait(within)

    def clean_up(self) -> None:
        """Leave nothing behind; its workers end when it does."""
        if self._process.poll() is None:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(PATIENCE)
            self._process.kill()
        self._process.wait()


Start = Callable[..., Process]


@pytest.fixture
def start(database_url: str, tmp_path: Path) -> Iterator[Start]:
    """Starts `python -m …` on the test's database with a short lease."""
    started: list[Process] = []
    environment = os.environ | {"PGQUEUE_DATABASE_URL": database_url, "PGQUEUE_LEASE": "2"}

    def start_one(*arguments: str) -> Process:
        process = Process([str(argument) for argument in arguments], environment, tmp_path / f"log{len(started)}")
        started.append(process)
        return process

    yield start_one
    for process in started:
        process.clean_up()


@pytest.fixture
def several(database_url: str) -> Callable[..., None]:
    """Installs pgqueue in further schemas of the test's database."""

    def install(*schemas: str) -> None:
        for schema in schemas:
            migrate(database_url, schema)

    return install
