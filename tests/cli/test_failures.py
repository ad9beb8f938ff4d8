"""What goes wrong is one line on stderr and an exit code."""

import psycopg
import pytest

from pgqueue.cli import cli
from pgqueue.cli.failures import exit_code
from pgqueue.errors import ConfigurationError, InvalidArgument, JobNotFound, NotMigrated, WrongState
from pgqueue.version import __version__

from .conftest import Ran, Run, run_here

COMMANDS = [
    "migrate", "worker", "enqueue", "jobs", "job", "retry", "cancel", "workflows", "workflow", "retry_workflow",
    "cancel_workflow", "schedule", "workers", "stats", "dead", "signal", "pause", "resume",
    "drain", "discard", "update", "operations", "operation",
]  # fmt: skip


def one_line(ran: Ran) -> bool:
    return ran.out == "" and ran.err.startswith("pgqueue: ") and ran.err.count("\n") == 1


def test_each_command_is_there() -> None:
    assert [command.callback.__name__ for command in cli.registered_commands if command.callback] == COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help_and_says_where_the_database_is(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    ran = run_here(capsys, command.replace("_", "-"), "--help")
    assert ran.code == 0
    assert "--database-url" in ran.out
    assert "--schema" in ran.out


def test_without_a_database_url_the_remedy_is_named(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PGQUEUE_DATABASE_URL", raising=False)
    ran = run_here(capsys, "jobs")
    assert (ran.code, one_line(ran)) == (2, True)
    assert "PGQUEUE_DATABASE_URL=postgresql://" in ran.err


def test_a_database_url_that_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    ran = run_here(capsys, "stats", "--database-url", "postgresql+psycopg://ada:secret@localhost/db")
    assert (ran.code, one_line(ran)) == (2, True)
    assert "secret" not in ran.err


def test_the_version_needs_no_database(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PGQUEUE_DATABASE_URL", raising=False)
    ran = run_here(capsys, "--version")
    assert (ran.code, ran.out, ran.err) == (0, f"{__version__}\n", "")


def test_a_server_that_cannot_be_reached(capsys: pytest.CaptureFixture[str]) -> None:
    ran = run_here(capsys, "stats", "--database-url", "postgresql://nobody@localhost:1/none")
    assert (ran.code, one_line(ran)) == (1, True)
    assert "refused" in ran.err


def test_a_database_without_pgqueue(capsys: pytest.CaptureFixture[str], empty_database_url: str) -> None:
    ran = run_here(capsys, "jobs", "--database-url", empty_database_url)
    assert (ran.code, one_line(ran)) == (2, True)
    assert "pgqueue migrate" in ran.err


def test_a_schema_without_pgqueue(run: Run) -> None:
    ran = run("workers", "--schema", "elsewhere")
    assert (ran.code, one_line(ran)) == (2, True)
    assert "elsewhere" in ran.err


@pytest.mark.parametrize("arguments", [("jobs", "--state", "asleep"), ("jobs", "--limit", "0"), ("job", "x"), ("nonsense",)])
def test_wrong_usage(run: Run, arguments: tuple[str, ...]) -> None:
    ran = run(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert "Traceback" not in ran.err


def test_exit_codes() -> None:
    assert [exit_code(error) for error in (WrongState(), psycopg.OperationalError())] == [1, 1]
    assert [exit_code(error) for error in (InvalidArgument(), ConfigurationError(), NotMigrated(), psycopg.DataError())] == [
        2
    ] * 4
    assert exit_code(JobNotFound()) == 3
