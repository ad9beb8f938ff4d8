"""sweep_lanes: what two transactions in one moment, or somebody by hand, have left is looked at again."""

from collections.abc import Callable

import pytest

from .conftest import Sql
from .limit_steps import add, claimed, finish_all, lost_lanes, pass_time, set_limit


def test_a_lane_that_has_lost_its_turns_is_looked_at_again_and_its_queue_woken(sql: Sql) -> None:
    sql.listen()
    set_limit(sql, "tenant", max_running=5)
    jobs = [*add(sql, 2, "tenant:1", queue="a"), *add(sql, 2, "tenant:2", queue="b")]
    sql.rows("delete from turn")
    worker = sql.worker()
    assert claimed(sql, worker, 10, ("a", "b")) == []
    sql.wakes(sql)

    assert sql.rows("select * from sweep_lanes()") == [{"repaired": 2, "next_after": None}]

    assert sorted(sql.wakes(sql)) == ["a", "b"]
    assert claimed(sql, worker, 10, ("a", "b")) == jobs


def test_a_key_that_nobody_looks_at_is_looked_at_again(rolled_back_sql: Sql) -> None:
    sql, worker = rolled_back_sql, rolled_back_sql.worker()
    set_limit(sql, "k", max_running=1)
    jobs = add(sql, 2, "k")
    assert claimed(sql, worker) == jobs[:1]
    assert claimed(sql, worker) == []
    sql.rows("delete from job where state = 'running'")
    sql.rows("delete from turn where lane_id is null")
    assert claimed(sql, worker) == []

    assert sql.value("select repaired from sweep_lanes()") == 1

    assert claimed(sql, worker) == jobs[1:]


def test_where_all_is_in_order_it_makes_nothing(rolled_back_sql: Sql) -> None:
    sql, worker = rolled_back_sql, rolled_back_sql.worker()
    set_limit(sql, "tenant", rate=1, per="1 h")
    for n in range(5):
        add(sql, 3, f"tenant:{n}")
    add(sql, 3)
    for _ in range(3):
        before = sql.rows("select id from turn order by id")
        assert sql.rows("select * from sweep_lanes()") == [{"repaired": 0, "next_after": None}]
        assert sql.rows("select id from turn order by id") == before
        claimed(sql, worker)


@pytest.mark.parametrize("state", ["scheduled", "running"])
def test_jobs_that_are_not_ready_need_no_turn(rolled_back_sql: Sql, state: str) -> None:
    sql = rolled_back_sql
    set_limit(sql, "k", max_running=5)
    add(sql, 1, "k", run_after="1 h" if state == "scheduled" else "0 s")
    if state == "running":
        claimed(sql, sql.worker())
    sql.rows("delete from turn")

    assert sql.value("select repaired from sweep_lanes()") == 0


