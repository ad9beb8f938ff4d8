"""`make bench` never puts a run that measured nothing in the place of an earlier one."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STAMPS = [".venv/bin/python", ".venv/.test", ".venv/.bench", ".venv/.peers"]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with this Makefile, all set up, whose Python measures nothing."""
    for name in ["pyproject.toml", "constraints.txt", "benchmarks/peers.py", "benchmarks/runs/all.jsonl", *STAMPS]:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("an earlier run\n" if name.endswith(".jsonl") else "")
    (tmp_path / STAMPS[0]).write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / STAMPS[0]).chmod(0o755)
    for number, name in enumerate(STAMPS, 1):
        os.utime(tmp_path / name, (2_000_000_000 + number,) * 2)
    shutil.copy(ROOT / "Makefile", tmp_path)
    return tmp_path


def test_a_run_that_measured_nothing_leaves_the_earlier_one(checkout: Path) -> None:
    done = subprocess.run(["make", "bench"], cwd=checkout, capture_output=True, text=True, timeout=30)
    assert done.returncode != 0
    assert "nothing was measured" in done.stdout
    assert (checkout / "benchmarks/runs/all.jsonl").read_text() == "an earlier run\n"
