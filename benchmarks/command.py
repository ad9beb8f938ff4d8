"""The command line of the benchmarks."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks import report
from benchmarks.api import run as api
from benchmarks.errors import BenchmarkError
from benchmarks.figures import Row
from benchmarks.fleet import run as fleet
from benchmarks.kinds import GROUPS, KINDS, Kind
from benchmarks.machine import commit, machine, run_id
from benchmarks.options import Options
from benchmarks.rounds import available, measure
from benchmarks.server import running_server
from benchmarks.size import run as size
from benchmarks.systems import NAMES, PEERS, System
from benchmarks.systems.before import checked_out
from benchmarks.terminal import show

CHOICES = (*KINDS, *GROUPS, "all", "size", "api", "fleet")  # the last three have tables of their own, and are not among all


SYSTEMS_HELP = f"Comma-separated: pgqueue, bare, {', '.join(PEERS)}, or rows of pgqueue such as one-key and chains-2."


def _known_systems(systems: str) -> str:
    unknown = [name.strip() for name in systems.split(",") if name.strip() not in NAMES]
    if unknown:
        raise typer.BadParameter(f"{unknown[0]!r} is none of {', '.join(NAMES)}")
    return systems


def _known(choice: str) -> str:
    for name in choice.split(","):
        if name not in CHOICES:
            raise typer.BadParameter(f"{name!r} is none of {', '.join(CHOICES)}")
    return choice


def _commit(reference: str | None) -> str | None:
    if reference is not None and commit(reference) is None:
        raise typer.BadParameter(f"{reference!r} is no commit of this checkout; give a branch, a tag or a hash")
    return reference


def benchmark(
    choice: Annotated[
        str, typer.Argument(metavar="BENCHMARK", help=", ".join(CHOICES) + "; several with commas.", callback=_known)
    ],
    systems: Annotated[str, typer.Option(help=SYSTEMS_HELP, show_default="all", callback=_known_systems)] = ",".join(NAMES),
    jobs: Annotated[int | None, typer.Option(min=100, help="Jobs to prepare.")] = None,
    seconds: Annotated[float | None, typer.Option(min=0.5, help="Seconds of steady work to measure.")] = None,
    repeat: Annotated[int, typer.Option(min=1, help="Rounds; medians are reported.")] = 3,
    processes: Annotated[int, typer.Option(min=1, help="Worker processes.")] = 1,
    batch: Annotated[int | None, typer.Option(min=1, help="Jobs in one claim, of `server`.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per system and line.")] = False,
    scale: Annotated[float, typer.Option(min=0.001, help="Of `size`: 1 is 10 million jobs in the history, 8 GB.")] = 0.05,
    picture: Annotated[Path | None, typer.Option(help="Draw the starts of the last exact row of `limits` as an SVG.")] = None,
    base: Annotated[
        str | None, typer.Option(metavar="REF", help="A commit: measured in turns, as `before`.", callback=_commit)
    ] = None,
) -> None:
    """Measure pgqueue and its neighbours on one PostgreSQL server.

    `page FILE…` writes docs/performance.md of what --json has printed, and `pictures FILE…` its pictures alone.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    options = Options(jobs=jobs, seconds=seconds, repeat=repeat, processes=processes, batch=batch, picture=picture)
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
    if not _taking_part(kinds, measured):
        raise typer.Exit(1)
    rows: list[Row] = []
    run = run_id()
    with running_server() as server, _with_base(measured, base) as systems_in_turn:
        if as_json:
            print(json.dumps(machine(server, run)), flush=True)
        for kind in kinds:
            found = [{**row, "run": run} for row in measure(kind, systems_in_turn, server, options)]
            rows += found
            _print(kind, found, as_json=as_json)
    if not rows or any("error" in row for row in rows):
        raise typer.Exit(1)


def _taking_part(kinds: list[Kind], systems: list[System]) -> bool:
    """Whether there is anything to measure; says which benchmarks have nothing."""
    given = ", ".join(system.name for system in systems)
    idle = [kind.name for kind in kinds if not any(kind.name in system.benchmarks for system in systems)]
    for name in idle if systems else []:
        print(f"{name} measures none of {given}", file=sys.stderr)
    return len(idle) < len(kinds)


@contextmanager
def _with_base(systems: list[System], reference: str | None) -> Iterator[list[System]]:
    """The systems, and right after pgqueue the version that it is compared with."""
    if reference is None:
        yield systems
        return
    with checked_out(reference) as before:
        place = next((number for number, system in enumerate(systems, 1) if system.name == "pgqueue"), 0)
        yield [*systems[:place], before, *systems[place:]]


def _print(kind: Kind, rows: list[Row], *, as_json: bool) -> None:
    """Results to stdout, as JSON lines or a table; errors to stderr in any case."""
    if rows and not as_json:
        show(Console(), kind, rows)
    for row in rows:
        if as_json:
            print(json.dumps(row), flush=True)
        if "error" in row:
            print(f"{row['benchmark']}: {row['system']} failed: {row['error']}", file=sys.stderr)


def main() -> None:
    """Run the command line: a benchmark, or what is made of the JSON of earlier ones."""
    verb = sys.argv[1] if len(sys.argv) > 1 else ""
    makes = {"page": report.page, "pictures": report.pictures}.get(verb)
    app = typer.Typer(add_completion=False)
    app.command()(makes or benchmark)
    name = "python -m benchmarks"
    try:
        app(args=sys.argv[2:] if makes else sys.argv[1:], prog_name=f"{name} {verb}" if makes else name)
    except BenchmarkError as error:
        sys.exit(str(error))
