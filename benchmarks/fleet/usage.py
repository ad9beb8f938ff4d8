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
    return sum(server_roles(postmaster).values())


def server_roles(postmaster: int, database: str = "") -> dict[str, float]:
    """The same by role: sessions of a database, the writer of WAL, and all others, to which those count that have ended."""
    roles = {"sessions": 0.0, "wal_writer": 0.0, "others": 0.0}
    for process in _processes(postmaster):
        try:
            roles[_role(process, database)] += _ran(process)
            if int(process.name) == postmaster:
                fields = _stat(process)
                roles["others"] += (int(fields[13]) + int(fields[14])) / TICKS
        except OSError:  # it has ended meanwhile
            continue
    return roles


def _role(process: Path, database: str) -> str:
    """By the title of a process: `postgres: user database host query`."""
    title = (process / "cmdline").read_text()
    if "walwriter" in title:
        return "wal_writer"
    return "sessions" if database and f" {database} " in title and "autovacuum" not in title else "others"


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
