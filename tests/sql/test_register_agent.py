"""register_agent and retire_agent: how an agent comes and goes, and what it says of itself."""

from collections.abc import Callable
from typing import Any

import pytest

from .agents import agent, change, events, make_pool, settle, turn
from .conftest import Sql


def test_an_agent_that_stops_hands_its_slots_back_at_once(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    make_pool(sql, 2)
    one, another = agent(sql, "a"), agent(sql, "b")
    settle(sql, one, another)
    ear = another_sql()
    ear.listen()

    told = turn(sql, one, draining=True)

    assert told["slots"] == []
    assert ear.wakes(sql) == ["!pool mail"]
    assert turn(sql, another).staying == [1, 2]
    change(sql, wanted=4)
    assert turn(sql, one)["slots"] == []
    assert sql.value("select retire_agent(%s)", one)
    assert not sql.value("select retire_agent(%s)", one)
    assert sql.value("select array_agg(host) from agent") == ["b"]


def test_retiring_frees_what_an_agent_still_holds(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    make_pool(sql, 2)
    one, another = agent(sql, "a"), agent(sql, "b")
    settle(sql, one, another)
    ear = another_sql()
    ear.listen()

    sql.value("select retire_agent(%s)", one)

    assert ear.wakes(sql) == ["!pool mail"]
    assert turn(sql, another).staying == [1, 2]
    assert events(sql)[-3:] == ["freed", "agent_left", "taken"]


def test_an_agent_of_an_unknown_pool_is_refused(rolled_back_sql: Sql) -> None:
    error = rolled_back_sql.refusal("select register_agent(gen_random_uuid(), 'nope', 'a', 'h', 1, '0', 1, '30 s')")

    assert error.sqlstate == "PQ003"


def test_a_pool_that_is_deleted_takes_no_more_agents(rolled_back_sql: Sql) -> None:
    make_pool(rolled_back_sql, 1, deleting=True)

    error = rolled_back_sql.refusal("select register_agent(gen_random_uuid(), 'mail', 'a', 'h', 1, '0', 1, '30 s')")

    assert error.sqlstate == "PQ004"


@pytest.mark.parametrize(
    ("field", "value"),
    [("slots", 0), ("slots", 1001), ("slots", None), ("lease", "0 s"), ("lease", "25 h"), ("lease", None), ("name", ""),
     ("name", "x" * 201), ("host", "x" * 1001), ("version", "x" * 101)],
)  # fmt: skip
def test_what_no_agent_says_of_itself_is_refused(rolled_back_sql: Sql, field: str, value: Any) -> None:
    make_pool(rolled_back_sql, 1)
    said = {"name": "a", "host": "h", "version": "0", "slots": 1, "lease": "30 s"} | {field: value}

    error = rolled_back_sql.refusal(
        "select register_agent(gen_random_uuid(), 'mail', %s, %s, 1, %s, %s, %s::interval)", *said.values()
    )

    assert (error.sqlstate, error.diag.message_primary.partition(":")[0]) == ("PQ001", field)  # type: ignore[union-attr]


def test_an_agent_that_registers_twice_is_there_once(rolled_back_sql: Sql) -> None:
    make_pool(rolled_back_sql, 1)
    one = agent(rolled_back_sql)
    rolled_back_sql.value("select register_agent(%s, 'mail', 'a', 'a', 1, '0', 10, '30 s')", one)

    assert turn(rolled_back_sql, one).staying == [1]
    assert events(rolled_back_sql).count("agent_started") == 1


def test_why_workers_do_not_start_is_noted_once_and_again_while_it_lasts(rolled_back_sql: Sql) -> None:
    make_pool(rolled_back_sql, 1)
    one = agent(rolled_back_sql)

    for why in ("no module", "no module", "no attribute" + "." * 600, None):
        rolled_back_sql.rows("select agent_turn(%s, trouble => %s)", one, why)
    rolled_back_sql.rows("update pool_event set at = at - interval '6 minutes'")
    rolled_back_sql.rows("select agent_turn(%s, trouble => 'no module')", one)

    noted = rolled_back_sql.rows("select by, left(reason, 12) as reason from pool_event where kind = 'cannot_start' order by id")
    assert [row["reason"] for row in noted] == ["no module", "no attribute", "no module"]
    assert {row["by"] for row in noted} == {"agent-a"}
