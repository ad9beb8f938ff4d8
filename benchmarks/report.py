"""The commands that make something of the files that runs have left: `python -m benchmarks page` and `pictures`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmarks import drawings
from benchmarks import page as performance
from benchmarks.errors import BenchmarkError
from benchmarks.goals import GOALS
from benchmarks.runs import Runs, read

Files = Annotated[
    list[Path],
    typer.Argument(metavar="FILE…", exists=True, dir_okay=False, help="Written by `--json`; of equal parts the later."),
]
PAGE = Path("docs/performance.md")


def page(files: Files, write: Annotated[Path, typer.Option(help="The page; pictures are put beside it.")] = PAGE) -> None:
    """Write the page about performance, and its pictures."""
    runs = _read(files)
    drawn = drawings.write(write.parent / drawings.FOLDER, runs.results())
    performance.write(write, runs)
    missed = [goal.text for goal in GOALS if goal.met(runs.results()) is False]
    print(f"{write} and {len(drawn)} pictures; goals missed: {'; '.join(missed) or 'none'}")


def pictures(
    files: Files, folder: Annotated[Path, typer.Option(help="Where to write them.")] = PAGE.parent / drawings.FOLDER
) -> None:
    """Draw the pictures alone."""
    for path in drawings.write(folder, _read(files).results()):
        print(path)


def _read(files: list[Path]) -> Runs:
    try:
        return read(files)
    except BenchmarkError as error:
        raise typer.BadParameter(str(error)) from error
