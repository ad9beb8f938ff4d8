"""What `pgqueue worker` logs, and where."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from psycopg.conninfo import make_conninfo

from ..looking import Look
from .conftest import CHECKOUT, Ran, run_here

APP = "tests.cli.logged:app"
PASSWORD = "hunter2"


def work(url: str, out: Any = subprocess.PIPE, *options: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run a worker until nothing is left."""
    command = [sys.executable, "-m", "pgqueue", "worker", APP, "--burst", *options]
    variables = os.environ | {"PGQUEUE_DATABASE_URL": url, **environment}
    return subprocess.run(
        command, cwd=CHECKOUT, env=variables, text=True, stdout=out, stderr=subprocess.PIPE, timeout=60, check=False
    )


def _written(file: Path) -> list[str]:
    """The lines of a log, also of one that a midnight has renamed meanwhile."""
    return [line for path in sorted(file.parent.glob(f"{file.name}*")) for line in path.read_text().splitlines()]


def test_stdout_and_the_file_have_every_line_as_json_and_no_line_the_url_of_the_database(
    look: Look, database_url: str, tmp_path: Path
) -> None:
    said, failed = look.value("""select enqueue('say', '{"iban": "DE1"}')"""), look.value("select enqueue('fail', retries => 0)")
    url, file = make_conninfo(database_url, password=PASSWORD), tmp_path / "w.log"

    ran = work(url, PGQUEUE_LOG_LEVEL="debug", PGQUEUE_LOG_FILE=str(file))

    assert (ran.returncode, ran.stderr) == (0, "")
    lines = [json.loads(line) for line in ran.stdout.splitlines()]
    assert sorted(_written(file)) == sorted(ran.stdout.splitlines())
    assert {"timestamp", "level", "logger", "message", "process", "worker", "worker_id"} <= set.intersection(*map(set, lines))
    (in_process,) = (line for line in lines if line["logger"] == "shop")
    worker = next(line for line in lines if "started" in line["message"])
    assert (in_process["job_id"], in_process["task"], in_process["attempt"]) == (said, "say", 1)
    assert (in_process["worker_id"], in_process["message"]) == (worker["worker_id"], "iban: [redacted]")
    assert in_process["process"] != worker["process"]
    debug = {line["message"].partition(" in ")[0] for line in lines if line["level"] == "DEBUG"}
    assert {f"job {said} succeeded", f"job {failed} failed"} <= debug
    assert PASSWORD not in ran.stdout
    assert look.value("select errors->-1->>'message' from dead_letter where id = %s", failed) == f"cannot connect to {url}"


def _said(lines: list[str]) -> list[str]:
    """What was logged as a warning, but that the worker logs in as a superuser."""
    return [line for line in lines if "WARNING" in line and "superuser" not in line]


def test_options_come_before_the_environment(look: Look, database_url: str, tmp_path: Path) -> None:
    look.value("""select enqueue('say', '{"iban": "DE1"}')""")
    options = ("--log-level", "warning", "--log-format", "console", "--log-file", str(tmp_path / "mine.log"))
    environment = {"PGQUEUE_LOG_LEVEL": "debug", "PGQUEUE_LOG_FORMAT": "json", "PGQUEUE_LOG_FILE": str(tmp_path / "other.log")}

    ran = work(database_url, subprocess.PIPE, *options, **environment)

    (line,) = _said(ran.stdout.splitlines())
    (written,) = _said(_written(tmp_path / "mine.log"))
    assert "iban: [redacted]" in line
    assert "iban: [redacted]" in written
    assert {path.name[: len("mine.log")] for path in tmp_path.iterdir()} == {"mine.log"}


@pytest.mark.parametrize("to", ["/dev/full", "a pipe that nobody reads"])
def test_a_log_that_cannot_be_written_ends_neither_the_worker_nor_a_job(look: Look, database_url: str, to: str) -> None:
    id = look.value("select enqueue('shout')")
    if to == "/dev/full":
        out = os.open(to, os.O_WRONLY)
    else:
        reader, out = os.pipe()
        os.close(reader)
    try:
        ran = work(database_url, out, PYTHONUNBUFFERED="")  # else what the handler prints fails it
    finally:
        os.close(out)
    assert (ran.returncode, look.state(id)) == (0, "succeeded"), ran.stderr
    told, heard = ran.stderr.splitlines()
    assert told.startswith("pgqueue: the log cannot be written: [Errno ")
    assert heard == "heard"


def test_a_worker_whose_streams_are_closed_takes_no_socket_for_one(look: Look, database_url: str) -> None:
    id = look.value("""select enqueue('say', '{"iban": "DE1"}')""")
    command = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", sys.executable, "-m", "pgqueue", "worker", APP, "--burst"]
    ran = subprocess.run(command, cwd=CHECKOUT, env=os.environ | {"PGQUEUE_DATABASE_URL": database_url}, timeout=60, check=False)
    assert (ran.returncode, look.state(id)) == (0, "succeeded")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("stats",), "refused"),
        (
            ("worker", APP, "--burst", "--log-file", "/nowhere/w.log"),
            "log_file: '/nowhere/w.log' cannot be written: No such file",
        ),
    ],
)
def test_what_is_refused_is_named_without_the_password(
    options: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ran: Ran = run_here(capsys, *options, "--database-url", f"postgresql://ada:{PASSWORD}@localhost:1/none")
    assert (ran.out, ran.err.count("\n"), says in ran.err, PASSWORD in ran.err) == ("", 1, True, False)
