"""FAULTS 8: worker processes and their supervisor are killed at any moment: nothing is lost, and the number is back."""

import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Process
from tests.faults.audit import Findings
from tests.faults.supervised import Supervisors, kill
from tests.looking import Look
from tests.waiting import until

Enqueue = Callable[..., list[int]]
WANTED = 2
LEASE = 2.0
BACK_WITHIN = LEASE + 2.0


class Hunt:
    """A supervisor that its service manager starts again, jobs for it, and somebody who kills."""

    def __init__(self, supervisors: Supervisors, look: Look, findings: Findings, enqueue: Enqueue, dice: random.Random) -> None:
        self._supervisors, self._look, self._findings = supervisors, look, findings
        self._enqueue, self._dice = enqueue, dice
        self._ids: list[int] = []
        self._kills = {"supervisor": 0, "worker": 0}
        self._supervisor = self._start()
        supervisors.are_ready(self._supervisor, WANTED, within=60)

    def _start(self) -> Process:
        return self._supervisors.start(WANTED, "--concurrency", 10, lease=LEASE)

    def go_on(self, seconds: float) -> None:
        """Kill one after another for so long, under load."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self._ids += self._enqueue("brief", 20, seconds=0.05)
            time.sleep(self._dice.uniform(0.1, 1.5))  # not a wait for anything: the moment of death is random
            self.kill(self._dice.choice(["supervisor", "worker", "worker"]))

    def kill_last(self, whom: str) -> None:
        """Kill one that there is: a supervisor may not have started its processes yet."""
        until(lambda: self._supervisors.children(self._supervisor), "a process")
        before = self._kills[whom]
        while self._kills[whom] == before:
            self.kill(whom)

    def kill(self, whom: str) -> None:
        """Kill one, at whatever it does, if there is any."""
        children = sorted(self._supervisors.children(self._supervisor))
        if whom == "supervisor":
            kill(self._supervisor.pid)
            self._supervisor.ends()
            self._supervisor = self._start()
        elif not children or not kill(self._dice.choice(children)):
            return
        self._kills[whom] += 1

    def is_back(self, within: float) -> None:
        """Wait for the wanted number of processes."""
        self._supervisors.are_ready(self._supervisor, WANTED, within)

    def ends_well(self) -> None:
        """Every job came to an end, with its effect, and no process is left that has no supervisor."""
        assert any(self._kills.values()), "nothing was killed"
        until(lambda: self._look.live() == 0, "the end of all jobs", within=90)
        self._findings.assert_all_done(self._ids)
        self._findings.assert_a_token_for_each_run()
        no_effect = (
            "select count(*) from jobs j where state = 'succeeded' "
            "and not exists (select from audit.run where job_id = j.id and ended_at is not null)"
        )
        assert self._look.value(no_effect) == 0, "a job is done that had no effect"
        other = "select count(*) from jobs where state = 'failed' and reason::text not in ('crashed', 'memory')"
        assert self._look.value(other) == 0
        until(lambda: not self._supervisors.strays(), "the end of processes without a supervisor")
        print(f"{len(self._ids)} jobs, killed: {self._kills}, dead letters: {self._look.count('failed')}")


@pytest.fixture
def hunt(
    database_url: str, look: Look, findings: Findings, enqueue: Enqueue, dice: random.Random, tmp_path: Path
) -> Iterator[Hunt]:
    """A supervisor whose processes are ready; nothing is left of it after the test."""
    supervisors = Supervisors(database_url, look, tmp_path)
    try:
        yield Hunt(supervisors, look, findings, enqueue, dice)
    finally:
        supervisors.end()


def test_any_process_of_a_supervisor_and_itself_may_be_killed(hunt: Hunt) -> None:
    hunt.go_on(1.5)
    hunt.is_back(60)  # so that there are processes that lose it
    hunt.kill("supervisor")
    hunt.is_back(60)
    hunt.ends_well()


@pytest.mark.alone
@pytest.mark.parametrize("last", ["worker", "supervisor"])
def test_the_wanted_number_is_back_within_the_lease_and_two_seconds(hunt: Hunt, last: str) -> None:
    hunt.kill_last(last)
    hunt.is_back(BACK_WITHIN)


@pytest.mark.alone
@pytest.mark.slow
@pytest.mark.parametrize("last", ["worker", "supervisor"])
def test_for_two_minutes_any_process_may_be_killed_and_the_number_is_back(hunt: Hunt, last: str) -> None:
    hunt.go_on(120)
    hunt.kill_last(last)
    hunt.is_back(BACK_WITHIN)
    hunt.ends_well()


@pytest.mark.alone
@pytest.mark.slow
def test_processes_that_are_killed_again_and_again_are_back_as_fast(hunt: Hunt) -> None:
    for _ in range(12):
        hunt.kill("worker")
        hunt.is_back(BACK_WITHIN)
