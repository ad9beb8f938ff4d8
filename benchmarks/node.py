"""What runs on Node.js: its program, and the packages that package.json names."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from benchmarks.errors import Unavailable

FOLDER = Path(__file__).parent
INSTALL_SECONDS = 300
VERSION_SECONDS = 10


def node() -> str:
    """The path of Node.js.

    Raises:
        Unavailable: it is not installed.
    """
    path = shutil.which("node")
    if path is None:
        raise Unavailable("Node.js is not installed (nodejs.org; 22.12 or later)")
    return path


def node_version() -> str:
    """The version of Node.js; raises Unavailable where there is none."""
    answer = subprocess.run([node(), "--version"], capture_output=True, text=True, timeout=VERSION_SECONDS)
    return answer.stdout.strip().removeprefix("v")


def install_packages(needed: str) -> None:
    """Fetch what package.json names into a folder that git ignores, unless the needed package is there.

    Raises:
        Unavailable: npm is missing, or cannot fetch them.
    """
    npm = shutil.which("npm")
    if (FOLDER / "node_modules" / needed).exists():
        return
    if npm is None:
        raise Unavailable("npm is not installed (it comes with Node.js: nodejs.org; 22.12 or later)")
    options = ["--no-package-lock", "--no-audit", "--no-fund"]
    result = subprocess.run([npm, "install", *options], cwd=FOLDER, capture_output=True, text=True, timeout=INSTALL_SECONDS)
    if result.returncode:
        raise Unavailable(f"npm install failed: {result.stderr[-500:]}")
