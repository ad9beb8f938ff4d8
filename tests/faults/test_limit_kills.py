"""Workers that hold the places of a limit are killed in a loop: never more run than may, and as many again after the lease."""

import json
from typing import LiteralString

import pytest

from tests.faults.audit import Findings
from tests.faults.fleet import Fleet
from tests.faults.limited import Connect, watching
from tests.looking import Look
from tests.waiting import until

pytestmark = pytest.mark.alone

LEASE = 1.0
PLACES = 3
STARTED: LiteralString = "select count(*) from worker where pid = any (%s) and wake_mode = 'notify'"


def _killing_in_a_loop(fleet: Fleet, look: Look, connect: Connect, kills: int, jobs: int) -> None:
    look.value("select set_limit('import', max_running => %s)", PLACES)
    fleet_now = {process.pid: process for process in (fleet.start(concurrency=PLACES, lease=LEASE) for _ in range(3))}
    fleet.listening(3)
    ids = look.value(
        "select enqueue_many('brief', jsonb_agg(jsonb_build_object('seconds', 0.05 + 0.05 * random())), limits => '{import}') "
        "from generate_series(1, %s)",
        jobs,
    )
    dead = [0]
    with watching(connect, "select count(*) from job where state = 'running'") as most:
        for kill in range(kills):
            until(lambda: _held(look, dead) == PLACES, "all places are in use again", within=LEASE * 4 / 3 + 3)
            victim = look.value("select w.pid from job j join worker w on w.id = j.worker_id where j.state = 'running' limit 1")
            if victim is None:  # all of them have ended in this moment
                victim = next(iter(fleet_now))
            fleet_now[victim].kill()
            fleet_now.pop(victim).wait()
            dead.append(victim)
            if kill < kills - 2:
                process = fleet.start(concurrency=PLACES, lease=LEASE)
                fleet_now[process.pid] = process
                until(lambda: look.value(STARTED, list(fleet_now)) == 3, "the start of another worker")
        until(lambda: _held(look, dead) == PLACES, "all places are in use again", within=LEASE * 4 / 3 + 3)
        look.value("update job set args = %s where state <> 'running'", json.dumps({"seconds": 0}))
        until(lambda: look.live() == 0, "the end of all jobs", within=30 + jobs / 20)
    assert most[0] == PLACES, f"{most[0]} ran in {PLACES} places"
    assert look.value("select count(*) from jobs where id = any (%s) and state = 'succeeded'", ids) == jobs
    look.value("update permit set claimed_at = claimed_at - interval '2 min'")
    look.value("select count(*) from (select tidy_lanes()) t")
    assert look.value("select count(*) from permit") == 0, "a permit is left"


def _held(look: Look, dead: list[int]) -> int:
    """How many jobs run under workers that live."""
    held: int = look.value(
        "select count(*) from job j join worker w on w.id = j.worker_id where j.state = 'running' and w.pid <> all (%s)", dead
    )
    return held


def test_places_of_workers_that_are_killed_in_a_loop_are_in_use_again_after_the_lease(
    fleet: Fleet, look: Look, findings: Findings, connect: Connect
) -> None:
    """FAULTS 32."""
    _killing_in_a_loop(fleet, look, connect, kills=2, jobs=250)


@pytest.mark.slow
def test_places_of_workers_that_are_killed_10_times_in_a_loop(
    fleet: Fleet, look: Look, findings: Findings, connect: Connect
) -> None:
    _killing_in_a_loop(fleet, look, connect, kills=10, jobs=3000)
