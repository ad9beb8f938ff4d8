"""What a run was measured on, as the run itself says it: the first line of its JSON."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.errors import Unavailable
from benchmarks.figures import Row
from benchmarks.node import node_version
from benchmarks.redis_server import redis_version
from benchmarks.server import Server

MACHINE = "machine"
"""Stands in place of a benchmark's name in that line."""

ROOT = Path(__file__).parents[1]


def run_id() -> str:
    """Names a run by the time at which it began; of two runs the later one has the larger name."""
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"


def machine(server: Server, run: str) -> Row:
    """The facts by which a reader can compare this machine with another."""
    settings = server.settings()
    return {
        "benchmark": MACHINE,
        "run": run,
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory": _memory(),
        "system": f"{platform.system()} {platform.release()}",
        "load before": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else "unknown",
        "Python": platform.python_version(),
        "pgqueue commit": _checked_out(),
        "Redis": _version_or_none(redis_version),
        "Node.js": _version_or_none(node_version),
        "PostgreSQL": settings.pop("server_version"),
        **settings,
    }


def _version_or_none(asked: Callable[[], str]) -> str:
    """Of what only some systems need."""
    try:
        return asked()
    except Unavailable:
        return "none"


def commit(reference: str) -> str | None:
    """The short name of a commit of this checkout; None where there is no such, or no git."""
    return _git("rev-parse", "--short", "--end-of-options", f"{reference}^{{commit}}")


def _checked_out() -> str:
    """The commit of the files that are measured, with a plus where they differ from it."""
    changed = _git("status", "--porcelain", "--untracked-files=no")
    return f"{commit('HEAD') or 'unknown'}{'+' if changed else ''}"


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=30)  # noqa: S607
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _memory() -> str:
    """As far as the system tells."""
    kilobytes = int(_first("/proc/meminfo", "MemTotal", "0 kB").split()[0])
    return f"{kilobytes / 1024**2:.0f} GiB" if kilobytes else "unknown"


def _processor() -> str:
    """The model of the processor, where the system tells."""
    return _first("/proc/cpuinfo", "model name", platform.processor() or platform.machine())


def _first(path: str, name: str, otherwise: str) -> str:
    """What stands after the first such name in a file of /proc."""
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        return otherwise
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), otherwise)
