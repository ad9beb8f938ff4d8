"""What goes wrong is one line on stderr and an exit code."""

import re
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from rich.cells import cell_len
from typer.main import get_command

from pgqueue.cli import cli
from pgqueue.cli.failures import exit_code
from pgqueue.cli.root import LISTED
from pgqueue.errors import ConfigurationError, InvalidArgument, JobNotFound, NotMigrated, WrongState
from pgqueue.version import __version__

from .conftest import Ran, Run, run_here

COMMANDS = [
    "migrate", "worker", "agent", "serve", "dev", "enqueue", "stats", "metrics", "top", "monitor", "workers", "stacks", "jobs",
    "job", "explain", "dead", "audit", "retry", "cancel", "discard", "update", "signal", "operations", "operation",
    "pause", "resume", "drain", "drain-worker", "restart-worker",
    "workflows", "workflow", "retry-workflow", "cancel-workflow", "schedule", "pool",
    "doctor", "maintain",
]  # fmt: skip
GROUPS = ["queues", "limits", "schedules", "pools", "keys"]  # of commands


def one_line(ran: Ran) -> bool:
    return ran.out == "" and ran.err.startswith("pgqueue: ") and ran.err.count("\n") == 1


def test_each_command_is_there() -> None:
    assert [name for name in LISTED if name not in GROUPS] == COMMANDS


@pytest.mark.parametrize("name", [*COMMANDS, *GROUPS])
def test_the_list_says_of_each_command_what_its_own_help_says_first(name: str) -> None:
    """The list stands apart, so that it is shown without an import of the commands."""
    command = get_command(cli).commands[name]  # type: ignore[attr-defined]
    assert (command.name, command.help.split("\n\n")[0]) == (name, LISTED[name].text)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help_and_says_where_the_database_is(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    ran = run_here(capsys, command, "--help")
    assert ran.code == 0
    assert "--database-url" in ran.out
    assert "--schema" in ran.out


def test_without_a_database_url_the_remedy_is_named(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PGQUEUE_DATABASE_URL", raising=False)
    ran = run_here(capsys, "jobs")
    assert (ran.code, one_line(ran)) == (2, True)
    assert "PGQUEUE_DATABASE_URL=postgresql://" in ran.err


def test_a_value_of_any_length_makes_no_long_error(capsys: pytest.CaptureFixture[str]) -> None:
    ran = run_here(capsys, "jobs", "--schema", "x" * 100_000)
    assert (ran.code, one_line(ran), len(ran.err) < 4_100) == (2, True, True)


def test_a_database_url_that_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    ran = run_here(capsys, "stats", "--database-url", "postgresql+oracle://ada:secret@localhost/db")
    assert (ran.code, one_line(ran)) == (2, True)
    assert "secret" not in ran.err


def test_the_version_needs_no_database(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PGQUEUE_DATABASE_URL", raising=False)
    ran = run_here(capsys, "--version")
    assert (ran.code, ran.out, ran.err) == (0, f"{__version__}\n", "")


@pytest.mark.parametrize("command", ["stats", "migrate"])
def test_a_server_that_cannot_be_reached(capsys: pytest.CaptureFixture[str], command: str) -> None:
    ran = run_here(capsys, command, "--database-url", "postgresql://nobody@localhost:1/none")
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


def _options(command: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every option of a command and of the commands below it, with the words that lead there."""
    for parameter in command.params:
        for name in (*parameter.opts, *parameter.secondary_opts):
            if name.startswith("--"):
                yield path, name
    for name, below in getattr(command, "commands", {}).items():
        yield from _options(below, (*path, name))


def test_help_on_a_terminal_of_80_columns_cuts_no_option_and_has_no_longer_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    options: dict[tuple[str, ...], list[str]] = {}
    for path, name in _options(get_command(cli), ()):
        options.setdefault(path, []).append(name)

    cut = {(*path, name) for path, names in options.items() for name in set(names) - set(_words_of_help(capsys, path))}

    assert (len(options) > 30, cut) == (True, set())


def _words_of_help(capsys: pytest.CaptureFixture[str], path: tuple[str, ...]) -> list[str]:
    out = run_here(capsys, *path, "--help").out
    assert max(map(cell_len, out.splitlines())) <= 80, path
    return re.split(r"[\s,]+", out)
