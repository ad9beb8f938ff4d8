"""Adapters that an application registers for itself change nothing for pgqueue."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]


@pytest.mark.parametrize("when", ["before", "after"])
def test_adapters_that_the_application_registers_change_no_call_of_ours(database_url: str, when: str) -> None:
    environment = os.environ | {"PGQUEUE_DATABASE_URL": database_url}
    command = [sys.executable, "-m", "tests.faults.adapters", when]
    ran = subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    results, flow, added, status, args, rate = json.loads(ran.stdout)
    theirs = "1"  # in a handler's own statements
    assert results == [2, 4, 6, {"n": 4}, theirs, ["datetime", 1], 10, 12, {"n": 4}, 18, 20, {"n": 4}]
    assert (flow, added, status, args, rate) == (28, 4, "succeeded", {"n": 1}, 60)
