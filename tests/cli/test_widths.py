"""What commands print for people fits into 60, 80 and 120 columns, and no name is cut, whatever the names are."""

import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

import pytest
from rich.cells import cell_len
from rich.text import Text
from typer.main import get_command

from pgqueue.cli import cli, output
from pgqueue.cli.output import WITHOUT_END
from pgqueue.cli.table import GAP, Column, TextTable

from ..looking import Look
from .conftest import Ran, Run
from .stock import AWKWARD, USUAL, Names, stock

TRIED = [(USUAL, 80), (AWKWARD, 60), (AWKWARD, 80), (AWKWARD, 120)]

# How each command is run that shows something of an install. {words} are those of `stock`.
SHOWS = {
    "stats": ["stats"],
    "metrics": ["metrics --by task --window 10m", "metrics --window 10m", "metrics --series --since 10m"],
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
    "workflow": ["workflow {large}", "workflow {flow}"],
    "schedules": ["schedules"],
    "schedule": ["schedule {schedule}"],
    "schedules preview": ["schedules preview {schedule}"],
    "pools": ["pools"],
    "pools events": ["pools events mail"],
    "pool": ["pool mail"],
    "keys list": ["keys list"],
    "doctor": ["doctor"],
}  # fmt: skip
NO_TABLES = {"explain", "doctor", "schedules preview"}  # of them: sentences and graphs
# What these print is not about an install as a whole: a line about what they did, logs, a page, stacks as Python writes them.
SAYS = {
    "migrate", "worker", "agent", "serve", "dev", "enqueue", "top", "monitor", "stacks", "retry", "cancel", "discard", "update",
    "signal", "queues set", "queues reset", "pause", "resume", "drain", "limits set", "limits reset", "limits delete",
    "limits park", "limits unpark", "drain-worker", "restart-worker", "retry-workflow", "cancel-workflow", "schedules set",
    "schedules pause", "schedules resume", "schedules trigger", "schedules delete", "schedules backfill", "pools make",
    "pools set", "pools scale", "pools autoscale", "pools roll", "pools pause", "pools resume", "pools delete", "keys create",
    "keys revoke", "maintain",
}  # fmt: skip
MAY_BE_CUT = {
    "args", "note", "error", "message", "value", "payload", "reason", "figures", "limit", "settings", "queues", "tasks", "what",
    "last_error",
}  # fmt: skip
AS_IT_IS = re.compile(r"^  (Traceback|  )")


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


def shown(run: Run, words: dict[str, str], names: Iterable[str], *options: str) -> Iterator[tuple[str, Ran]]:
    """How each of these commands ends, in each form in which it is run."""
    for form in (form for name in names for form in SHOWS[name]):
        ran = run(*(word.format_map(words) for word in form.split()), *options)
        assert (ran.code in (0, 1) or form == "doctor", "Traceback (most" in ran.err) == (True, False), (form, ran)
        yield form, ran


def test_each_command_is_tried_here() -> None:
    """A new command goes to SHOWS, or to SAYS if it prints no more than a line."""
    assert set(SHOWS) | SAYS == set(commands())
    assert not set(SHOWS) & SAYS


def test_each_command_with_a_table_has_wide_and_columns() -> None:
    assert set(printing()) == set(SHOWS) - NO_TABLES
    assert all(_has(command, "--wide") for command in printing().values())


@pytest.fixture
def tables(monkeypatch: pytest.MonkeyPatch) -> list[TextTable]:
    """The tables that are printed."""
    printed: list[TextTable] = []

    def noted(columns: list[Column], rows: list[list[Text]]) -> TextTable:
        printed.append(TextTable(columns, rows))
        return printed[-1]

    monkeypatch.setattr(output, "TextTable", noted)
    return printed


