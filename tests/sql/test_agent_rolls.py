"""agent_turn: rolls replace workers a few at a time, and slots move between hosts one at a time."""

import pytest

from .agents import agent, by_host, change, end_workers, events, make_pool, settle, start_workers, turn
from .conftest import Sql


def test_a_roll_replaces_at_most_max_unavailable_at_a_time(rolled_back_sql: Sql) -> None:
    make_pool(rolled_back_sql, 5, max_unavailable=2)
    one, another = agent(rolled_back_sql, "a"), agent(rolled_back_sql, "b")
    settle(rolled_back_sql, one, another)
    change(rolled_back_sql, generation=2)

    for expected in (2, 4, 5):
        for each in (one, another, one, another):
            turn(rolled_back_sql, each)
        assert rolled_back_sql.value("select count(*) from pool_slot where generation = 2") == expected
        start_workers(rolled_back_sql, one)
        start_workers(rolled_back_sql, another)


def test_a_roll_stops_when_its_new_workers_do_not_start(rolled_back_sql: Sql) -> None:
    make_pool(rolled_back_sql, 4)
    one = agent(rolled_back_sql)
    settle(rolled_back_sql, one)
    change(rolled_back_sql, generation=2)

    for _ in range(5):
        told = turn(rolled_back_sql, one)

    assert [slot["generation"] for slot in told.slots.values()] == [2, 1, 1, 1]


def test_a_roll_replaces_workers_that_are_down_at_once(rolled_back_sql: Sql) -> None:
    """Or code that crashes at every start could not be mended."""
    make_pool(rolled_back_sql, 4)
    one = agent(rolled_back_sql)
    turn(rolled_back_sql, one)
    change(rolled_back_sql, generation=2)

    assert {slot["generation"] for slot in turn(rolled_back_sql, one).slots.values()} == {2}


@pytest.mark.parametrize("how", ["draining = true", "told = 'restart'", "state = 'lost'", "heartbeat_at = '2020-01-01'"])
def test_a_worker_that_claims_nothing_more_is_not_ready(rolled_back_sql: Sql, how: str) -> None:
    make_pool(rolled_back_sql, 3)
    one = agent(rolled_back_sql)
    settle(rolled_back_sql, one)
    rolled_back_sql.rows(f"update worker set {how} where slot = 3")
    change(rolled_back_sql, generation=2)

    assert [slot["generation"] for slot in turn(rolled_back_sql, one).slots.values()] == [1, 1, 2]


def test_a_host_that_was_added_gets_one_slot_at_a_time(rolled_back_sql: Sql) -> None:
    make_pool(rolled_back_sql, 4)
    one = agent(rolled_back_sql, "a")
    settle(rolled_back_sql, one)
    another = agent(rolled_back_sql, "b")

    told = turn(rolled_back_sql, one)

    assert (len(told.staying), len(told.leaving)) == (3, 1)
    assert len(turn(rolled_back_sql, another).staying) == 1
    start_workers(rolled_back_sql, another)
    assert len(turn(rolled_back_sql, one).leaving) == 1
    settle(rolled_back_sql, one, another)
    assert by_host(rolled_back_sql) == {"a": 2, "b": 2}
    assert events(rolled_back_sql).count("moved") == 2


def test_slots_that_differ_by_one_do_not_move(rolled_back_sql: Sql) -> None:
    make_pool(rolled_back_sql, 3)
    one, another = agent(rolled_back_sql, "a"), agent(rolled_back_sql, "b")
    settle(rolled_back_sql, one, another)

    assert "moved" not in events(rolled_back_sql)


@pytest.mark.parametrize("trouble", ["a worker is down", "a slot is left", "the host has no room"])
def test_slots_do_not_move_while_a_pool_is_not_quiet(rolled_back_sql: Sql, trouble: str) -> None:
    make_pool(rolled_back_sql, 5)
    one = agent(rolled_back_sql, "a")
    settle(rolled_back_sql, one)
    if trouble == "a worker is down":
        end_workers(rolled_back_sql, [1])
    elif trouble == "a slot is left":
        change(rolled_back_sql, wanted=4)
        turn(rolled_back_sql, one)
    agent(rolled_back_sql, "b", slots=1)
    if trouble == "the host has no room":
        rolled_back_sql.rows("update agent set occupied = 1 where host = 'b'")

    turn(rolled_back_sql, one)

    assert "moved" not in events(rolled_back_sql)
