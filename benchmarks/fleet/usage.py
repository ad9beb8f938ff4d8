"""The processor time of a PostgreSQL server and of other processes, read from /proc."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def process_seconds(pid: int) -> float:
    """Seconds that all threads of a process have used so far; 0 for one that has ended."""
    try:
        return sum(_ran(task) for task in Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return 0.0


def server_seconds(postmaster: int) -> float:
    """Seconds that the server has used so far: all its processes, and those that have ended."""
    seconds = 0.0
    for process in _processes(postmaster):
        try:
            seconds += _ran(process)
            if int(process.name) == postmaster:
                fields = _stat(process)
                seconds += (int(fields[13]) + int(fields[14])) / TICKS  # of those that have ended
        except OSError:  # it has ended meanwhile
            continue
    return seconds


def roles_of(postmaster: int, database: str) -> dict[str, float]:
    """Seconds that the sessions of a database, and the writer of WAL, have used so far."""
    roles = {"backends": 0.0, "wal_writer": 0.0}
    for process in _processes(postmaster):
        try:
            title = (process / "cmdline").read_text()
            if "autovacuum" in title:
                continue
            if f" {database} " in title:
                roles["backends"] += _ran(process)
            elif "walwriter" in title:
                roles["wal_writer"] += _ran(process)
        except OSError:
            continue
    return roles


def _processes(postmaster: int) -> Iterator[Path]:
    """The folders of the server's processes."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if int(process.name) == postmaster or int(_stat(process)[1]) == postmaster:
                yield process
        except OSError:
            continue


def _stat(process: Path) -> list[str]:
    """Fields of its stat, from the third on."""
    return (process / "stat").read_text().rpartition(")")[2].split()


def _ran(task: Path) -> float:
    """Seconds that a process, or one thread, has run."""
    return int((task / "schedstat").read_text().split()[0]) / 1e9
