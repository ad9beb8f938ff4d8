"""A forked child has connections of its own, waits for no lock of its parent, and ends as if it had been alone."""

import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.looking import Look

ROOT = Path(__file__).parents[2]
FORK_REMARK = "ignore:This process:DeprecationWarning"  # of Python 3.12: that there are threads when it forks


def _run(scenario: str, url: str) -> dict[str, list[int]]:
    """What the processes said, by name. They ended well and in time, and complained of nothing."""
    command = [sys.executable, "-W", "error", "-W", FORK_REMARK, "-m", "tests.client.forks", scenario, url]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    said: dict[str, list[int]] = defaultdict(list)
    for line in done.stdout.splitlines():
        name, _, value = line.partition(" ")
        said[name].append(int(value))
    assert set(said["child"]) == {0}
    return said


def test_children_of_a_process_that_has_enqueued_have_connections_of_their_own(
    database_url: str, look: Look, heard: Callable[[], list[str]]
) -> None:
    look.connection.execute(f'listen "{look.value("select channel()")}"')
    said = _run("preload", database_url)
    before, after = said["parent"]
    assert before == after
    assert len({before, *said["backend"]}) == 5
    assert look.live() == 6
    # The parent's window does not count for its children: what the parent sent may have come to nothing.
    assert len(heard()) == 5


def test_children_of_children_have_connections_of_their_own(database_url: str, look: Look) -> None:
    said = _run("grandchildren", database_url)
    assert len(set(said["backend"])) == 20
    assert look.live() == 21


def test_a_child_waits_for_no_lock_that_a_thread_of_its_parent_held(database_url: str, look: Look) -> None:
    _run("held", database_url)
    assert look.live() == 6


def test_children_of_a_busy_process_enqueue_and_end(database_url: str) -> None:
    assert len(_run("busy", database_url)["backend"]) == 12


def test_a_child_that_has_the_process_id_of_an_ancestor_has_connections_of_its_own(database_url: str) -> None:
    first, *children, last = _run("reused", database_url)["backend"]
    assert first == last
    assert first not in children


@pytest.mark.parametrize("scenario", ["after_a_loop", "beside_a_loop"])
def test_children_of_a_process_with_an_event_loop_have_connections_of_their_own(
    database_url: str, look: Look, scenario: str
) -> None:
    first, *children, last = _run(scenario, database_url)["backend"]
    assert {first, last}.isdisjoint(children)
    assert len(set(children)) == 4
    assert (first == last) == (scenario == "beside_a_loop")
    assert look.live() == 6
