"""The progress bar of a long run, on stderr so that stdout stays clean for results."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn


class Steps:
    """One bar for all runs, and a line below it that says what the present run does."""

    def __init__(self, title: str, runs: int) -> None:
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=Console(stderr=True),
        )
        self._all = self._bars.add_task(title, total=runs)
        self._label = ""
        self._phase = self._bars.add_task("", total=1)

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._bars.update(self._phase, visible=False)
        self._bars.stop()

    def start_run(self, label: str) -> None:
        """Name the run that begins."""
        self._label = label

    def end_run(self) -> None:
        """Count a run as finished."""
        self._bars.advance(self._all)

    def phase(self, name: str, total: float) -> None:
        """Begin a part of the run, in jobs or seconds."""
        self._bars.reset(self._phase, total=round(total), description=f"  {self._label}: {name}")

    def reach(self, completed: float) -> None:
        """Show how far the part has come."""
        self._bars.update(self._phase, completed=round(completed))
