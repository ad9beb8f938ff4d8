"""The processor time of a PostgreSQL server, read from /proc."""

from __future__ import annotations

import os
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def server_seconds(postmaster: int) -> float:
    """Seconds that the server has used so far: all its processes, and those that have ended."""
    seconds = 0.0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            fields = (process / "stat").read_text().rpartition(")")[2].split()
            if int(process.name) != postmaster and int(fields[1]) != postmaster:
                continue
            seconds += int((process / "schedstat").read_text().split()[0]) / 1e9
            if int(process.name) == postmaster:
                seconds += (int(fields[13]) + int(fields[14])) / TICKS  # of those that have ended
        except OSError:  # it has ended meanwhile
            continue
    return seconds
