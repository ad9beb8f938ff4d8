"""Runs a benchmark: every system once a round, so that a machine that drifts drifts for all of them.

Every other round goes backwards: of two neighbours none is always the first.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

from benchmarks.errors import Unavailable
from benchmarks.figures import Figures, Row, summary
from benchmarks.kinds import Kind
from benchmarks.options import Options
from benchmarks.progress import Steps
from benchmarks.run import Run
from benchmarks.server import Server
from benchmarks.systems import System, load


def available(names: Sequence[str]) -> list[System]:
    """The systems that can run here; for the others the reason goes to stderr."""
    systems = []
    for name in names:
        try:
            system = load(name)
            system.version()
            systems.append(system)
        except Unavailable as reason:
            print(f"left out: {name}: {reason}", file=sys.stderr)
    return systems


def measure(kind: Kind, systems: Sequence[System], server: Server, options: Options) -> list[Row]:
    """One line per system: medians over the rounds, or the error that ended its part."""
    adjusted = kind.adjust(options)
    taking_part = [system for system in systems if kind.name in system.benchmarks]
    runs: dict[str, list[Figures]] = {system.name: [] for system in taking_part}
    errors: dict[str, str] = {}
    if not taking_part:
        return []
    with Steps(kind.title, adjusted.repeat * len(taking_part)) as steps:
        for number in range(adjusted.repeat):
            for system in taking_part if number % 2 == 0 else taking_part[::-1]:
                if system.name not in errors:
                    steps.start_run(f"{system.name}, round {number + 1} of {adjusted.repeat}")
                    try:
                        run = Run(system, server, adjusted, steps)
                        runs[system.name].append(asyncio.run(_figures(kind, run)))
                    except Exception as error:  # one system's failure must not cost the others their hour
                        errors[system.name] = f"{type(error).__name__}: {error}"
                steps.end_run()
    return [_row(kind, it, adjusted, runs[it.name], errors.get(it.name)) for it in taking_part]


async def _figures(kind: Kind, run: Run) -> Figures:
    return await kind.measure(run)


def _row(kind: Kind, system: System, options: Options, runs: Sequence[Figures], error: str | None) -> Row:
    row: Row = {
        "benchmark": kind.name,
        "system": system.name,
        "version": system.version(),
        "history": system.history,
        "concurrency": system.concurrency,
        "processes": options.processes,
        "repeat": len(runs),
    }
    return {**row, "error": error} if error else {**row, **summary(runs)}
