"""The tables that are printed without --json: as wide as the terminal, and no figure cut off."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.figures import Row
from benchmarks.kinds import Kind
from benchmarks.tables import cells, header

DASH = "\u2013"
"""Between the ends of a range: shorter than a word."""

GAP = 2
"""Columns between two cells."""

SHORT = 6
"""A title is not folded to less."""


def show(console: Console, kind: Kind, rows: Sequence[Row]) -> None:
    """Print the results: a line for each system, or where that is too wide, a column."""
    lines = [header(kind), *(cells(kind, row, rows, to=DASH) for row in rows)]
    console.print(kind.title, style="bold")
    for part in _fitting(lines, console.width):
        console.print(_table(part))


def _fitting(lines: list[list[str]], width: int) -> Iterator[list[list[str]]]:
    """The lines as they are, with versions below the names, or turned: then as many systems at a time as have the room."""
    broken = [lines[0], *([line[0].replace(" ", "\n", 1), *line[1:]] for line in lines[1:])]
    upright = next((them for them in (lines, broken) if _width(them) <= width), None)
    if upright is not None:
        yield upright
        return
    rest = broken[1:]
    while rest:
        many = next((many for many in range(len(rest), 1, -1) if _width(_turned(lines[0], rest[:many])) <= width), 1)
        yield _turned(lines[0], rest[:many])
        rest = rest[many:]


def _turned(titles: list[str], lines: list[list[str]]) -> list[list[str]]:
    return [list(line) for line in zip(titles, *lines, strict=True)]


def _width(lines: list[list[str]]) -> int:
    headed = [_headings(lines), *lines[1:]]
    columns = [max(map(_longest, column)) for column in zip(*headed, strict=True)]
    return sum(columns) + GAP * (len(columns) - 1)


def _headings(lines: list[list[str]]) -> list[str]:
    """Titles that are folded where they are wider than what stands below them."""
    return [_folded(title, max(SHORT, *map(_longest, below))) for title, *below in zip(*lines, strict=True)]


def _folded(title: str, room: int) -> str:
    """No wider than that, if its words allow; they end at spaces, line ends and slashes."""
    if "\n" in title or len(title) <= room:
        return title
    words = re.sub(r"(?<=\w)/(?=\w)", "/ ", title)
    return textwrap.fill(words, room, break_long_words=False, break_on_hyphens=False)


def _longest(text: str) -> int:
    return max(map(len, text.split("\n")))


def _table(lines: list[list[str]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, GAP - 1, 0, 0), pad_edge=False)
    for number, title in enumerate(_headings(lines)):
        table.add_column(title, justify="right" if number else "left", no_wrap=True, vertical="middle")
    for line in lines[1:]:
        table.add_row(*line)
    return table
