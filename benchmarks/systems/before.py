"""The version before: pgqueue as a commit of this checkout has it, measured in turns with the files that are here.

Its files are unpacked into a folder of their own. Its worker, its install and its producer are processes that import pgqueue and
the benchmarks' own `systems/pgqueue.py` from there, so that SQL and Python are always of the same version.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import replace
from pathlib import Path

from benchmarks.errors import BenchmarkError, Unavailable
from benchmarks.machine import ROOT, commit
from benchmarks.options import Handler
from benchmarks.peers import producing
from benchmarks.systems import Producer
from benchmarks.systems.pgqueue import PgQueueSystem
from benchmarks.worker import Command

SCRIPT = Path(__file__).with_name("before_producer.py")


@contextmanager
def checked_out(reference: str) -> Iterator[Before]:
    """The files of a commit in a temporary folder, which is deleted afterwards."""
    name = commit(reference)
    if name is None:
        raise Unavailable(f"--base: {reference!r} is no commit of {ROOT}; give a branch, a tag or a hash")
    with tempfile.TemporaryDirectory(prefix="benchmark-before-") as folder:
        packed = Path(folder, "files.zip")
        subprocess.run(["git", "archive", "-o", packed, name], cwd=ROOT, check=True, timeout=60)  # noqa: S607
        with zipfile.ZipFile(packed) as files:
            files.extractall(folder)
        packed.unlink()
        yield Before(name, Path(folder))


class Before(PgQueueSystem):
    """A row beside pgqueue's own."""

    name = "before"
    benchmarks = frozenset({"throughput", "processes", "sync", "together", "latency", "pinned", "server", "shares"})

    def __init__(self, reference: str, folder: Path) -> None:
        self._reference = reference
        self._folder = folder

    def version(self) -> str:
        """The commit."""
        return self._reference

    async def install(self, url: str) -> None:
        """Its own SQL."""
        process = await asyncio.create_subprocess_exec(*self._script("install", url))
        if await process.wait():
            raise BenchmarkError("the version before could not create its schema; its error is on stderr")

    def commands(self, url: str, processes: int, handler: Handler) -> Sequence[Command]:
        """The same command, with its packages."""
        environment = {"PYTHONPATH": str(self._folder), "PYTHONSAFEPATH": "1"}
        ours = super().commands(url, processes, handler)
        return [replace(command, environment={**command.environment, **environment}) for command in ours]

    def producer(self, url: str) -> AbstractAsyncContextManager[Producer]:
        """A process of its own."""
        return producing(self._script("produce", url), {})

    def _script(self, *arguments: str) -> Sequence[str]:
        return [sys.executable, str(SCRIPT), str(self._folder), *arguments]
