"""Shells complete the words of `pgqueue`, although a command is imported only when it is asked for."""

import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("pgqueue wor", ["worker", "workers", "workflows", "workflow"]),
        ("pgqueue job --f", ["--follow", "--full"]),
        ("pgqueue limits s", ["set"]),
    ],
)
def test_a_shell_completes_commands_and_options(typed: str, expected: list[str]) -> None:
    asked = {"COMP_WORDS": typed, "COMP_CWORD": str(typed.count(" ")), "_PGQUEUE_COMPLETE": "complete_bash"}
    command = [sys.executable, "-m", "pgqueue"]
    ran = subprocess.run(command, env=os.environ | asked, capture_output=True, text=True, check=True, timeout=30)
    assert ran.stdout.split() == expected