def test_many_lanes_are_looked_at_in_several_calls(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    set_limit(sql, "tenant", max_running=5)
    for n in range(7):
        add(sql, 1, f"tenant:{n}")
    sql.rows("delete from turn")
    after, repaired = None, []

    for _ in range(4):
        (row,) = sql.rows("select * from sweep_lanes(%s, 3)", after)
        repaired.append(row["repaired"])
        after = row["next_after"]
        if after is None:
            break

    assert repaired == [3, 3, 1]
    assert lost_lanes(sql) == 0


def test_many_keys_are_looked_at_in_several_calls(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    set_limit(sql, "tenant", rate=1, per="1 h", burst=1)
    for n in range(7):
        add(sql, 2, f"tenant:{n}")
    worker = sql.worker()
    while claimed(sql, worker, 100):
        pass
    sql.rows("delete from turn where lane_id is null")
    sql.rows("update bucket set tokens = 1")
    after, repaired = None, []

    for _ in range(9):
        (row,) = sql.rows("select * from sweep_lanes(%s, 3)", after)
        repaired.append(row["repaired"])
        after = row["next_after"]
        if after is None:
            break

    assert after is None
    assert sum(repaired) == 7
    assert max(repaired) == 3
    assert len(claimed(sql, worker, 100)) == 7


def test_many_turns_of_a_key_in_a_queue_that_nobody_serves_become_one(rolled_back_sql: Sql) -> None:
    """Each end of a job of the key adds one."""
    sql = rolled_back_sql
    set_limit(sql, "k", max_running=2)
    for queue in ("lonely", "default"):
        add(sql, 5, "k", queue=queue)
    worker = sql.worker()
    assert len(claimed(sql, worker, queues=("lonely",))) == 2
    finish_all(sql)
    for _ in range(2):
        claimed(sql, worker)
        finish_all(sql)
    turns = "select count(*) from turn where lane_id is null and queue = 'lonely'"
    assert sql.value(turns) > 1

    sql.value("select repaired from sweep_lanes()")

    assert sql.value(turns) == 1


def test_what_was_parked_and_is_long_over_is_forgotten(rolled_back_sql: Sql) -> None:
    """For ten minutes it says that the key was opened."""
    sql = rolled_back_sql
    sql.rows(
        "insert into parking select 'k' || n, clock_timestamp() + make_interval(mins => n * 6) from generate_series(-3, 3) n"
    )

    sql.value("select repaired from sweep_lanes()")

    assert [row["key"] for row in sql.rows("select key from parking order by until")] == ["k-1", "k0", "k1", "k2", "k3"]


def test_a_job_that_was_enqueued_in_the_moment_in_which_its_lane_left_the_parking_is_found(
    sql: Sql, another_sql: Callable[[], Sql]
) -> None:
    """The producer sees a lane that will be looked at; the claimer, who has taken it out of the parking, does not see the job."""
    worker, claimer = sql.worker(), another_sql()
    set_limit(sql, "k", max_running=1)
    first, second = add(sql, 2, "k")
    assert claimed(sql, worker) == [first]
    assert claimed(sql, worker) == []
    finish_all(sql)

    with claimer.connection.transaction():
        assert claimed(claimer, worker) == [second]
        (late,) = add(sql, 1, "k")
    finish_all(sql)
    sql.value("select repaired from sweep_lanes()")
    pass_time(sql, 1)  # a claimer that found the machine slow looks again by itself a second later

    assert claimed(sql, worker) == [late]


def test_a_place_that_comes_back_in_the_moment_in_which_a_lane_is_parked_is_found(
    sql: Sql, another_sql: Callable[[], Sql]
) -> None:
    """Who ends a job does not see the lane that is being parked; the claimer counts that job as running."""
    worker, claimer = sql.worker(), another_sql()
    set_limit(sql, "k", max_running=1)
    first, second = add(sql, 2, "k")
    token, _ = sql.claim(worker, 1)

    with claimer.connection.transaction():
        assert claimed(claimer, worker) == []
        sql.finish(token, {"id": first, "state": "succeeded"})
    sql.value("select pg_sleep(0.05)")  # then its claimer looks again by itself
    sql.value("select repaired from sweep_lanes()")

    assert claimed(sql, worker) == [second]


CHANGES = {
    "set_limit": "select set_limit('k', rate => 1000, per => '1 s', burst => 100)",
    "delete_limit": "select delete_limit('k')",
    "unpark": "select unpark('k')",
    "reset_limit": "select reset_limit('k')",
}


@pytest.mark.parametrize("change", ["set_limit", "delete_limit", "unpark"])
def test_a_change_that_commits_after_a_lane_was_parked_by_the_old_rule_is_found(
    sql: Sql, another_sql: Callable[[], Sql], change: str
) -> None:
    """Neither sees the other: the claimer has parked the lane until long after, and the change opens nothing."""
    shut_lane_in_line(sql, change)
    operator = another_sql()

    with operator.connection.transaction():
        operator.value(CHANGES[change])
        assert claimed(sql, sql.worker()) == []
    assert claimed(sql, sql.worker()) == [], "the lane was not parked"
    pass_time(sql, 0.5)
    sql.value("select repaired from sweep_lanes()")

    assert len(claimed(sql, sql.worker())) >= 1


@pytest.mark.parametrize("change", ["set_limit", "delete_limit", "unpark"])
def test_a_lane_that_is_parked_by_the_old_rule_while_a_change_commits_is_found(
    sql: Sql, another_sql: Callable[[], Sql], change: str
) -> None:
    """The claimer commits last."""
    shut_lane_in_line(sql, change)
    worker, claimer = sql.worker(), another_sql()

    with claimer.connection.transaction():
        assert claimed(claimer, worker) == []
        sql.value(CHANGES[change])
    assert claimed(sql, worker) == [], "the lane was not parked"
    pass_time(sql, 0.5)
    sql.value("select repaired from sweep_lanes()")

    assert len(claimed(sql, worker)) >= 1


def shut_lane_in_line(sql: Sql, change: str) -> None:
    """A lane of k that no claimer has looked at since its key was shut for an hour."""
    set_limit(sql, "k", rate=1, per="1 h")
    add(sql, 1, "k")
    if change == "unpark":
        set_limit(sql, "k", rate=1000)
        sql.value("select park('k', clock_timestamp() + interval '1 h')")
    else:
        assert len(claimed(sql, sql.worker())) == 1
    sql.rows("delete from turn")
    sql.rows("delete from parking where until < clock_timestamp()")
    add(sql, 2, "k")


def test_a_clock_that_was_set_back_stops_neither_lanes_nor_keys_for_longer_than_until_the_next_sweep(
    rolled_back_sql: Sql,
) -> None:
    sql, worker = rolled_back_sql, rolled_back_sql.worker()
    set_limit(sql, "places", max_running=1)
    set_limit(sql, "tokens", rate=10, per="100 s", burst=1)
    groups = {"in line": add(sql, 1, fair="crew"), "places": add(sql, 2, "places"), "tokens": add(sql, 2, "tokens")}
    assert claimed(sql, worker, 10, ("other",)) == []
    token, rows = sql.claim(worker, 10)
    assert {row["id"] for row in rows} == {groups["in line"][0], groups["places"][0], groups["tokens"][0]}
    assert claimed(sql, worker) == []
    late = add(sql, 1, fair="crew")

    pass_time(sql, -3600)
    sql.rows("update worker set heartbeat_at = heartbeat_at + interval '1 h'")
    sql.finish(token, *({"id": row["id"], "state": "succeeded"} for row in rows))
    sql.value("select repaired from sweep_lanes()")
    assert set(claimed(sql, worker)) == {*late, groups["places"][1]}
    pass_time(sql, 11)
    sql.value("select repaired from sweep_lanes()")
    assert claimed(sql, worker) == groups["tokens"][1:]


def test_sweeping_waits_for_nobody(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    worker, claimer = sql.worker(), another_sql()
    set_limit(sql, "k", max_running=1)
    add(sql, 3, "k")

    with claimer.connection.transaction():
        claimed(claimer, worker)
        sql.rows("set statement_timeout = '4s'")
        assert sql.value("select repaired from sweep_lanes()") == 0
