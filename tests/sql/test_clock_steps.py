"""The clock of the database steps, back or forward by an hour: nothing waits for the hour, nothing is early by more than it.

What holds of limits stands in limit_clock.
"""

from collections.abc import Callable
from typing import Any

import pytest

from .conftest import Sql
from .guarantees import without_waiting
from .limit_steps import add, claimed, pass_time, set_limit, step_clock
from .step_guarantees import claim_again, wait_for, waiting

HOUR = 3600.0


def seconds_until(sql: Sql, query: str, *params: Any) -> float:
    """From now to a time."""
    return float(sql.value(f"select extract(epoch from ({query}) - clock_timestamp())", *params))


def upkeep(sql: Sql) -> None:
    """What workers do every third of their lease, and every second."""
    sql.value("select mark_lost()")
    sql.value("select repaired from sweep_lanes()")


@pytest.mark.parametrize("step", [-HOUR, HOUR])
def test_a_time_that_was_given_stays_that_time(rolled_back_sql: Sql, step: float) -> None:
    """It is a time on the database's clock, also where it was given as a delay."""
    sql = rolled_back_sql
    ids = [sql.enqueue(run_after="2 h"), sql.enqueue(run_at=sql.value("select clock_timestamp() + interval '2 h'"))]

    step_clock(sql, step)
    upkeep(sql)

    for id in ids:
        assert seconds_until(sql, "select run_at from job where id = %s", id) == pytest.approx(2 * HOUR - step, abs=10)


WAITS: dict[str, dict[str, Any]] = {
    "a retry": {"state": "failed", "delay": 60},
    "a snooze": {"state": "snoozed", "delay": 60},
    "an unknown task": {"state": "unknown_task"},
    "somebody else's limit": {"state": "rate_limited", "delay": 60},
}


@pytest.mark.parametrize("what", WAITS)
def test_a_job_that_was_put_off_waits_its_delay_and_not_the_hour(rolled_back_sql: Sql, what: str) -> None:
    sql = rolled_back_sql
    id, token = sql.running()
    sql.finish(token, {"id": id, **WAITS[what]})
    assert sql.state(id) == "scheduled"

    step_clock(sql, -HOUR)
    upkeep(sql)

    assert 0 < seconds_until(sql, "select run_at from job where id = %s", id) <= 61
    upkeep(sql)
    assert 0 < seconds_until(sql, "select run_at from job where id = %s", id) <= 61
    sql.rows("update job set run_at = run_at - interval '61 s'")
    sql.value("select promote()")
    assert sql.state(id) == "ready"


