"""Results as tables: cells that the terminal and the Markdown page share."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.columns import Column
from benchmarks.figures import Row
from benchmarks.kinds import Kind

REFERENCE = "pgqueue"


def header(kind: Kind) -> list[str]:
    """Column titles: the system, the ratio to pgqueue, the figures, the range of the headline."""
    titles = [column.title for column in kind.columns]
    return ["system", titles[0], "min to max", f"to {REFERENCE}", *titles[1:]]


def cells(kind: Kind, row: Row, rows: Sequence[Row], to: str = " to ") -> list[str]:
    """The line of one system; `to` stands between the ends of a range."""
    name = f"{row['system']} {row['version']}"
    if "error" in row:
        return [name, "failed", *[""] * len(kind.columns), ""]
    figures = [_format(row, column) for column in kind.columns]
    return [name, figures[0], _range(row, kind.headline, to), _ratio(row, rows, kind.headline), *figures[1:]]


def _format(row: Row, column: Column) -> str:
    return _number(row.get(column.key), column) or column.absent


def _number(value: object, column: Column) -> str | None:
    return f"{value:,.{column.digits}f}" if isinstance(value, int | float) else None


def _range(row: Row, column: Column, to: str) -> str:
    low, high = row.get("min"), row.get("max")
    if row.get("repeat") == 1 or not isinstance(low, dict) or not isinstance(high, dict):
        return "-"
    ends = [_number(end.get(column.key), column) for end in (low, high)]
    return f"{ends[0]}{to}{ends[1]}" if all(ends) else "-"


def _ratio(row: Row, rows: Sequence[Row], column: Column) -> str:
    """How many times pgqueue's figure this one is."""
    same_run = (other for other in rows if other.get("run") == row.get("run"))
    reference = next((other.get(column.key) for other in same_run if other["system"] == REFERENCE), None)
    value = row.get(column.key)
    if not isinstance(value, int | float) or not isinstance(reference, int | float) or not reference:
        return "-"
    return f"{value / reference:.2f}"
