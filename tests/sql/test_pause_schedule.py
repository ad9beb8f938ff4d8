"""pause_schedule and resume_schedule: no tick of a pause fires, and the pause is on record."""

from collections.abc import Callable

from .background import Background
from .conftest import Sql
from .schedule_steps import MINUTE, NAME, fire, fire_due, jobs, make_due, now, outcomes, row, seen, set_schedule

PAUSE, RESUME = "select pause_schedule(%s)", "select resume_schedule(%s)"


def test_a_paused_schedule_is_not_looked_at_and_does_not_fire(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    set_schedule(sql)
    make_due(sql)
    stale = seen(sql)

    assert [sql.value(PAUSE, NAME), sql.value(PAUSE, NAME)] == [True, False]

    assert sql.rows("select * from due_schedules()") == []
    assert fire(sql, stale) == []
    assert jobs(sql) == []


def test_a_resumed_schedule_goes_on_from_now_and_the_pause_is_one_row(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    set_schedule(sql, every=60)
    tick = make_due(sql, ago=600)
    sql.value(PAUSE, NAME)

    assert [sql.value(RESUME, NAME), sql.value(RESUME, NAME)] == [True, False]

    its = row(sql)
    assert (its["paused_at"], its["next_tick"]) == (None, None)
    assert now(sql) - MINUTE < its["after_at"] == its["look_at"] <= now(sql)
    assert outcomes(sql) == [("skipped", "paused", 1)]
    assert sql.value("select tick from schedule_ticks") == tick


def test_a_pause_between_two_ticks_leaves_no_row(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    set_schedule(sql)
    make_due(sql, ago=-600)

    sql.value(PAUSE, NAME)
    sql.value(RESUME, NAME)

    assert outcomes(sql) == []


def test_jobs_that_were_made_go_on_and_a_tick_that_waits_for_one_is_skipped(rolled_back_sql: Sql) -> None:
    """T16."""
    sql = rolled_back_sql
    set_schedule(sql, overlap="buffer_one")
    (fired,) = fire_due(sql, ago=10)
    fire_due(sql)
    before = outcomes(sql)

    sql.value(PAUSE, NAME)

    assert before == [("fired", None, 1), ("buffered", None, 1)]
    assert outcomes(sql) == [("fired", None, 1), ("skipped", "paused", 1)]
    assert row(sql)["buffered_tick"] is None
    assert sql.state(fired["job_id"]) == "ready"


def test_pausing_waits_for_a_worker_that_lets_it_fire(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    set_schedule(sql)
    make_due(sql)
    worker = another_sql()

    with worker.connection.transaction():
        assert len(fire(worker, seen(sql))) == 1
        pause = Background(another_sql(), PAUSE, NAME)
        pause.wait_until_blocked(sql)

    assert pause.rows() == [{"pause_schedule": True}]
    assert (row(sql)["look_at"], outcomes(sql)) == (None, [("fired", None, 1)])


def test_workers_hear_of_a_resumed_schedule(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    set_schedule(sql)
    sql.value(PAUSE, NAME)
    worker = another_sql()
    worker.listen()

    sql.value(RESUME, NAME)

    assert worker.wakes(sql) == ["!schedules"]
