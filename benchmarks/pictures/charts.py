"""The three kinds of picture: bars of two lengths, ranges on a logarithmic axis, bars made of parts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.pictures.svg import BOTTOM, LEFT, RIGHT, TOP, WIDTH, Picture

ROOM = WIDTH - LEFT - RIGHT
OURS = "pgqueue"
"""Drawn in a colour of its own."""

BAR, GAP = 15, 12
DOT_ROW = 27
PART_ROW = 46


@dataclass(frozen=True)
class Line:
    """One system: a figure, and a second one where it has been measured."""

    name: str
    first: float
    second: float | None = None
    words: str = ""
    """In place of the first figure: of a wait that did not end, as long as it was."""


@dataclass(frozen=True)
class Stack:
    """One bar made of parts, in the order of their names."""

    name: str
    parts: Sequence[float]


def bars(title: str, note: str, lines: Sequence[Line], legend: tuple[str, str] | None = None) -> str:
    """One bar for each line or two, in the order of the lines; the legend names the two."""
    height = sum(GAP + BAR * (1 + (line.second is not None)) for line in lines)
    top = TOP + (22 if legend else 0)
    picture = Picture(title, note, top + height + 8)
    if legend:
        picture.legend([(legend[0], "one"), (legend[1], "two")], TOP + 6)
    most = max(max(line.first, line.second or 0) for line in lines)
    y = float(top)
    for line in lines:
        values = [line.first] if line.second is None else [line.first, line.second]
        ours = " ours" if line.name == OURS else ""
        picture.text(line.name, LEFT - 10, y + BAR * len(values) / 2 + 4, ours.strip(), "end")
        for value, name in zip(values, ("one", "two"), strict=False):
            width = value / most * ROOM
            picture.box(LEFT, y, width, BAR - 2, ("two" if line.words else name) + ours)
            said = line.words or (f"{value:,.0f}" if most >= 100 else f"{value:.1f}")
            inside = width > ROOM / 2 and line.words
            picture.text(
                said, LEFT + width + (-6 if inside else 6), y + BAR - 4, "" if inside else "small", "end" if inside else "start"
            )
            y += BAR
        y += GAP
    return picture.drawn()


def ranges(title: str, note: str, lines: Sequence[Line]) -> str:
    """From the first figure to the second on a logarithmic axis in milliseconds, in the order of the lines."""
    bottom = TOP + DOT_ROW * len(lines)
    picture = Picture(title, note, bottom + BOTTOM)
    decades = _decades(lines)

    def x(value: float) -> float:
        return LEFT + (math.log10(value) - decades[0]) / (decades[-1] - decades[0]) * (ROOM - 60)

    for decade in decades:
        at = x(10.0**decade)
        picture.line(at, TOP, at, bottom, "grid")
        picture.text(f"{10.0**decade:,g} ms", at, bottom + 20, "small", "middle")
    for number, line in enumerate(lines):
        y = TOP + DOT_ROW * (number + 0.5)
        ours = " ours" if line.name == OURS else ""
        last = line.second or line.first
        picture.text(line.name, LEFT - 10, y + 4, ours.strip(), "end")
        picture.line(x(line.first), y, x(last), y, "range" + ours)
        picture.dot(x(line.first), y, "one" + ours)
        picture.text(f"{_short(line.first)} to {_short(last)}", x(last) + 12, y + 4, "small")
    return picture.drawn()


def _decades(lines: Sequence[Line]) -> list[int]:
    """The powers of ten from below the smallest value to above the largest."""
    values = [value for line in lines for value in (line.first, line.second) if value]
    lowest, highest = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return list(range(lowest, max(highest, lowest + 1) + 1))


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def stacks(title: str, note: str, names: Sequence[str], lines: Sequence[Stack]) -> str:
    """One bar for each stack on a common scale; each part says its figure where it has the room."""
    rows = _legend_rows(names)
    top = TOP + 20 * len(rows)
    picture = Picture(title, note, top + PART_ROW * len(lines) + 12)
    for number, row in enumerate(rows):
        picture.legend([(names[part], f"part{part}") for part in row], TOP + 6 + 20 * number)
    most = max(sum(line.parts) for line in lines)
    for number, line in enumerate(lines):
        y, x = top + PART_ROW * number, float(LEFT)
        picture.text(line.name, LEFT - 10, y + 20, "", "end")
        for part, value in enumerate(line.parts):
            width = value / most * ROOM
            picture.box(x, y, max(0.0, width - 1), 30, f"part{part}")
            if width > 28:
                picture.text(f"{value:.1f}", x + width / 2, y + 20, "inside", "middle")
            x += width
        picture.text(f"{sum(line.parts):.1f}", x + 6, y + 20, "small")
    return picture.drawn()


def _legend_rows(names: Sequence[str]) -> list[list[int]]:
    """The numbers of the parts, as many in a row as have the room."""
    rows: list[list[int]] = [[]]
    used = 0.0
    for part, name in enumerate(names):
        width = 34 + 6.4 * len(name)
        if rows[-1] and used + width > WIDTH - LEFT:
            rows.append([])
            used = 0.0
        rows[-1].append(part)
        used += width
    return rows
