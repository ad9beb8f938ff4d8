"""Worker processes of the measured system: start, watch from outside, stop."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import struct
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from benchmarks.errors import BenchmarkError
from benchmarks.recorder import DIRECTORY_VARIABLE

START_SECONDS = 60
STOP_SECONDS = 30


@dataclass(frozen=True)
class Command:
    """One process to start."""

    arguments: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Sample:
    """How many handlers had started at a moment of the monotonic clock."""

    at: float
    done: int


class Worker:
    """The worker processes of one run; a context manager that leaves none behind."""

    def __init__(self, commands: Sequence[Command]) -> None:
        self._commands = commands
        self._processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        self._directory = Path(tempfile.mkdtemp(prefix="benchmark-worker-"))
        try:
            for command in self._commands:
                self._start(command)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._end()

    def _start(self, command: Command) -> None:
        environment = {**os.environ, **command.environment, DIRECTORY_VARIABLE: str(self._directory)}
        with (self._directory / f"{len(self._processes)}.log").open("wb") as log:
            self._processes.append(
                subprocess.Popen(command.arguments, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            )

    def _end(self) -> None:
        try:
            self.stop()
        finally:
            shutil.rmtree(self._directory, ignore_errors=True)

    def kill(self) -> None:
        """Kill every process and all that it has started, as if the machine had gone: nothing is given back."""
        pids = [process.pid for process in self._processes if process.poll() is None]
        for pid in pids:  # first all stand still: whoever sees a child die could start another
            os.kill(pid, signal.SIGSTOP)
        for pid in [*pids, *_descendants(pids)]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for process in self._processes:
            process.wait()
        self._processes.clear()

    def pids(self) -> list[int]:
        """The processes that were started here, without their children."""
        return [process.pid for process in self._processes]

    def ended(self) -> bool:
        """Whether a process has ended by itself."""
        return any(process.poll() is not None for process in self._processes)

    def stop(self) -> None:
        """Ask every process to end, wait, and kill what has not ended by then."""
        for process in self._processes:
            if process.poll() is None:
                process.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for process in self._processes:
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                self._kill(process)
        self._processes.clear()

    def _kill(self, process: subprocess.Popen[bytes]) -> None:
        """Kill a process that does not stop, and the children it started."""
        children = [pid for pid in self._counts() if _parent(pid) == process.pid]
        process.kill()
        process.wait()
        for pid in children:
            os.kill(pid, signal.SIGKILL)

    def _counts(self) -> dict[int, int]:
        """Started handlers by process id."""
        counts = {}
        for path in self._directory.glob("*.done"):
            content = path.read_bytes()
            if len(content) == 8:
                counts[int(path.stem)] = struct.unpack("<Q", content)[0]
        return counts

    def busy_pids(self) -> list[int]:
        """The processes that have run jobs."""
        return [pid for pid, count in self._counts().items() if count]

    def samples(self) -> dict[str, int]:
        """How many samples fell on which step, in all processes; none unless they were asked for, see sampler.py."""
        found: Counter[str] = Counter()
        for path in self._directory.glob("*.samples"):
            with suppress(ValueError):  # it is being written: the next reading has it
                found.update(json.loads(path.read_text()))
        return dict(found)

    def done(self) -> int:
        """Handlers started so far, in all processes."""
        return sum(self._counts().values())

    def sample(self) -> Sample:
        """The count of this moment."""
        return Sample(time.perf_counter(), self.done())

    def latencies(self, kind: str = "latency") -> list[float]:
        """Seconds from enqueue to start, of all jobs that carried a time; `release`: from a parent's end to its child's start."""
        values: list[float] = []
        for path in self._directory.glob(f"*.{kind}"):
            values.extend(value for (value,) in struct.iter_unpack("<d", path.read_bytes()))
        return values

    def memory_mib(self, *, peak: bool) -> float | None:
        """Resident memory of all processes that ran jobs, now or at its peak; None where /proc is missing."""
        field_name = "VmHWM" if peak else "VmRSS"
        sizes = [_memory_mib(pid, field_name) for pid, count in self._counts().items() if count]
        known = [size for size in sizes if size is not None]
        return sum(known) if known else None

    def check(self) -> None:
        """Raise with the end of its log if a worker process has ended by itself."""
        for number, process in enumerate(self._processes):
            if process.poll() is not None:
                log = (self._directory / f"{number}.log").read_text(errors="replace")
                raise BenchmarkError(f"a worker ended with code {process.returncode}:\n{log[-3000:]}")

    async def wait_for(self, count: int, seconds: float = START_SECONDS) -> None:
        """Return as soon as so many handlers have started."""
        deadline = time.monotonic() + seconds
        while self.done() < count:
            self.check()
            if time.monotonic() > deadline:
                raise BenchmarkError(f"only {self.done()} of {count} jobs were started within {seconds} s")
            await asyncio.sleep(0.01)


def _status(pid: int) -> dict[str, str]:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return {}
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _memory_mib(pid: int, field_name: str) -> float | None:
    value = _status(pid).get(field_name)
    return int(value.split()[0]) / 1024 if value else None


def _parent(pid: int) -> int | None:
    value = _status(pid).get("PPid")
    return int(value) if value else None


def _descendants(pids: Sequence[int]) -> list[int]:
    """The children of these processes, and theirs, wherever they have moved to."""
    everybody = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal()]
    parents = {pid: _parent(pid) for pid in everybody}
    found: list[int] = []
    wave = list(pids)
    while wave:
        wave = [pid for pid, parent in parents.items() if parent in wave]
        found += wave
    return found