@pytest.mark.parametrize(("names", "width"), TRIED, ids=["usual-80", "awkward-60", "awkward-80", "awkward-120"])
def test_no_line_is_wider_than_the_terminal_and_no_name_is_cut(
    run: Run, look: Look, names: Names, width: int, tables: list[TextTable], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    words, wider, cut = stock(look, names), set[str](), set[str]()
    for form, ran in shown(run, words, SHOWS):
        wider |= {f"{form}: {line}" for line in ran.out.splitlines() if is_wider(line, width)}
        cut |= {
            f"{form}: {column.heading}: {found}"
            for (column, cells), found in printed_columns(ran.out, tables, width)
            if found != "".join("".join(cells).split()) and column.heading.replace(" ", "_") not in MAY_BE_CUT
        }
        tables.clear()
        if form in ("job {dead}", "schedule {schedule}"):  # facts
            assert names.task in "".join(ran.out.split()), form
    assert (wider, cut) == (set(), set())


def test_what_may_be_cut_may_also_go_and_is_no_name(run: Run, look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    cut, stays = set[str](), set[str]()

    def noted(widths: dict[str, int], may_be_cut: tuple[str, ...], spare: tuple[str, ...], most: int) -> list[str]:
        cut.update(may_be_cut)
        stays.update(set(may_be_cut) - set(spare))
        return list(widths)

    monkeypatch.setattr(output, "columns_kept", noted)
    assert len(list(shown(run, stock(look, USUAL), printing()))) > 20
    assert (cut <= MAY_BE_CUT, stays) == (True, set())


def is_wider(line: str, width: int) -> bool:
    """Whether a line is too wide, but for tracebacks, and a word that is left whole so that it can be pasted."""
    return cell_len(line.rstrip()) > width and not AS_IT_IS.search(line) and len(line.split()) > 1


def printed_columns(out: str, tables: list[TextTable], width: int) -> list[tuple[tuple[Column, list[str]], str]]:
    """Each column of the printed tables: what its cells say, and what stands in it, without blanks."""
    blocks = re.findall(r"^ ─+ *\n((?: .*\S.*\n)+)", out, re.M)
    assert len(blocks) == len(tables)
    found = []
    for block, table in zip(blocks, tables, strict=True):
        edge = 1
        for place, (column, room) in enumerate(zip(table.columns, table._widths(width), strict=True)):
            stands = "".join(_slice(line, edge, edge + room) for line in block.splitlines())
            found.append(((column, [row[place].plain for row in table.rows]), "".join(stands.split())))
            edge += room + len(GAP)
    return found


def _slice(line: str, first: int, end: int) -> str:
    """What stands between two columns of the terminal."""
    text, at = "", 0
    for letter in line:
        text += letter if first <= at < end else ""
        at += cell_len(letter)
    return text


def test_wide_cuts_nothing_and_leaves_no_column_out(
    run: Run, look: Look, tables: list[TextTable], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    words, cut = stock(look, AWKWARD), set[str]()
    for form, ran in shown(run, words, printing(), "--wide"):
        cut |= {
            f"{form}: {column.heading}: {found}"
            for (column, cells), found in printed_columns(ran.out, tables, WITHOUT_END)
            if found != "".join("".join(cells).split())
        }
        assert ("no room for" in ran.out, form == "job {job}" and words["text"] not in ran.out) == (False, False), form
        tables.clear()
    assert cut == set()


def test_columns_are_shown_in_the_order_in_which_they_are_asked_for(
    run: Run, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "1000")
    words = stock(look, USUAL)
    for command in (SHOWS[name][0].format_map(words).split() for name in printing()):
        first, second = headings(run(*command))[:2]
        assert headings(run(*command, "--columns", f"{second},{first}")) == [second, first], command
        assert headings(run(*command, "--columns", f" {second.upper()}")) == [second], command


def test_a_column_that_is_none_is_refused_with_those_that_are(run: Run, look: Look) -> None:
    words = stock(look, USUAL)
    for command in (SHOWS[name][0].format_map(words).split() for name in printing()):
        refused, both = run(*command, "--columns", "id,nonsense"), run(*command, "--columns", "id", "--json")
        assert refused.err.startswith("pgqueue: columns: ")
        assert "is not valid; use some of " in refused.err
        assert both.err == "pgqueue: columns: --json has all of them; leave one of the two out\n"
        assert (refused.code, refused.out, both.code, both.out) == (2, "", 2, "")


def headings(ran: Ran) -> list[str]:
    """The names of the columns of the first table; or of the facts, if there are some."""
    assert (ran.code, ran.out[:1]) != (2, ""), ran
    before, *_ = ran.out.split("\n ─")
    facts = re.findall(r"^([a-z][a-z ]*?)  +\S", before, re.M)
    names = facts or re.split(r"   +", before.splitlines()[-1].strip())
    return [name.replace(" ", "_") for name in names]
