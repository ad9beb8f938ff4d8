"""Counts jobs inside a worker process; imported by the job handlers of the Python systems.

A process writes its number of started handlers into eight shared bytes (`<pid>.done`), which the harness
reads whenever it wants: a fraction of a microsecond a job, no query, no pipe. Where a job carries the time at
which it was sent, the time it took to reach the handler is appended to `<pid>.latency`; the time from the end
of the first job of a chain to the start of the second to `<pid>.release`.
"""

from __future__ import annotations

import asyncio
import itertools
import mmap
import os
import struct
import time
from pathlib import Path

DIRECTORY_VARIABLE = "BENCHMARK_COUNTERS"
JOURNAL_VARIABLE = "BENCHMARK_JOURNAL"
"""A file in which every run of a job is noted. With it, a job is no no-op: see `Recorder.work`."""

SECONDS_VARIABLE = "BENCHMARK_JOB_SECONDS"
"""How long a job runs whose runs are noted."""


class Recorder:
    """The counter of this process."""

    def __init__(self) -> None:
        self._ended: dict[int, float] = {}
        self._journal = _journal()
        self.keeps_journal = self._journal is not None
        """Whether the handler is to call `work`, or where it may block `work_blocking`, instead of `note`."""
        self._seconds = float(os.environ.get(SECONDS_VARIABLE, 0))
        self._open()
        os.register_at_fork(after_in_child=self._open)

    def _open(self) -> None:
        """Start a file of one's own; a forked child must not count into its parent's."""
        directory = os.environ.get(DIRECTORY_VARIABLE)
        if directory is None:
            self._slot = memoryview(bytearray(8)).cast("Q")
        else:
            path = Path(directory, f"{os.getpid()}.done")
            path.write_bytes(bytes(8))
            with path.open("r+b") as file:
                self._slot = memoryview(mmap.mmap(file.fileno(), 8)).cast("Q")
        self._numbers = itertools.count(1)

    def note(self, sent_at: float) -> None:
        """Count one handler that has started; with a time above zero, record how long it took to get here.

        `next` of a count is atomic, so that threads may call this at once.
        """
        if sent_at:
            self._append("latency", time.time() - sent_at)
        self._slot[0] = next(self._numbers)

    def end_first(self, number: int) -> None:
        """Remember when the first job of a chain ended; to be called as its last line."""
        self._ended[number] = time.time()

    def begin_second(self, number: int) -> None:
        """Record how long after that the second one started; it must run in the same process."""
        self._append("release", time.time() - self._ended.pop(number))

    async def work(self, number: float) -> None:
        """Note that the job of that number starts, take a while, note that it has ended. Negative numbers are no times."""
        self._write("start", number)
        await asyncio.sleep(self._seconds)
        self._write("end", number)

    def work_blocking(self, number: float) -> None:
        """As `work`, in a thread or a process."""
        self._write("start", number)
        time.sleep(self._seconds)
        self._write("end", number)

    def _write(self, word: str, number: float) -> None:
        """Add a line. All processes share the file: one write to the end of a file is never torn by another."""
        if self._journal is not None:
            os.write(self._journal, f"{word} {-number:.0f} {time.time():.6f}\n".encode())

    def _append(self, kind: str, seconds: float) -> None:
        with Path(os.environ[DIRECTORY_VARIABLE], f"{os.getpid()}.{kind}").open("ab") as file:
            file.write(struct.pack("<d", seconds))


def _journal() -> int | None:
    """The open file, which a forked child may go on using."""
    path = os.environ.get(JOURNAL_VARIABLE)
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600) if path else None
