"""Files of JSON lines that runs have left: a page and pictures are made of them, whenever each part was measured."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.errors import BenchmarkError
from benchmarks.figures import Row
from benchmarks.goals import Results
from benchmarks.machine import MACHINE


@dataclass(frozen=True)
class Runs:
    """The lines of several files: of what was measured twice, the later."""

    rows: Sequence[Row]
    machines: Mapping[str, Row]
    """The machine of each run that a row is of, by the run's name."""

    def of(self, benchmark: str) -> list[Row]:
        """The lines of one benchmark, in the order in which they were measured."""
        return [row for row in self.rows if row["benchmark"] == benchmark]

    def results(self) -> Results:
        """All lines, by benchmark and then by system."""
        found: dict[str, dict[str, Row]] = {}
        for row in self.rows:
            found.setdefault(str(row["benchmark"]), {})[str(row["system"])] = row
        return found


def read(paths: Iterable[Path]) -> Runs:
    """What the files hold; raises for a line that no run has written.

    A benchmark that was measured again replaces all its lines that the later run has, and leaves the others.
    """
    lines = [line for path in paths for line in _lines(path)]
    latest: dict[tuple[str, str], Row] = {}
    for row in sorted((line for line in lines if line["benchmark"] != MACHINE), key=_run):
        latest[str(row["benchmark"]), str(row["system"])] = row
    used = {_run(row) for row in latest.values()}
    machines = {_run(line): line for line in lines if line["benchmark"] == MACHINE and _run(line) in used}
    return Runs([*latest.values()], dict(sorted(machines.items())))


def _run(line: Row) -> str:
    return str(line.get("run", ""))


def _lines(path: Path) -> list[Row]:
    return [_line(path, number, text) for number, text in enumerate(path.read_text().splitlines(), 1) if text.strip()]


def _line(path: Path, number: int, text: str) -> Row:
    try:
        line = json.loads(text)
    except ValueError as error:
        raise BenchmarkError(f"{path}:{number} is no JSON: {error}; give files that `--json` has written") from error
    if not isinstance(line, dict) or not isinstance(line.get("benchmark"), str):
        raise BenchmarkError(f"{path}:{number} names no benchmark; give files that `--json` has written")
    if line["benchmark"] != MACHINE and not isinstance(line.get("system"), str):
        raise BenchmarkError(f"{path}:{number} names no system; give files that `--json` has written")
    return line
