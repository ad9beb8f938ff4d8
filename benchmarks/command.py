"""The command line of the benchmarks."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks import page
from benchmarks.api import run as api
from benchmarks.figures import Row
from benchmarks.fleet import run as fleet
from benchmarks.kinds import GROUPS, KINDS, Kind
from benchmarks.options import Options
from benchmarks.rounds import available, measure
from benchmarks.server import running_server
from benchmarks.size import run as size
from benchmarks.systems import NAMES
from benchmarks.tables import terminal

CHOICES = (*KINDS, *GROUPS, "all", "size", "api", "fleet")  # the last three have tables of their own, and are not among all


def _known(choice: str) -> str:
    for name in choice.split(","):
        if name not in CHOICES:
            raise typer.BadParameter(f"{name!r} is none of {', '.join(CHOICES)}")
    return choice


def benchmark(
    choice: Annotated[
        str, typer.Argument(metavar="BENCHMARK", help=", ".join(CHOICES) + "; several with commas.", callback=_known)
    ],
    systems: Annotated[str, typer.Option(help="Comma-separated; by default all.")] = ",".join(NAMES),
    jobs: Annotated[int | None, typer.Option(min=100, help="Jobs to prepare.")] = None,
    seconds: Annotated[float | None, typer.Option(min=0.5, help="Seconds of steady work to measure.")] = None,
    repeat: Annotated[int, typer.Option(min=1, help="Rounds; medians are reported.")] = 3,
    processes: Annotated[int, typer.Option(min=1, help="Worker processes.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per system and line.")] = False,
    scale: Annotated[float, typer.Option(min=0.001, help="Of `size`: 1 is 10 million jobs in the history, 8 GB.")] = 0.05,
    picture: Annotated[Path | None, typer.Option(help="Draw the starts of the last exact row of `limits` as an SVG.")] = None,
    write: Annotated[Path | None, typer.Option(help="Write a Markdown report to this file.")] = None,
) -> None:
    """Measure pgqueue and its neighbours on one PostgreSQL server."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    options = Options(jobs=jobs, seconds=seconds, repeat=repeat, processes=processes, picture=picture)
    names = [name for word in choice.split(",") for name in GROUPS.get(word, (word,))]
    if "size" in names:
        with running_server() as server:
            size.measure(server, scale, as_json=as_json)
    if "api" in names:
        with running_server() as server:
            api.measure(server, repeat, as_json=as_json)
    if "fleet" in names:
        with running_server() as server:
            fleet.measure(server, repeat)
    if not set(names) - {"size", "api", "fleet"}:
        return
    kinds = [kind for name, kind in KINDS.items() if name in names or "all" in names]
    measured = available([name.strip() for name in systems.split(",")])
    if not measured:
        raise typer.Exit(1)
    rows: list[Row] = []
    with running_server() as server:
        for kind in kinds:
            found = measure(kind, measured, server, options)
            rows += found
            _print(kind, found, as_json=as_json)
        if write is not None:
            page.write(write, rows, server.settings(), options.repeat)
    if not rows or any("error" in row for row in rows):
        raise typer.Exit(1)


def _print(kind: Kind, rows: list[Row], *, as_json: bool) -> None:
    """Results to stdout, as JSON lines or a table; errors to stderr in any case."""
    if rows and not as_json:
        Console().print(terminal(kind, rows))
    for row in rows:
        if as_json:
            print(json.dumps(row), flush=True)
        if "error" in row:
            print(f"{row['benchmark']}: {row['system']} failed: {row['error']}", file=sys.stderr)


def main() -> None:
    """Run the command line."""
    typer.run(benchmark)
