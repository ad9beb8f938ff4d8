"""agent_turn: agents share the wanted number of workers without a leader, and none holds what another one holds."""

from collections.abc import Callable

from .agents import agent, by_host, change, end_workers, events, holders, lose, make_pool, settle, start_workers, turn
from .background import Background
from .conftest import Sql


def test_an_agent_takes_as_many_slots_as_are_wanted(rolled_back_sql: Sql) -> None:
    make_pool(rolled_back_sql, 3, queues=["mail=3"], concurrency=7)
    one = agent(rolled_back_sql)

    told = turn(rolled_back_sql, one)

    assert told.staying == [1, 2, 3]
    assert (told["app"], told["queues"], told["concurrency"]) == ("jobs:app", ["mail=3"], 7)
    assert (told["autoscale"], told["deleting"], told["look_after"]) == (False, False, None)


def test_an_agent_takes_no_more_than_it_can_run(rolled_back_sql: Sql) -> None:
    make_pool(rolled_back_sql, 5)
    one = agent(rolled_back_sql, slots=2)

    assert turn(rolled_back_sql, one).staying == [1, 2]
    assert list(holders(rolled_back_sql).values()) == [one, one, None, None, None]


def test_places_of_workers_that_still_end_are_not_taken_again(rolled_back_sql: Sql) -> None:
    make_pool(rolled_back_sql, 5)
    one = agent(rolled_back_sql, slots=4)

    assert turn(rolled_back_sql, one, occupied=3).staying == [1]
    assert turn(rolled_back_sql, one, occupied=0).staying == [1, 2, 3, 4]


def test_slots_are_spread_over_hosts_whoever_comes_first(rolled_back_sql: Sql) -> None:
    make_pool(rolled_back_sql, 7)
    agents = [agent(rolled_back_sql, host) for host in ("a", "a", "b", "c")]

    for each in reversed(agents):
        turn(rolled_back_sql, each)

    assert by_host(rolled_back_sql) == {"a": 3, "b": 2, "c": 2}
    assert None not in holders(rolled_back_sql).values()


def test_a_host_without_room_leaves_its_share_to_the_others(rolled_back_sql: Sql) -> None:
    make_pool(rolled_back_sql, 9)
    agents = [agent(rolled_back_sql, "a", slots=2), agent(rolled_back_sql, "b"), agent(rolled_back_sql, "c")]

    for each in agents:
        turn(rolled_back_sql, each)

    assert by_host(rolled_back_sql) == {"a": 2, "b": 4, "c": 3}


def test_agents_of_one_host_share_its_slots(rolled_back_sql: Sql) -> None:
    make_pool(rolled_back_sql, 6)
    one, another = agent(rolled_back_sql, "a"), agent(rolled_back_sql, "a")

    assert len(turn(rolled_back_sql, one).staying) == 3
    assert len(turn(rolled_back_sql, another).staying) == 3


