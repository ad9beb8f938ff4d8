"""The report: all tables, the machine they were measured on, and the goals, as a Markdown page."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.figures import Row
from benchmarks.goals import GOALS, Goal, Results
from benchmarks.kinds import KINDS, Kind
from benchmarks.tables import cells, header

KEPT = "<!-- `make bench` keeps what follows. -->"
INTRODUCTION = """\
# Performance

Written by `make bench`, except the last two sections. All systems ran on the same server in the same run, one after the other
in every round, with `synchronous_commit` on. Figures are medians over the rounds. How it is measured, and
what each system was given, is in [benchmarks/README.md](../benchmarks/README.md).
"""


def write(path: Path, rows: Sequence[Row], settings: Mapping[str, str], repeat: int) -> None:
    """Write the page, except what follows the line KEPT: that part is written by hand."""
    results: Results = {name: {str(row["system"]): row for row in _of(rows, name)} for name in KINDS}
    sections = [_section(kind, _of(rows, kind.name)) for kind in KINDS.values()]
    parts = [INTRODUCTION, _goals(results), *filter(None, sections), _setup(rows, settings, repeat)]
    path.parent.mkdir(parents=True, exist_ok=True)
    _, kept, by_hand = (path.read_text() if path.exists() else "").partition(KEPT)
    path.write_text("\n".join(parts) + (f"\n{kept}{by_hand}" if kept else ""))


def _of(rows: Sequence[Row], name: str) -> list[Row]:
    return [row for row in rows if row["benchmark"] == name]


def _table(titles: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rule = ["---", *["---:"] * (len(titles) - 1)]
    return "\n".join("| " + " | ".join(line) + " |" for line in (titles, rule, *lines)) + "\n"


def _goals(results: Results) -> str:
    return "## Goals\n\n" + _table(["goal", "bound", "measured", "met"], [_goal_line(goal, results) for goal in GOALS])


def _goal_line(goal: Goal, results: Results) -> list[str]:
    value, met = goal.value(results), goal.met(results)
    sign = "≥" if goal.at_least else "≤"
    measured = "-" if value is None else f"{value:,.4g}" if value < 1000 else f"{value:,.0f}"
    answer = {None: "not measured", True: "yes", False: "**no**"}[met]
    return [goal.text, f"{sign} {goal.bound:,}", measured, answer]


def _section(kind: Kind, rows: Sequence[Row]) -> str:
    if not rows:
        return ""
    lines = [cells(kind, row, rows) for row in rows]
    return f"## {kind.title}\n\n{kind.text}\n\n{_table(header(kind), lines)}"


def _setup(rows: Sequence[Row], settings: Mapping[str, str], repeat: int) -> str:
    versions = {str(row["system"]): _description(row) for row in rows}
    lines = [
        ("measured", f"{datetime.now(UTC):%Y-%m-%d}, {repeat} rounds"),
        ("processor", f"{_processor()}, {os.cpu_count()} cores"),
        ("system", f"{platform.system()} {platform.release()}"),
        ("Python", platform.python_version()),
        ("PostgreSQL", settings["server_version"]),
        *((name, value) for name, value in settings.items() if name != "server_version"),
        *versions.items(),
    ]
    return "## Setup\n\n" + _table(["", "value"], lines)


def _description(row: Row) -> str:
    history = "keeps history" if row["history"] else "deletes finished jobs"
    return f"{row['version']}, {row['concurrency'] or 'any number of'} jobs at once, {history}"


def _processor() -> str:
    """The model of the processor, where the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
