"""`make demo`: what it measures, what it shows, and that it goes on where it was stopped."""

import ast
import asyncio
import hashlib
import os
import pty
import re
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from examples.index_report import Database, show, watch
from examples.index_source import complexity, index_file, package_of, short, source_files
from pgqueue import PgQueue
from pgqueue.worker import Worker, WorkerOptions

from ..looking import Look
from ..waiting import PATIENCE, until

CHECKOUT = Path(__file__).parents[2]
Demo = Callable[[], "subprocess.Popen[str]"]


@pytest.fixture
def look(connection: psycopg.Connection[Any]) -> Look:
    return Look(connection)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A source tree: forty files that parse, two that do not, some that are not looked at; a package, and the top level."""
    (tmp_path / "core").mkdir()
    for number in range(40):
        (tmp_path / ("core" if number < 10 else "") / f"module{number}.py").write_text(
            "def f(x):\n    return 1 if x else 2\n" * (number + 1)
        )
    (tmp_path / "old.py").write_text("print 'Python 2'\n")
    (tmp_path / "bytes.py").write_bytes(b"\xff\xfe = 1")
    (tmp_path / "notes.txt").write_text("not Python")
    (tmp_path / "site-packages").mkdir()
    (tmp_path / "site-packages/other.py").write_text("x = 1")
    return tmp_path


@pytest.fixture
def demo(tree: Path, database_url: str) -> Iterator[Demo]:
    """Starts the demo on the tree and the test's database."""
    started: list[subprocess.Popen[str]] = []
    environment = os.environ | {"PGQUEUE_DATABASE_URL": database_url, "COLUMNS": "120"}

    def start() -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "examples.index_source", str(tree)]
        started.append(
            subprocess.Popen(command, cwd=CHECKOUT, env=environment, text=True, stdout=subprocess.PIPE, start_new_session=True)
        )
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=PATIENCE)


def measure(source: str) -> int:
    return complexity(ast.parse(textwrap.dedent(source)))


def test_complexity_counts_paths() -> None:
    assert measure("x = 1") == 1
    assert measure("if x: pass\nelif y: pass\nelse: pass") == 3
    assert measure("if a and b or c: pass") == 4
    assert measure("[x for x in y if x]") == 2
    assert measure("try: pass\nexcept ValueError: pass\nexcept KeyError: pass") == 3
    assert measure("match x:\n    case 1: pass\n    case 2: pass") == 3


def test_a_file_is_measured(tmp_path: Path) -> None:
    source = b"def easy(): pass\ndef hard(x):\n    while x:\n        if x: break\n"
    (tmp_path / "a.py").write_bytes(source)
    assert index_file(str(tmp_path), "a.py") == {
        "file": "a.py",
        "sha256": hashlib.sha256(source).hexdigest(),
        "lines": 4,
        "functions": 2,
        "complexity": 3,
        "hardest": "hard",
    }


def test_files_that_were_installed_into_a_tree_are_not_its_own(tree: Path) -> None:
    files = list(source_files(tree))
    assert len(files) == 42
    assert {package_of(file) for file in files} == {"core", "(top level)"}
    assert package_of("core/deep/er.py") == "core"


def test_nodes_whose_names_would_be_too_long_have_none() -> None:
    assert (short("a" * 200), short("a" * 201)) == ("a" * 200, None)


def test_a_scan_that_failed_leaves_no_report(app: PgQueue) -> None:
    @app.task
    def scan() -> None: ...

    @app.task
    def report() -> None: ...

    flow = app.workflow()
    flow.add(scan, name="scan")
    flow.add(report, name="report", after="scan")
    run = flow.enqueue()
    run.cancel()

    with Database(app) as database, pytest.raises(SystemExit, match=r"there is no report: job .* was cancelled"):
        show(database, run, database.now())


def test_what_was_scanned_is_said_of_a_new_run_also_if_it_is_over_at_the_first_look(
    app: PgQueue, capsys: pytest.CaptureFixture[str]
) -> None:
    """As on a busy machine, where the workers start sooner than we look."""

    @app.task
    def scan() -> dict[str, int]:
        return {"files": 1, "packages": 1}

    flow = app.workflow()
    for name in ("scan", "file", "report"):
        flow.add(scan, name=name)
    run = flow.enqueue()
    asyncio.run(Worker(app, WorkerOptions(burst=True, handle_signals=False)).run())

    with subprocess.Popen(["true"]) as ended:
        watch(run, ended, is_new=True)
        assert "1 files, one job each" in capsys.readouterr().out
        watch(run, ended, is_new=False)
        assert "one job each" not in capsys.readouterr().out


