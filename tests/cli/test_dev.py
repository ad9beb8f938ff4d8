"""`pgqueue dev`: a worker that follows the code, and the dashboard, in one terminal."""

import asyncio
import io
import os
import random
import re
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path

import httpx
import psutil
import psycopg
import pytest

from pgqueue.dev.lines import Lines

from ..waiting import until
from .conftest import CHECKOUT, Process, run_here

GOOD = """
from pgqueue import PgQueue

app = PgQueue()


@app.task
async def {task}() -> None:
    print("it ran {task}")
"""
Dev = Callable[[str], Process]


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """The file that is being written; its directory is watched."""
    (tmp_path / "code").mkdir()
    return tmp_path / "code" / "devjobs.py"


@pytest.fixture
def port() -> int:
    """One that no client is given: the server listens at it seconds later, and again with each change."""
    while True:
        found = random.randint(20_000, 30_000)
        with suppress(OSError), socket.create_server(("127.0.0.1", found)):
            return found


@pytest.fixture
def dev(code: Path, port: int, empty_database_url: str, tmp_path: Path) -> Iterator[Dev]:
    """Starts `pgqueue dev` on a database without pgqueue; the code is as given."""
    started: list[Process] = []
    paths = f"{code.parent}{os.pathsep}{CHECKOUT}"
    environment = os.environ | {"PGQUEUE_DATABASE_URL": empty_database_url, "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"}

    def start(text: str) -> Process:
        code.write_text(text)
        arguments = ["pgqueue", "dev", "devjobs:app", "--port", str(port), "--watch", str(code.parent)]
        started.append(Process(arguments, environment, tmp_path / "log"))
        return started[-1]

    yield start
    for process in started:
        process.clean_up()


def tasks(port: int) -> list[str]:
    """The tasks of the app that the dashboard's server has; none while it starts."""
    try:
        found: list[str] = httpx.get(f"http://127.0.0.1:{port}/api/v1/capabilities", timeout=5).json()["tasks"]
    except httpx.TransportError:
        return []
    return found


def children(process: Process) -> list[psutil.Process]:
    found: list[psutil.Process] = psutil.Process(process.pid).children(recursive=True)
    return found


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that run; who has ended may wait for somebody who asks for its exit code."""
    return [one for one in processes if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]


def test_it_installs_works_serves_and_follows_the_code_until_ctrl_c(
    dev: Dev, code: Path, port: int, empty_database_url: str
) -> None:
    process = dev(GOOD.format(task="first"))
    process.says("for development only")
    until(lambda: tasks(port) == ["first"], "the dashboard is served")
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        connection.execute("select pgqueue.enqueue('first')")
        process.says("worker | it ran first")

        code.write_text(GOOD.format(task="second"))
        until(lambda: tasks(port) == ["second"], "the dashboard has the new task")
        process.says("devjobs.py changed: starting again")
        connection.execute("select pgqueue.enqueue('second')")
        process.says("worker | it ran second")

    left = children(process)
    assert len(left) >= 2
    process.ctrl_c()
    assert process.ends() == 0
    assert alive(left) == []
    assert "Traceback" not in process.log()


def test_code_that_cannot_be_loaded_is_shown_and_the_next_save_starts_it_again(dev: Dev, code: Path, port: int) -> None:
    process = dev("def broken(:\n")
    process.says("SyntaxError")
    process.says("dev    | the worker has ended (exit code 1); it starts again when a file is saved")

    code.write_text(GOOD.format(task="mended"))
    until(lambda: tasks(port) == ["mended"], "the dashboard is served")

    code.write_text("from pgqueue import Nothing\n")
    process.says("Nothing")
    until(lambda: process.log().count("the worker has ended") == 2, "the end is told")
    assert tasks(port) == ["mended"]  # the dashboard goes on with the code that could be loaded


def test_nothing_is_left_when_it_is_killed(dev: Dev, port: int) -> None:
    process = dev(GOOD.format(task="first"))
    until(lambda: tasks(port) == ["first"], "the dashboard is served")
    left = children(process)
    process.signal(signal.SIGKILL)
    assert process.ends() == -signal.SIGKILL
    until(lambda: not alive(left), "the worker and the server end too")


def test_a_module_that_waits_while_it_is_imported_does_not_stop_the_next_save(dev: Dev, code: Path, port: int) -> None:
    process = dev("import time\nprint('it waits', flush=True)\ntime.sleep(1000)\n")
    process.says("it waits")
    code.write_text(GOOD.format(task="mended"))
    until(lambda: tasks(port) == ["mended"], "the dashboard is served")


def test_a_directory_that_is_not_there_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    ran = run_here(capsys, "dev", "devjobs:app", "--watch", str(tmp_path / "nowhere"))
    assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert "is no directory" in ran.err


def test_without_the_extra_the_remedy_is_named(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_module("pgqueue.cli.dev"), "find_spec", lambda name: None if name == "watchfiles" else name)
    ran = run_here(capsys, "dev", "devjobs:app")
    assert ran.code == 2
    assert re.search(r"watchfiles, which is not installed; run: pip install 'pgqueue-native\[api\]'", ran.err)


async def test_lines_of_several_processes_say_whose_they_are() -> None:
    """Also the last one without an end, one that is no text, and one that is too long for a buffer."""
    out = io.StringIO()
    source = asyncio.StreamReader()
    source.feed_data(b"one\r\ntw\xff\n" + b"x" * 200_000 + b"\nlast")
    source.feed_eof()
    await Lines(out).copy("worker", source)
    lines = out.getvalue().splitlines()
    assert lines[:2] == ["worker | one", "worker | tw\ufffd"]
    assert lines[-1] == "worker | last"
    assert "".join(line.removeprefix("worker | ") for line in lines[2:-1]) == "x" * 200_000
