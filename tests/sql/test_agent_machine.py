"""Random agents that lag, die, stop and come back, and people who scale, pause and roll: what holds after each step.

A model keeps what each agent was told last: it acts on that until its next turn, or until its lease ends by its own clock.
"""

import os
import random
import sys
from uuid import UUID

import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from .agents import Turn, agent, by_host, change, end_workers, lose, make_pool, settle, start_workers, turn
from .conftest import Sql

ANY = st.integers(0, 20)
HOSTS = ["a", "b", "c"]


class Agents(RuleBasedStateMachine):
    """The SQL functions, and what each agent that keeps its lease was told."""

    def __init__(self, sql: Sql) -> None:
        super().__init__()
        self.sql = sql
        self.told: dict[UUID, Turn | None] = {}
        self.slots: dict[UUID, tuple[str, int]] = {}
        self.stopping: set[UUID] = set()
        self.transaction = sql.connection.transaction(force_rollback=True)
        self.transaction.__enter__()
        make_pool(sql, 4, max_unavailable=2)

    def teardown(self) -> None:
        try:
            if sys.exc_info()[0] is None:
                self._comes_to_rest()
        finally:
            self.transaction.__exit__(None, None, None)

    def _one(self, which: int) -> UUID | None:
        agents = list(self.told)
        return agents[which % len(agents)] if agents else None

    @rule(host=st.sampled_from(HOSTS), slots=st.sampled_from([1, 3, 8]))
    def starts(self, host: str, slots: int) -> None:
        if len(self.told) < 5:
            id = agent(self.sql, host, slots)
            self.told[id], self.slots[id] = None, (host, slots)

    @rule(which=ANY, ended=st.booleans(), occupied=st.sampled_from([0, 0, 2]))
    def turns(self, which: int, ended: bool, occupied: int) -> None:
        """`ended`: the workers of the slots that it was told to leave have ended by now."""
        if id := self._one(which):
            before = self.told[id]
            gone = before.leaving if before and ended else []
            end_workers(self.sql, gone)
            ready = self._generations("s.ready")
            self.told[id] = told = turn(self.sql, id, gone, occupied, id in self.stopping)
            assert not set(told.leaving) & set(gone)
            assert len(told.slots) <= self.slots[id][1]
            wanted = self.sql.value("select case when paused then 0 else wanted end from pool")
            assert self.sql.value("select count(*) from pool_slot where leaving is null") == wanted
            if any(self._generations("true").get(slot, old) > old for slot, old in ready.items()):
                assert len(self._generations("not s.ready")) <= 2

    @rule(which=ANY, running=st.sampled_from([0, 0, 3]))
    def workers_start(self, which: int, running: int) -> None:
        if id := self._one(which):
            start_workers(self.sql, id, running)

    @rule(which=ANY)
    def worker_dies(self, which: int) -> None:
        self.sql.rows("delete from worker where slot = %s", which % 5 + 1)

    @rule(which=ANY)
    def lags(self, which: int) -> None:
        """Its lease ends, and it does not know yet: by its own clock it ended no later, so it acts on nothing any more."""
        if id := self._one(which):
            lose(self.sql, id)
            self._forget(id)
            if which % 2:  # it notices before others do
                assert self.sql.refusal("select agent_turn(%s)", id).sqlstate == "PQ002"

    @rule(which=ANY)
    def stops(self, which: int) -> None:
        if id := self._one(which):
            if id in self.stopping:
                self.sql.value("select retire_agent(%s)", id)
                self._forget(id)
            else:
                self.stopping.add(id)

    def _generations(self, which: str) -> dict[int, int]:
        """Of the slots that are held and stay."""
        rows = self.sql.rows(f"select * from slots_of('mail') s where leaving is null and agent_id is not null and {which}")
        return {row["slot"]: row["generation"] for row in rows}

    def _forget(self, id: UUID) -> None:
        del self.told[id]
        self.stopping.discard(id)

    @rule(wanted=st.sampled_from([0, 1, 2, 5, 9]))
    def scale(self, wanted: int) -> None:
        change(self.sql, wanted=wanted)

    @rule(paused=st.booleans())
    def pause(self, paused: bool) -> None:
        change(self.sql, paused=paused)

    @rule()
    def roll(self) -> None:
        self.sql.rows("update pool set generation = generation + 1")

    @invariant()
    def nobody_acts_on_a_slot_that_another_one_holds(self) -> None:
        acted = [slot for told in self.told.values() if told for slot in told.slots]
        assert len(acted) == len(set(acted))

    def _comes_to_rest(self) -> None:
        """Each slot has its agent if there is room, hosts with room differ by one at most, and nothing is left of lost agents."""
        change(self.sql, paused=False)
        for id in self.stopping:
            self.sql.value("select retire_agent(%s)", id)
            del self.told[id]
        if not self.told:
            self.starts("a", 3)
        settle(self.sql, *self.told)
        room = {host: sum(self.slots[id][1] for id in self.told if self.slots[id][0] == host) for host in HOSTS}
        wanted, held = self.sql.value("select wanted from pool"), by_host(self.sql)
        assert sum(held.values()) == min(wanted, sum(room.values()))
        for host in HOSTS:
            if held.get(host, 0) < room[host]:
                assert max(held.values(), default=0) - held.get(host, 0) <= 1
        assert self.sql.value("select count(*) from pool_slot") == wanted
        assert self.sql.value("select count(*) from agent") == len(self.told)
        behind = "select count(*) from pool_slot s, pool p where s.generation < p.generation and s.agent_id is not null"
        assert self.sql.value(behind) == 0


@pytest.mark.parametrize("examples", [15, pytest.param(200, marks=pytest.mark.slow)])
def test_any_sequence_of_moves_keeps_each_slot_with_one_agent_and_comes_to_rest(lasting_sql: Sql, examples: int) -> None:
    number = int(os.environ.get("PGQUEUE_TEST_SEED") or random.SystemRandom().randrange(2**32))
    print(f"repeat with PGQUEUE_TEST_SEED={number}")

    @seed(number)
    def machine() -> Agents:
        return Agents(lasting_sql)

    run_state_machine_as_test(
        machine,  # type: ignore[arg-type]  # it takes any factory
        settings=settings(
            max_examples=examples,
            stateful_step_count=30,
            deadline=None,
            database=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
