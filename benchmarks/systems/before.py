"""The version before: pgqueue as a commit of this checkout has it, measured in turns with the files that are here.

Its files are unpacked into a folder of their own. Its worker, its install and its producer are processes that import pgqueue and
the benchmarks' own `systems/pgqueue.py` from there, so that SQL and Python are always of the same version.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path

from benchmarks.errors import BenchmarkError, Unavailable
from benchmarks.machine import ROOT, commit
from benchmarks.options import Handler
from benchmarks.systems import Producer as AnyProducer
from benchmarks.systems.pgqueue import PgQueueSystem
from benchmarks.worker import Command

SCRIPT = Path(__file__).with_name("before_producer.py")
ANSWER_SECONDS = 60.0


@contextmanager
def checked_out(reference: str) -> Iterator[Before]:
    """The files of a commit in a temporary folder, which is deleted afterwards."""
    name = commit(reference)
    if name is None:
        raise Unavailable(f"--base: {reference!r} is no commit of {ROOT}; give a branch, a tag or a hash")
    with tempfile.TemporaryDirectory(prefix="benchmark-before-") as folder:
        packed = Path(folder, "files.tar")
        subprocess.run(["git", "archive", "-o", packed, name], cwd=ROOT, check=True, timeout=60)  # noqa: S607
        with tarfile.open(packed) as files:
            files.extractall(folder, filter="data")
        packed.unlink()
        yield Before(name, Path(folder))


class _Producer:
    """Enqueues by a process of the version before: a line to it for each call, a line back when it was accepted."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def enqueue_many(self, count: int) -> None:
        await self._ask({"many": count})

    async def enqueue(self, sent_at: float) -> None:
        """A time above zero is taken anew by the process, so that the way to it is not part of a latency."""
        await self._ask({"timed": bool(sent_at)})

    async def insert_row(self) -> None:
        await self._ask({"row": True})

    async def _ask(self, question: dict[str, object]) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(question).encode() + b"\n")
        async with asyncio.timeout(ANSWER_SECONDS):
            answer = await self._process.stdout.readline()
        if answer != b"done\n":
            raise BenchmarkError(f"the producer of the version before has ended after {question}; its error is on stderr")


class Before(PgQueueSystem):
    """A row beside pgqueue's own."""

    name = "before"
    benchmarks = frozenset({"throughput", "processes", "sync", "together", "latency", "pinned"})

    def __init__(self, reference: str, folder: Path) -> None:
        self._reference = reference
        self._environment = {"PYTHONPATH": str(folder), "PYTHONSAFEPATH": "1"}
        self._folder = folder

    def version(self) -> str:
        """The commit."""
        return self._reference

    async def install(self, url: str) -> None:
        """Its own SQL."""
        process = await asyncio.create_subprocess_exec(*self._script("install", url), env=self._variables(), cwd=self._folder)
        if await process.wait():
            raise BenchmarkError("the version before could not create its schema; its error is on stderr")

    def commands(self, url: str, processes: int, handler: Handler) -> Sequence[Command]:
        """The same command, with its packages."""
        ours = super().commands(url, processes, handler)
        return [replace(command, environment={**command.environment, **self._environment}) for command in ours]

    def producer(self, url: str) -> AbstractAsyncContextManager[AnyProducer]:
        """A process of its own."""
        return self._producer(url)

    @asynccontextmanager
    async def _producer(self, url: str) -> AsyncIterator[_Producer]:
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *self._script("produce", url), env=self._variables(), cwd=self._folder, stdin=pipe, stdout=pipe
        )
        try:
            yield _Producer(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()  # it ends where its input ends
            await process.wait()

    def _script(self, *arguments: str) -> Sequence[str]:
        return [sys.executable, str(SCRIPT), *arguments]

    def _variables(self) -> dict[str, str]:
        return {**os.environ, **self._environment}