def test_it_indexes_every_file_and_shows_the_results(demo: Demo, look: Look) -> None:
    process = demo()
    shown, _ = process.communicate(timeout=60)

    assert process.returncode == 0
    assert "42 files, one job each" in shown
    assert re.search(r"^ +41 +80 +40 +module39\.py +f *$", shown, re.MULTILINE)
    assert re.search(r"3 +SyntaxError +old\.py +Missing parentheses", shown)
    assert re.search(r"^\(top level\) +30 +2 +1,530 +765 +795 +module39\.py *$", shown, re.MULTILINE), shown
    assert re.search(r"^core +10 +0 +110 +55 +65 +core/module9\.py *$", shown, re.MULTILINE), shown
    assert "42 files in 2 packages: 1,640 lines, 820 functions; 2 failed." in shown
    assert re.search(r"46 jobs in [\d.]+ s: [\d,]+ jobs/s", shown)
    assert (look.count("succeeded"), look.count("failed"), look.live()) == (44, 2, 0)
    assert look.rows("select status, nodes, skipped from workflow_progress") == [{"status": "failed", "nodes": 46, "skipped": 0}]
    assert look.rows("select * from workflow_drift()") == []
    assert look.value("select count(*) from worker") == 0


def test_the_commands_to_try_next_work(demo: Demo, database_url: str, look: Look) -> None:
    shown, _ = demo().communicate(timeout=60)
    commands = [line.split("  #")[0] for line in shown.split("Try next:\n")[1].partition("\n\n")[0].splitlines()]
    assert len(commands) == 10
    dead = [str(row["id"]) for row in look.rows("select id from dead_letter")]
    assert [command.split()[-1] in dead for command in commands if " retry " in command] == [True]

    for command in commands:
        if "worker" in command:
            command += " --burst"
        environment = os.environ | {"PGQUEUE_DATABASE_URL": database_url}
        ended = subprocess.run(command, shell=True, cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, (command, ended.stderr)


def test_a_second_start_begins_anew_once_the_first_is_done(demo: Demo, look: Look) -> None:
    for _ in range(2):
        assert "42 files, one job each" in demo().communicate(timeout=60)[0]
    assert look.value("select count(*) from workflow") == 2


def test_it_serves_the_dashboard_as_long_as_it_works(demo: Demo, look: Look) -> None:
    process = demo()
    # While a failing file waits for its retry the run cannot be over.
    until(
        lambda: look.value("update job set run_at = run_at + interval '1 hour' where state = 'scheduled' returning id"), "a retry"
    )
    assert process.stdout is not None
    said, address = "", None
    while address is None:
        line = process.stdout.readline()
        assert line, said
        said += line
        address = re.search(r"dashboard, as long as this takes: (http://127\.0\.0\.1:\d+/)", said)
    html = httpx.get(address[1], timeout=20).text
    assert "Overview" in html
    assert 'id="queue-index"' in html
    look.value("update job set run_at = clock_timestamp() where state = 'scheduled'")
    process.communicate(timeout=60)
    assert process.returncode == 0
    with pytest.raises(httpx.ConnectError):
        httpx.get(address[1], timeout=20)


def test_at_a_terminal_the_dashboard_stays_until_enter(tree: Path, database_url: str) -> None:
    ours, theirs = pty.openpty()
    environment = os.environ | {"PGQUEUE_DATABASE_URL": database_url, "COLUMNS": "120", "TERM": "dumb"}
    command = [sys.executable, "-m", "examples.index_source", str(tree)]
    process = subprocess.Popen(command, cwd=CHECKOUT, env=environment, stdin=theirs, stdout=theirs, start_new_session=True)
    os.close(theirs)
    said = ""
    while "until you press Enter" not in said:
        said += os.read(ours, 4096).decode(errors="ignore")
    address = re.search(r"Watch it in the dashboard: (http://127\.0\.0\.1:\d+/)", said)
    assert address, said
    assert "Overview" in httpx.get(address[1], timeout=20).text
    os.write(ours, b"\n")
    assert process.wait(PATIENCE) == 0
    os.close(ours)


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_it_goes_on_where_it_was_stopped(demo: Demo, look: Look, stop: signal.Signals) -> None:
    process = demo()
    until(lambda: look.value("select exists (select from worker)"), "workers run")
    # While a failing file waits for its retry the run cannot be over.
    until(
        lambda: look.value("update job set run_at = run_at + interval '1 hour' where state = 'scheduled' returning id"), "a retry"
    )
    os.killpg(process.pid, stop) if stop is signal.SIGINT else process.send_signal(stop)
    shown, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "the same command goes on with it" in shown
    assert look.value("select count(*) from worker") == 0
    assert look.count("running") == 0
    look.value("update job set run_at = clock_timestamp() where state = 'scheduled'")

    process = demo()
    shown, _ = process.communicate(timeout=60)

    assert process.returncode == 0
    assert "Going on with" in shown
    assert look.value("select count(*) from jobs") == 46
    assert look.value("select count(*) from workflow") == 1
    assert look.live() == 0


def test_a_directory_without_python_is_said(tmp_path: Path, database_url: str) -> None:
    environment = os.environ | {"PGQUEUE_DATABASE_URL": database_url}
    command = [sys.executable, "-m", "examples.index_source", str(tmp_path)]
    ended = subprocess.run(command, cwd=CHECKOUT, env=environment, text=True, capture_output=True, check=False)
    assert ended.returncode == 1
    assert "has no Python files" in ended.stderr
