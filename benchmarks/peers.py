"""Peers whose packages live in an environment of their own: their scripts are started, and nothing of theirs is imported here.

A script is run as `… install URL`, `… work URL` and `… produce URL`. The last one answers requests, one JSON object a
line: `{}` once it is connected, `{"many": 1000}` and `{"sent_at": 1.5}` when the server has accepted the jobs. Its
answers, `{"seconds": 0.0012}`, say how long its own call took: the pipe between is no part of a peer.

`python -m benchmarks.peers` prints what that environment has to have, for pip; `… peers-celery` what Celery has beside it: a
redis-py that arq refuses, in a folder `celery` of that environment, which comes before the other one for its script alone.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import lru_cache
from pathlib import Path
from typing import IO

import psycopg

from benchmarks.errors import BenchmarkError, Unavailable
from benchmarks.options import Handler
from benchmarks.worker import Command

ROOT = Path(__file__).parent.parent
PYTHON_VARIABLE = "BENCHMARK_PEERS_PYTHON"
ENVIRONMENT = {"PYTHONPATH": str(ROOT)}
"""What a script in Python needs to find recorder.py; its interpreter has no pgqueue."""

ANSWER_SECONDS = 120.0
"""More than any single call may take."""

END_SECONDS = 10.0
STREAM_BYTES = 1024 * 1024


def interpreter() -> str:
    """The Python that has the peers' packages.

    Raises:
        Unavailable: there is none.
    """
    given = os.environ.get(PYTHON_VARIABLE)
    path = Path(given) if given else ROOT / ".venv" / "peers" / "bin" / "python"
    if not path.is_file():
        raise Unavailable(f"{path} is missing: run `make bench`, or name a Python with the peers' packages in {PYTHON_VARIABLE}")
    return str(path)


@lru_cache
def installed(distribution: str) -> str:
    """The version of a package of the peers' environment.

    Raises:
        Unavailable: it is not installed there.
    """
    code = f"from importlib.metadata import version; print(version({distribution!r}))"
    found = subprocess.run([interpreter(), "-c", code], capture_output=True, text=True, timeout=60)
    if found.returncode:
        raise Unavailable(f"{distribution} is not installed for {interpreter()}: run `make bench`")
    return found.stdout.strip()


def environment(folder: str | None = None) -> Mapping[str, str]:
    """The variables of a script in Python: it finds recorder.py, and first of all the packages in a folder of its environment."""
    if folder is None:
        return ENVIRONMENT
    own = Path(interpreter()).parent.parent / folder
    if not own.is_dir():
        raise Unavailable(f"{own} is missing: run `make bench`")
    return {"PYTHONPATH": os.pathsep.join([str(own), str(ROOT)])}


def python_script(name: str) -> Sequence[str]:
    """The command line of systems/peers/NAME.py, without its sub-command."""
    return (interpreter(), "-m", f"benchmarks.systems.peers.{name}")


class PeerProducer:
    """A producer in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process, log: IO[bytes], row: InsertedRow | None) -> None:
        self._process, self._log, self._row = process, log, row

    async def enqueue_many(self, count: int) -> None:
        """Enqueue by the system's own bulk call."""
        await self.ask({"many": count})

    async def enqueue(self, sent_at: float) -> float | None:
        """Enqueue one job; the seconds that its own process took. That process takes a time above 0 anew."""
        return await self.ask({"sent_at": sent_at})

    async def insert_row(self) -> None:
        """Insert a row by hand; Unavailable for a system without SQL."""
        if self._row is None:
            raise Unavailable("jobs are no rows of a table")
        await self._row.insert()

    async def ask(self, request: dict[str, float]) -> float | None:
        """Send a request and wait for its answer."""
        pipe, answers = self._process.stdin, self._process.stdout
        if pipe is None or answers is None:
            raise BenchmarkError("the producer has no pipes")
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                pipe.write(json.dumps(request).encode() + b"\n")
                await pipe.drain()
                line = await answers.readline()
        except TimeoutError:
            raise BenchmarkError(f"a producer did not answer within {ANSWER_SECONDS:.0f} s: {request}") from None
        except ConnectionError:
            line = b""
        if not line:
            raise BenchmarkError(f"a producer ended:\n{self._end_of_log()}")
        seconds = json.loads(line).get("seconds")
        return None if seconds is None else float(seconds)

    def _end_of_log(self) -> str:
        self._log.seek(0)
        return self._log.read().decode(errors="replace")[-3000:]


class InsertedRow:
    """A plain INSERT of the row of one job, on a connection of the harness."""

    def __init__(self, connection: psycopg.AsyncConnection, statement: str) -> None:
        self._connection, self._statement = connection, statement.encode()

    async def insert(self) -> None:
        """Insert one."""
        await self._connection.execute(self._statement)


@asynccontextmanager
async def inserting(url: str, statement: str | None) -> AsyncIterator[InsertedRow | None]:
    """Connect for plain INSERTs; None where there is no such statement."""
    if statement is None:
        yield None
        return
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        yield InsertedRow(connection, statement)


@asynccontextmanager
async def producing(
    command: Sequence[str], variables: Mapping[str, str], row: InsertedRow | None = None
) -> AsyncIterator[PeerProducer]:
    """Start a script's producer, and end it afterwards."""
    with tempfile.TemporaryFile() as log:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env={**os.environ, **variables},
            limit=STREAM_BYTES,
        )
        try:
            producer = PeerProducer(process, log, row)
            await producer.ask({})
            yield producer
        finally:
            await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Close its pipe, which ends it; kill it if it does not."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        await asyncio.wait_for(process.wait(), END_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()


class Peer:
    """The common part of systems that run as a script; what differs stands in class attributes."""

    name: str
    history: bool
    concurrency: int | None
    enqueue_batch: int | None = None
    most_jobs: int | None = None
    benchmarks = frozenset({"throughput", "processes", "together", "latency", "enqueue", "recovery-kill", "recovery-crash"})
    unfinished_query: str
    insert: str | None = None
    """A plain INSERT of one job's row."""
    folder: str | None = None
    """Where packages of its own are, in the peers' environment."""

    def version(self) -> str:
        """The version of its package, which has its name."""
        return installed(self.name)

    def script(self) -> Sequence[str]:
        """The command line, without its sub-command."""
        return python_script(self.name)

    async def install(self, url: str) -> None:
        """Let the script create its schema."""
        variables = {**os.environ, **environment(self.folder)}
        process = await asyncio.create_subprocess_exec(
            *self.script(), "install", url, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        output, _ = await asyncio.wait_for(process.communicate(), ANSWER_SECONDS)
        if process.returncode:
            raise BenchmarkError(f"{self.name} could not be installed:\n{output.decode(errors='replace')[-3000:]}")

    def commands(self, url: str, processes: int, handler: Handler) -> Sequence[Command]:
        """One script for each process."""
        return [Command([*self.script(), "work", url], environment(self.folder))] * processes

    def producer(self, url: str) -> AbstractAsyncContextManager[PeerProducer]:
        """Start its producer, and connect for the plain INSERT."""
        return self._producer(url)

    @asynccontextmanager
    async def _producer(self, url: str) -> AsyncIterator[PeerProducer]:
        command = [*self.script(), "produce", url]
        async with inserting(url, self.insert) as row, producing(command, environment(self.folder), row) as producer:
            yield producer


def requirements(extra: str) -> list[str]:
    """The packages of an extra: pinned, and installed without pgqueue, whose own pins they must not meet."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return [str(line) for line in project["optional-dependencies"][extra]]


if __name__ == "__main__":
    print("\n".join(requirements(sys.argv[1] if sys.argv[1:] else "peers")))