def test_more_wanted_makes_more_slots_and_wakes_the_agents(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    make_pool(sql, 2)
    one, another = agent(sql, "a"), agent(sql, "b")
    settle(sql, one, another)
    ear = another_sql()
    ear.listen()
    change(sql, wanted=6)

    turn(sql, one)

    assert ear.wakes(sql) == ["!pool mail"]
    turn(sql, another)
    assert ear.wakes(sql) == []
    assert by_host(sql) == {"a": 3, "b": 3}


def test_a_turn_that_changes_nothing_wakes_nobody(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    make_pool(sql, 2)
    one = agent(sql)
    settle(sql, one)
    ear = another_sql()
    ear.listen()

    turn(sql, one)

    assert ear.wakes(sql) == []


def test_of_too_many_slots_free_ones_go_first(rolled_back_sql: Sql) -> None:
    make_pool(rolled_back_sql, 5)
    one = agent(rolled_back_sql, slots=3)
    turn(rolled_back_sql, one)
    change(rolled_back_sql, wanted=3)

    assert turn(rolled_back_sql, one).staying == [1, 2, 3]
    assert len(holders(rolled_back_sql)) == 3


def test_of_too_many_slots_those_without_a_worker_go_before_idle_ones_and_busy_ones_last(rolled_back_sql: Sql) -> None:
    make_pool(rolled_back_sql, 4)
    one = agent(rolled_back_sql)
    turn(rolled_back_sql, one)
    start_workers(rolled_back_sql, one)
    rolled_back_sql.rows("update worker set running = 1 where slot in (3, 4)")
    end_workers(rolled_back_sql, [1])

    change(rolled_back_sql, wanted=3)
    assert turn(rolled_back_sql, one).leaving == [1]
    change(rolled_back_sql, wanted=2)
    assert turn(rolled_back_sql, one).leaving == [1, 2]
    change(rolled_back_sql, wanted=1)
    assert turn(rolled_back_sql, one).leaving == [1, 2, 4]


def test_of_idle_workers_those_of_the_host_with_most_end(rolled_back_sql: Sql) -> None:
    make_pool(rolled_back_sql, 6)
    one, another = agent(rolled_back_sql, "a", slots=2), agent(rolled_back_sql, "b")
    settle(rolled_back_sql, one, another)
    assert by_host(rolled_back_sql) == {"a": 2, "b": 4}
    change(rolled_back_sql, wanted=4)

    turn(rolled_back_sql, one)

    assert by_host(rolled_back_sql) == {"a": 2, "b": 2}


def test_a_slot_that_is_left_stays_with_its_agent_until_its_worker_has_ended(rolled_back_sql: Sql) -> None:
    make_pool(rolled_back_sql, 2)
    one, another = agent(rolled_back_sql, "a"), agent(rolled_back_sql, "b")
    settle(rolled_back_sql, one, another, running=1)
    change(rolled_back_sql, wanted=1)
    turn(rolled_back_sql, another)
    change(rolled_back_sql, wanted=2)

    leave = [each for each in (one, another) if turn(rolled_back_sql, each).leaving]
    assert len(leave) == 1
    turn(rolled_back_sql, one)
    turn(rolled_back_sql, another)

    (left,) = turn(rolled_back_sql, leave[0]).leaving
    assert left not in holders(rolled_back_sql)
    assert len(holders(rolled_back_sql)) == 2
    assert turn(rolled_back_sql, leave[0], ended=[left]).leaving == []


def test_only_a_slot_that_was_to_be_left_goes_with_its_worker(rolled_back_sql: Sql) -> None:
    """An answer that was lost makes an agent say twice that a slot has ended, which may be a new one of its number by then."""
    make_pool(rolled_back_sql, 2)
    one, another = agent(rolled_back_sql, "a"), agent(rolled_back_sql, "b")
    settle(rolled_back_sql, one, another)

    assert len(turn(rolled_back_sql, one, ended=[1, 2]).staying) == 1
    assert len(turn(rolled_back_sql, another).staying) == 1
    assert "freed" not in events(rolled_back_sql)


def test_slots_of_a_lost_agent_are_free_for_the_others(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    make_pool(sql, 4)
    lost, left, other = agent(sql, "a"), agent(sql, "b"), agent(sql, "c")
    settle(sql, lost, left, other)
    lose(sql, lost)
    ear = another_sql()
    ear.listen()

    turn(sql, left)

    assert ear.wakes(sql) == ["!pool mail"]
    turn(sql, other)
    assert by_host(sql) == {"b": 2, "c": 2}
    assert events(sql)[-4:] == ["freed", "agent_lost", "taken", "taken"]
    assert sql.value("select count(*) from agent") == 2


def test_an_agent_is_told_when_another_one_may_be_lost(rolled_back_sql: Sql) -> None:
    make_pool(rolled_back_sql, 1)
    agent(rolled_back_sql, lease="10 s")

    look_after = turn(rolled_back_sql, agent(rolled_back_sql, lease="40 s"))["look_after"]

    assert look_after is not None
    assert 9 < look_after <= 10


def test_an_agent_whose_lease_has_ended_holds_nothing_even_if_nobody_has_noticed(rolled_back_sql: Sql) -> None:
    make_pool(rolled_back_sql, 2)
    lost = agent(rolled_back_sql)
    turn(rolled_back_sql, lost)
    lose(rolled_back_sql, lost)

    error = rolled_back_sql.refusal("select agent_turn(%s)", lost)

    assert error.sqlstate == "PQ002"
    assert "its lease has ended; register it under a new id" in str(error)
    back = agent(rolled_back_sql)
    assert turn(rolled_back_sql, back).staying == [1, 2]
    assert set(holders(rolled_back_sql).values()) == {back}


def test_an_agent_that_comes_back_takes_no_slot_that_it_does_not_own(rolled_back_sql: Sql) -> None:
    make_pool(rolled_back_sql, 2)
    lost, other = agent(rolled_back_sql, "a"), agent(rolled_back_sql, "b")
    settle(rolled_back_sql, lost, other)
    lose(rolled_back_sql, lost)
    turn(rolled_back_sql, other)
    start_workers(rolled_back_sql, other)

    assert rolled_back_sql.refusal("select agent_turn(%s)", lost).sqlstate == "PQ002"
    assert turn(rolled_back_sql, agent(rolled_back_sql, "a"), occupied=10).staying == []


def test_a_heartbeat_of_the_future_does_not_keep_a_lost_agent(rolled_back_sql: Sql) -> None:
    """The clock of the server was set back."""
    make_pool(rolled_back_sql, 1)
    lost, other = agent(rolled_back_sql, "a"), agent(rolled_back_sql, "b")
    turn(rolled_back_sql, lost)
    rolled_back_sql.rows("update agent set heartbeat_at = clock_timestamp() + interval '1 hour' where id = %s", lost)
    turn(rolled_back_sql, other)
    lose(rolled_back_sql, lost)

    assert turn(rolled_back_sql, other).staying == [1]


def test_two_agents_at_the_same_slot_one_has_it(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    """The second one does not wait for the first: its lease is renewed, and it looks again."""
    make_pool(sql, 1)
    one, another, second = agent(sql, "a"), agent(sql, "b"), another_sql()

    with sql.connection.transaction():
        first = turn(sql, one)
        late = turn(second, another)

    assert first.staying == [1]
    assert (late.staying, late["held_up"], first["held_up"]) == ([], True, False)
    assert turn(second, another).staying == []
    assert holders(sql) == {1: one}


def test_a_transaction_that_is_left_open_keeps_no_agent_from_its_lease(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    make_pool(sql, 2)
    one, person = agent(sql), another_sql()
    settle(sql, one)
    sql.rows("update agent set heartbeat_at = heartbeat_at - interval '20 s'")

    with person.connection.transaction():
        change(person, wanted=5)
        told = turn(sql, one)

    assert told.staying == [1, 2]
    assert sql.value("select heartbeat_at > clock_timestamp() - interval '5 s' from agent")


def test_an_agent_that_is_renewing_its_lease_is_not_lost(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    """The renewal began in time and commits late."""
    make_pool(sql, 1)
    one, another, second, watcher = agent(sql, "a"), agent(sql, "b"), another_sql(), another_sql()
    turn(sql, one)
    lose(sql, one)

    with second.connection.transaction():
        second.rows("update agent set heartbeat_at = clock_timestamp() where id = %s", one)
        told = Background(sql, "select slots from agent_turn(%s)", another)
        assert not told.is_blocked(watcher)

    assert told.rows() == [{"slots": []}]
    assert holders(sql) == {1: one}


def test_a_pool_that_is_paused_runs_nothing_and_keeps_what_is_wanted(rolled_back_sql: Sql) -> None:
    make_pool(rolled_back_sql, 3)
    one = agent(rolled_back_sql)
    settle(rolled_back_sql, one, running=1)
    change(rolled_back_sql, paused=True)

    assert turn(rolled_back_sql, one).leaving == [1, 2, 3]
    assert turn(rolled_back_sql, one, ended=[1, 2, 3])["slots"] == []
    change(rolled_back_sql, paused=False)
    assert turn(rolled_back_sql, one).staying == [1, 2, 3]


def test_a_pool_that_is_deleted_goes_with_its_last_slot(rolled_back_sql: Sql) -> None:
    make_pool(rolled_back_sql, 2)
    one, another = agent(rolled_back_sql, "a"), agent(rolled_back_sql, "b")
    settle(rolled_back_sql, one, another)
    change(rolled_back_sql, deleting=True)

    (first,), (second,) = turn(rolled_back_sql, one).leaving, turn(rolled_back_sql, another).leaving
    assert turn(rolled_back_sql, one, ended=[first])["slots"] == []
    assert rolled_back_sql.value("select count(*) from pool") == 1
    assert turn(rolled_back_sql, another, ended=[second])["deleting"]

    assert rolled_back_sql.value("select count(*) from pool") == rolled_back_sql.value("select count(*) from agent") == 0
    assert events(rolled_back_sql)[-1] == "deleted"


def test_an_invalid_number_of_occupied_places_is_refused(rolled_back_sql: Sql) -> None:
    make_pool(rolled_back_sql, 1)

    assert rolled_back_sql.refusal("select agent_turn(%s, '{}', -1)", agent(rolled_back_sql)).sqlstate == "PQ001"
