"""A pool that scales itself, with real processes: up in a burst, no busy worker removed, back to its minimum."""

import json

import pytest

from ..waiting import until
from .agents import Pool

RULES = {"check_every": 1, "cooldown_up": 1, "cooldown_down": 1, "depth_up": 4, "depth_down": 2}


@pytest.mark.slow
def test_a_burst_brings_workers_and_none_is_removed_before_its_job_is_done(pool: Pool) -> None:
    pool.make(1, concurrency=2, maximum=3, autoscale=True, rules=json.dumps(RULES))
    ids = [pool.look.value("select enqueue('sleep', '{\"seconds\": 0.5}')") for _ in range(36)]
    pool.agent(4)
    pool.serves(3)
    last = pool.start_job(2.5)

    until(lambda: pool.look.value("select wanted from pool") < 3, "fewer are wanted")
    assert pool.look.state(last) in ("running", "succeeded")
    until(lambda: pool.look.state(last) == "succeeded", "the last job has ended")
    assert {pool.look.state(id) for id in ids} == {"succeeded"}
    assert pool.look.value("select count(*) from jobs where attempt > 1 or errors is not null") == 0
    until(lambda: pool.look.value("select wanted from pool") == 0, "none is wanted")
    until(lambda: not pool.processes(), "all workers have ended")

    kinds = [kind for kind in pool.events() if kind.startswith("scaled")]
    assert kinds[0] == "scaled_up"
    assert set(kinds) == {"scaled_up", "scaled_down"}
    assert pool.look.value("select count(*) from pool_event where kind like 'scaled%%' and figures is null") == 0
