"""autoscale() over time, in simulated seconds: bursts, sawtooths, steady loads, and random ones with agents that die and lag."""

import math
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .conftest import Sql
from .scaling_world import World


def decisions(sql: Sql) -> list[dict[str, Any]]:
    """What was decided, with the second of simulated time at which it was."""
    return sql.rows("select kind, before, after, reason, figures from pool_event where kind in ('scaled_up', 'scaled_down')")


def test_a_burst_brings_all_workers_within_two_checks(rolled_back_sql: Sql) -> None:
    world = World(rolled_back_sql)
    for _ in range(9):
        world.step()
    world.step(come=5000)
    for _ in range(6):  # two checks
        world.step()

    assert world.count == 50


def test_a_burst_that_still_grows_brings_all_workers_after_the_cooldown(rolled_back_sql: Sql) -> None:
    world = World(rolled_back_sql)
    for _ in range(10):
        world.step(come=150, seconds=120)

    assert world.count == 50


def test_afterwards_it_returns_to_its_minimum(rolled_back_sql: Sql) -> None:
    world = World(rolled_back_sql, minimum=2)
    world.step(come=5000)
    for _ in range(90):
        world.step()

    assert (world.count, world.waiting) == (2, [])
    downs = [after for before, after in pairwise(world.wanted) if after < before]
    assert downs == [25, 13, 7, 4, 2]


def test_to_none_and_back(rolled_back_sql: Sql) -> None:
    world = World(rolled_back_sql, minimum=0)
    for _ in range(12):
        world.step()
    assert world.count == 0
    world.step(come=1)
    for _ in range(3):
        world.step()
    assert (world.count, world.waiting) == (1, [])


@pytest.mark.parametrize("period", [6, 9, 12])
def test_a_sawtooth_does_not_swing_it(rolled_back_sql: Sql, period: int) -> None:
    """The load falls to nothing and comes again within two minutes: the workers that the teeth need stay."""
    world = World(rolled_back_sql)
    for second in range(30 * period):
        tooth = second % period
        world.step(come=60 * tooth if tooth < period / 2 else 0, seconds=20)

    half = len(world.wanted) // 2
    assert world.count > 10
    assert sum(before != after for before, after in pairwise(world.wanted[half:])) <= 2


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(busy=st.integers(0, 450), concurrency=st.sampled_from([1, 3, 10]), mode=st.sampled_from(["proportional", "step"]))
def test_under_a_steady_load_it_stands_still(rolled_back_sql: Sql, busy: int, concurrency: int, mode: str) -> None:
    with rolled_back_sql.connection.transaction(force_rollback=True):
        world = World(rolled_back_sql, concurrency, 1, 100, rules={"mode": mode, "step": 25})
        for _ in range(70):
            running = sum(len(worker.jobs) for worker in (*world.workers, *world.leaving))
            world.step(come=max(busy - running - len(world.waiting), 0), seconds=600)

        assert len(set(world.wanted[-20:])) == 1


class Steps:
    """What holds at every step, whatever happens."""

    def __init__(self, world: World) -> None:
        self.world, self.last_up, self.last_change = world, -math.inf, -math.inf

    def check(self, seen: dict[str, Any], before: int) -> None:
        """After a look that saw these figures."""
        after = self.world.count
        assert self.world.minimum <= after <= self.world.maximum
        if after > before:
            self._grew(seen, before, after)
        elif after < before:
            self._shrank(seen, before, after)

    def _grew(self, seen: dict[str, Any], before: int, after: int) -> None:
        now, jobs = self.world.now, seen["running"] + seen["ready"]
        assert after <= max(jobs + 1, self.world.minimum)
        if seen["workers"] < before:  # those that are on their way are not asked for again
            assert after <= math.ceil(round(jobs / self.world.concurrency / 0.7, 6))
        each = self.world.rules.get("connections_per_worker", 4)
        assert each * (after - before) <= seen["connections_left"] - 10
        assert now - self.last_up >= 60
        self.last_up = self.last_change = now

    def _shrank(self, seen: dict[str, Any], before: int, after: int) -> None:
        now = self.world.now
        assert after * self.world.concurrency >= seen["running"] + seen["ready"]
        assert after >= (before // 2 if self.world.rules["mode"] == "proportional" else before - 5)
        assert now - self.last_change >= 60
        self.last_change = now


MOMENT = st.tuples(
    st.sampled_from([0, 0, 0, 1, 5, 30, 150, 2000]),  # jobs that come
    st.sampled_from([10, 30, 200]),  # seconds that each takes
    st.sampled_from([0] * 8 + [1, 3, 50]),  # workers that are lost
    st.sampled_from([True] * 5 + [False]),  # whether agents work
)


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    moments=st.lists(MOMENT, min_size=20, max_size=40),
    concurrency=st.sampled_from([1, 4, 25]),
    minimum=st.sampled_from([0, 1, 3]),
    boot=st.sampled_from([0, 15, 70]),
    connections=st.sampled_from([60, 10_000]),
    mode=st.sampled_from(["proportional", "step"]),
)
def test_under_random_loads_it_keeps_its_promises(
    rolled_back_sql: Sql, moments: list[tuple[int, int, int, bool]], concurrency: int, minimum: int, boot: int,
    connections: int, mode: str,
) -> None:  # fmt: skip
    """Agents die, lag and come back meanwhile. Every change is noted with what was seen."""
    with rolled_back_sql.connection.transaction(force_rollback=True):
        world = World(rolled_back_sql, concurrency, minimum, 40, {"mode": mode, "step": 5}, boot, connections)
        steps = Steps(world)
        for come, seconds, lost, agents_work in moments:
            before = world.count
            world.lose(lost)
            world.step(come, seconds, agents_work)
            steps.check(world.seen, before)
        noted = decisions(rolled_back_sql)
        assert [event["after"] for event in noted] == [
            after for before, after in pairwise([minimum, *world.wanted]) if after != before
        ]
        assert all(event["reason"] and event["figures"]["wanted"] == event["before"] for event in noted)
