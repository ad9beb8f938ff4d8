"""Lines as runs write them, with the figures that a test names."""

import json
from collections.abc import Iterable
from pathlib import Path

from benchmarks.figures import Row, summary

FIRST, SECOND = "2026-12-01T10:00:00Z", "2026-12-02T10:00:00Z"


def machine(run: str = FIRST, **facts: object) -> Row:
    """What a run says first."""
    return {"benchmark": "machine", "run": run, "processor": "Example", "cores": 2, "load before": 0.1, **facts}


def line(benchmark: str, system: str, run: str = FIRST, **figures: float | list[float]) -> Row:
    """One system's line: a figure of one round, or a list of rounds."""
    rounds = {name: value if isinstance(value, list) else [value] for name, value in figures.items()}
    many = max((len(values) for values in rounds.values()), default=0)
    runs = [{name: values[number] for name, values in rounds.items()} for number in range(many)]
    told = {"version": "1.0", "history": True, "concurrency": 100, "processes": 1, "repeat": many}
    return {"benchmark": benchmark, "system": system, **told, **summary(runs), "run": run}


def written(path: Path, lines: Iterable[Row]) -> Path:
    """A file of them."""
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path