def test_a_job_that_waits_for_a_signal_waits_its_time_and_not_the_hour(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    id = waiting(sql, timeout="60 s")

    step_clock(sql, -HOUR)
    sql.rows("update job set control = jsonb_set(control, '{waits_for,until}', to_jsonb(in_utc(run_at)))")
    upkeep(sql)

    for until in ("run_at", "(control->'waits_for'->>'until')::timestamptz"):
        assert 0 < seconds_until(sql, f"select {until} from job where id = %s", id) <= 61
    sql.rows("update job set run_at = run_at - interval '61 s'")
    sql.rows("update job_signal set until = until - interval '61 s'")
    sql.value("select promote()")
    assert wait_for(sql, id, claim_again(sql, id))["answer"] == "timed_out"


def test_a_cancel_by_force_waits_its_time_and_not_the_hour(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    id, _ = sql.running()
    sql.value("select cancel(%s, force_after => '60 s')", id)

    step_clock(sql, -HOUR)
    upkeep(sql)

    assert 0 < seconds_until(sql, "select at from forced_cancel") <= 61
    sql.rows("update forced_cancel set at = at - interval '61 s'")
    sql.value("select promote()")
    assert sql.state(id) == "cancelled"


def test_a_rescued_suspect_waits_its_delay_and_not_the_hour(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    id, _ = sql.running()
    sql.rows("update job set rescues = 1")
    sql.rows("select heartbeat(worker_id, array[id], 'notify') from job where id = %s", id)
    sql.lose(sql.job(id)["worker_id"])
    sql.value("select rescue()")
    assert sql.state(id) == "scheduled"
    delay = seconds_until(sql, "select run_at from job where id = %s", id)

    step_clock(sql, -HOUR)
    upkeep(sql)

    assert 0 < seconds_until(sql, "select run_at from job where id = %s", id) <= delay + 5


def test_a_put_off_job_that_was_given_a_time_waits_for_that(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    id, token = sql.running()
    sql.finish(token, {"id": id, "state": "snoozed", "delay": 60})
    sql.value("select update(%s, run_after => '2 h')", id)

    step_clock(sql, -HOUR)
    upkeep(sql)

    assert seconds_until(sql, "select run_at from job where id = %s", id) == pytest.approx(3 * HOUR, abs=10)


@pytest.mark.parametrize("limits", [None, ["crew"]])
def test_jobs_that_were_ready_before_the_step_start_before_those_that_came_after_it(
    rolled_back_sql: Sql, limits: list[str] | None
) -> None:
    """Where a queue never runs empty they would else wait for the hour."""
    sql = rolled_back_sql
    set_limit(sql, "crew", max_running=100)
    before = [sql.enqueue(limits=limits) for _ in range(3)]

    step_clock(sql, -HOUR)
    upkeep(sql)
    after = [sql.enqueue(limits=limits) for _ in range(3)]

    worker = sql.worker()
    assert [id for _ in range(6) for id in claimed(sql, worker, 1)] == before + after


def test_more_than_one_call_can_move_is_moved_by_the_next(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    ids = [sql.enqueue() for _ in range(5)]
    step_clock(sql, -HOUR)

    for left in (3, 1, 0, 0):
        sql.value("select follow_clock(2)")
        assert sql.value("select count(*) from job where id = any (%s) and run_at > clock_timestamp()", ids) == left
    assert sql.value("select seen_at <= clock_timestamp() from clock")


def test_a_worker_that_has_died_is_lost_a_lease_later_and_not_an_hour(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    id = sql.enqueue()
    dead, alive = sql.worker("30 s"), sql.worker("30 s")
    assert claimed(sql, dead) == [id]

    step_clock(sql, -HOUR)
    sql.value("select heartbeat(%s, '{}', 'notify')", alive)
    assert sql.value("select mark_lost()") == 0, "its process may live"
    sql.rows("update worker set heartbeat_at = heartbeat_at - interval '31 s' where id = %s", dead)
    assert sql.value("select mark_lost()") == 1
    assert sql.value("select rescue()") == 1

    assert sql.state(id) == "ready"
    assert sql.rows("select id from worker where state = 'active'") == [{"id": alive}]


@pytest.mark.parametrize("grace", ["0 s", "10 s"])
def test_a_claim_whose_answer_was_lost_before_the_step_is_given_back(rolled_back_sql: Sql, grace: str) -> None:
    sql = rolled_back_sql
    id, worker = sql.enqueue(), sql.worker()
    sql.claim(worker)

    step_clock(sql, -HOUR)

    assert [row["id"] for row in sql.rows("select reconcile(%s, '{}', %s::interval) as id", worker, grace)] == [id]


def test_a_key_is_parked_for_as_long_as_was_said(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    set_limit(sql, "k", rate=1000, burst=1000)
    jobs, worker = add(sql, 3, "k"), sql.worker()
    sql.value("select park('k', clock_timestamp() + interval '60 s')")
    assert claimed(sql, worker) == []

    step_clock(sql, -HOUR)
    upkeep(sql)
    assert claimed(sql, worker) == [], "it opens early"
    pass_time(sql, 61)
    sql.value("select repaired from sweep_lanes()")
    assert claimed(sql, worker) == jobs


def test_a_key_of_mode_period_is_held_for_its_period(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    options: dict[str, Any] = {"unique_mode": "period", "unique_period": "60 s", "unique_key": "k"}
    first = sql.enqueue(**options)

    step_clock(sql, -HOUR)
    upkeep(sql)
    assert sql.enqueue(**options) == first
    sql.rows("update unique_hold set expires_at = expires_at - interval '61 s', held_at = held_at - interval '61 s'")

    assert sql.enqueue(**options) != first


@pytest.mark.parametrize("step", [-HOUR, HOUR])
def test_results_are_kept_for_their_time_but_for_the_step(rolled_back_sql: Sql, step: float) -> None:
    sql = rolled_back_sql
    id, token = sql.running(result_ttl="2 h")
    sql.finish(token, {"id": id, "state": "succeeded", "result": 7})

    step_clock(sql, step)
    assert sql.value("select maintain()")

    assert sql.value("select value from result(%s)", id) == 7
    assert seconds_until(sql, "select expires_at from result(%s)", id) == pytest.approx(2 * HOUR - step, abs=10)


@pytest.mark.parametrize("step", [-HOUR, HOUR, -26 * HOUR])
def test_what_ends_after_a_step_has_its_partition(rolled_back_sql: Sql, step: float) -> None:
    """Those of the days behind are kept, those of the days ahead are made beforehand; beyond there is the default partition."""
    sql = rolled_back_sql
    sql.value("select maintain()")
    id, token = sql.running()
    step_clock(sql, step)
    assert sql.value("select maintain()")

    sql.finish(token, {"id": id, "state": "succeeded"})

    assert sql.state(id) == "succeeded"
    assert sql.value("select maintain()")
    assert sql.state(id) == "succeeded"


def test_a_key_that_is_just_being_unparked_holds_up_nobody(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    """An operator's transaction is open: dead workers are found all the same."""
    set_limit(sql, "k", rate=1000, burst=1000)
    sql.value("select park('k', clock_timestamp() + interval '60 s')")
    step_clock(sql, -HOUR)
    other = another_sql()

    with other.connection.transaction():
        assert other.value("select unpark('k')")
        with without_waiting(sql):
            sql.value("select mark_lost()")
    assert sql.rows("select key from parking where key <> '' and until > clock_timestamp()") == []


def test_jobs_for_later_stay_where_they_are_beside_one_that_was_put_off(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    id, token = sql.running()
    sql.finish(token, {"id": id, "state": "snoozed", "delay": 60})
    sql.rows(
        """insert into job (run_at, created_at, state, task)
           select clock_timestamp() + interval '2 h', clock_timestamp(), 'scheduled', 'noop' from generate_series(1, 20000)"""
    )

    step_clock(sql, -HOUR)
    upkeep(sql)

    assert seconds_until(sql, "select run_at from job where id = %s", id) <= 61
    assert seconds_until(sql, "select min(run_at) from job where id <> %s", id) == pytest.approx(3 * HOUR, abs=30)


def test_a_clock_that_goes_on_moves_nothing(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    id, token = sql.running()
    sql.finish(token, {"id": id, "state": "failed", "delay": 3600})
    before = sql.rows("select run_at, put_off_at from job")

    step_clock(sql, 1)
    moved = sql.rows("select run_at, put_off_at from job")
    upkeep(sql)

    assert sql.rows("select run_at, put_off_at from job") == moved != before
    assert 0 <= -seconds_until(sql, "select seen_at from clock") < 5
