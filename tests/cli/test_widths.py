"""What commands print for people fits into 60, 80 and 120 columns, and no name is cut, whatever the names are."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from rich.cells import cell_len
from typer.main import get_command

from pgqueue.cli import cli

from ..looking import Look
from .conftest import Ran, Run, run_here
from .stock import AWKWARD, USUAL, Names, stock

WIDTHS = (60, 80, 120)

# How each command is run that shows something of an install. {words} are those of `stock`.
SHOWS = {
    "stats": ["stats"],
    "metrics": ["metrics --window 10m", "metrics --by queue --window 10m", "metrics --by task --window 10m", "metrics --series --since 10m"],
    "workers": ["workers"],
    "jobs": ["jobs", "jobs --state failed"],
    "job": ["job {job}", "job {dead}", "job {limited}", "job {job} --logs"],
    "explain": ["explain {job} {dead} {limited}"],
    "dead": ["dead", "dead --group", "dead --by task", "dead --by error_type", "dead --by hour"],
    "audit": ["audit"],
    "operations": ["operations"],
    "operation": ["operation {operation}"],
    "queues": ["queues"],
    "limits": ["limits"],
    "limits get": ["limits get {key}"],
    "workflows": ["workflows"],
    "workflow": ["workflow {flow}", "workflow {large}"],
    "schedules": ["schedules"],
    "schedule": ["schedule {schedule}"],
    "schedules preview": ["schedules preview {schedule}"],
    "pools": ["pools"],
    "pools events": ["pools events mail"],
    "pool": ["pool mail"],
    "keys list": ["keys list"],
    "doctor": ["doctor"],
}  # fmt: skip
NO_TABLES = {"explain", "doctor", "workflow", "schedules preview"}  # of them: sentences and graphs
# What these print is not about an install as a whole: a line about what they did, logs, a page, stacks as Python writes them.
SAYS = {
    "migrate", "worker", "agent", "serve", "dev", "enqueue", "top", "monitor", "stacks", "retry", "cancel", "discard", "update",
    "signal", "queues set", "queues reset", "pause", "resume", "drain", "limits set", "limits reset", "limits delete",
    "limits park", "limits unpark", "drain-worker", "restart-worker", "retry-workflow", "cancel-workflow", "schedules set",
    "schedules pause", "schedules resume", "schedules trigger", "schedules delete", "schedules backfill", "pools make",
    "pools set", "pools scale", "pools autoscale", "pools roll", "pools pause", "pools resume", "pools delete", "keys create",
    "keys revoke", "maintain",
}  # fmt: skip
AS_IT_IS = re.compile(r"^(  (Traceback|  )|do: |  do: )")  # a traceback, and what is to be pasted, stay as they are


@pytest.fixture(params=[USUAL, AWKWARD], ids=["usual", "awkward"])
def names(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def words(look: Look, names: Names) -> dict[str, str]:
    return stock(look, names)


def commands() -> dict[str, Any]:
    """Every command that can be run, by its words; a group that shows all is one."""
    return dict(_commands(get_command(cli), ()))


def _commands(command: Any, path: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    below = getattr(command, "commands", {})
    if path and (not below or command.invoke_without_command):
        yield " ".join(path), command
    for name, one in below.items():
        yield from _commands(one, (*path, name))


@cache
def printing() -> dict[str, Any]:
    return {name: command for name, command in commands().items() if _has(command, "--columns")}


def _has(command: Any, option: str) -> bool:
    return any(option in parameter.opts for parameter in command.params)


def shown(run: Run, words: dict[str, str], name: str, *options: str) -> list[tuple[str, Ran]]:
    """How the command ends in each form in which it is run."""
    found = [(form, run(*(word.format_map(words) for word in form.split()), *options)) for form in SHOWS[name]]
    assert all(ran.code in (0, 1) and "Traceback (most" not in ran.err for _, ran in found), found
    return found


def test_each_command_is_tried_here() -> None:
    """A new command goes to SHOWS, or to SAYS if it prints no more than a line."""
    assert set(SHOWS) | SAYS == set(commands())
    assert not set(SHOWS) & SAYS


def test_each_command_with_a_table_has_wide_and_columns() -> None:
    assert set(printing()) == set(SHOWS) - NO_TABLES
    assert all(_has(command, "--wide") for command in printing().values())


@pytest.mark.parametrize("width", WIDTHS)
def test_no_line_is_wider_than_the_terminal(run: Run, words: dict[str, str], width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    wider = {
        f"{form}: {line}"
        for name in SHOWS
        for form, ran in shown(run, words, name)
        for line in ran.out.splitlines()
        if cell_len(line.rstrip()) > width and not AS_IT_IS.search(line)
    }
    assert wider == set()
