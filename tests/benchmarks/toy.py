"""A queue of files for the benchmark of recovery: each way to treat the jobs of a dead worker, and a crash, has a mode.

`brings_back`: a new worker takes what a dead one had; `holds`: nobody does; `forgets`: a job is gone when it is taken, and a
crash takes what waits; `ends`: a worker ends over a crash; `late`: one end is not recorded, and its job runs again later.

`python -m tests.benchmarks.toy DIRECTORY MODE` is a worker. A job is a file in `waiting`, and in `taken` while it runs.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Semaphore

from benchmarks.options import Handler
from benchmarks.recorder import Recorder
from benchmarks.worker import Command

PLACES = 4


@dataclass(frozen=True)
class Producer:
    """Writes files."""

    directory: Path

    async def enqueue(self, number: float) -> None:
        """One job."""
        (self.directory / "waiting" / f"{number:.0f}").touch()

    async def enqueue_many(self, count: int) -> None:
        """Not asked for."""

    async def insert_row(self) -> None:
        """Not asked for."""


@dataclass(frozen=True)
class Toy:
    """The system, and the server of its jobs."""

    mode: str
    name: str = "toy"
    history: bool = False
    concurrency: int | None = PLACES
    benchmarks: frozenset[str] = frozenset()
    enqueue_batch: int | None = None
    most_jobs: int | None = None
    unfinished_query: str = ""

    def version(self) -> str:
        """Of this file."""
        return "1"

    async def install(self, url: str) -> None:
        """Two directories."""
        _make(Path(url))

    def commands(self, url: str, processes: int, handler: Handler) -> Sequence[Command]:
        """A worker."""
        return [Command([sys.executable, "-m", "tests.benchmarks.toy", url, self.mode])] * processes

    @asynccontextmanager
    async def producer(self, url: str) -> AsyncIterator[Producer]:
        """No connection."""
        yield Producer(Path(url))

    def url(self, database: str) -> str:
        """The directory."""
        return database

    @contextmanager
    def fresh_database(self, label: str) -> Iterator[str]:
        """An empty directory."""
        with TemporaryDirectory(prefix=label) as directory:
            yield directory

    def settle(self, database: str) -> None:
        """Nothing."""

    def usage(self, database: str) -> None:
        """Nothing."""

    def count(self, database: str, query: str) -> int:
        """Files."""
        return sum(len(list(Path(database, name).iterdir())) for name in ("waiting", "taken"))

    def crashed(self, database: str) -> None:
        """With the mode `brings_back` what runs is to run again, with `forgets` what waits is gone; `ends` tells the worker."""
        if self.mode == "brings_back":
            for path in Path(database, "taken").iterdir():
                path.rename(Path(database, "waiting", path.name))
        if self.mode == "forgets":
            for path in Path(database, "waiting").iterdir():
                path.unlink()
        Path(database, "crashed").touch()


def _make(directory: Path) -> None:
    for name in ("waiting", "taken"):
        (directory / name).mkdir()


def work(directory: Path, mode: str) -> None:
    """Run jobs, so many at once, for ever."""
    recorder, places = Recorder(), Semaphore(PLACES)
    if mode in ("brings_back", "ends"):
        for path in (directory / "taken").iterdir():
            path.rename(directory / "waiting" / path.name)

    def run(path: Path) -> None:
        recorder.work_blocking(float(path.name))
        if mode == "late" and path.name == "-1":
            time.sleep(1.0)
            recorder.work_blocking(float(path.name))
        path.unlink(missing_ok=True)
        places.release()

    with ThreadPoolExecutor(PLACES) as pool:
        while not (mode == "ends" and (directory / "crashed").exists()):
            waiting = sorted((directory / "waiting").iterdir())
            if not waiting or not places.acquire(timeout=0.01):
                time.sleep(0.01)
                continue
            with suppress(FileNotFoundError):  # a crash has taken it
                taken = waiting[0].rename(directory / "taken" / waiting[0].name)
                if mode == "forgets":
                    taken.unlink()
                pool.submit(run, taken)
        (directory / "crashed").unlink()
        os._exit(1)


if __name__ == "__main__":
    work(Path(sys.argv[1]), sys.argv[2])
