"""due_schedules and promote: due schedules are found by one probe, and an install without schedules pays nothing."""

from collections.abc import Callable

import pytest

from .conftest import Sql
from .plan import buffers_of, plans_of
from .schedule_steps import NAME, fire, make_due, now, row, seen, set_schedule

DUE = "select * from due_schedules()"
PROMOTE = "select next_in, schedules_due from promote()"
MANY = """
    insert into schedule (name, definition, after_at, next_tick, look_at)
    select 's' || n, '{"every": 60, "job": {"task": "noop"}}', clock_timestamp() - interval '1 h', at, at
      from generate_series(1, %s) n, lateral (select clock_timestamp() + make_interval(secs => n - 10) as at) a
"""


def test_a_due_schedule_is_returned_as_it_is_without_its_job(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    set_schedule(sql, every=60, job={"args": {"secret": 1}})
    set_schedule(sql, "later")
    tick = make_due(sql)
    make_due(sql, "later", ago=-60)

    (due,) = sql.rows(DUE)

    assert (due["name"], due["definition"], due["next_tick"]) == (NAME, {"every": 60}, tick)
    assert due["after_at"] == row(sql)["after_at"]
    assert tick < due["seen_at"] <= now(sql)


def test_of_more_than_are_wanted_workers_get_different_ones(rolled_back_sql: Sql) -> None:
    rolled_back_sql.rows(MANY.replace("n - 10", "-n"), 1000)

    answers = [frozenset(one["name"] for one in rolled_back_sql.rows("select * from due_schedules(100)")) for _ in range(3)]

    assert [len(names) for names in answers] == [100] * 3
    assert len(set(answers)) == 3


def test_promote_says_when_schedules_are_due_and_when_the_next_one_is(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    answers = [sql.rows(PROMOTE)]
    set_schedule(sql)
    make_due(sql, ago=-3600)
    answers.append(sql.rows(PROMOTE))
    set_schedule(sql, "another")
    make_due(sql, "another")
    answers.append(sql.rows(PROMOTE))
    sql.value("select pause_schedule(%s)", NAME)
    answers.append(sql.rows(PROMOTE))

    assert [[row["schedules_due"] for row in rows] for rows in answers] == [[None], [False], [True], [True]]
    assert [rows[0]["next_in"] is None for rows in answers] == [True, False, False, True]
    assert all(3540 < rows[0]["next_in"] <= 3600 for rows in answers[1:3])


def test_the_next_job_comes_before_a_later_schedule(rolled_back_sql: Sql) -> None:
    rolled_back_sql.enqueue(run_after="1 h")
    set_schedule(rolled_back_sql)
    make_due(rolled_back_sql, ago=-7200)

    assert 3540 < rolled_back_sql.value("select next_in from promote()") <= 3600


def test_the_last_look_is_on_record_and_only_if_there_are_schedules(rolled_back_sql: Sql) -> None:
    """T18."""
    sql = rolled_back_sql
    looks = []
    for step in (None, lambda: set_schedule(sql), None, lambda: age_look(sql, 3), lambda: age_look(sql, -3600)):
        if step is not None:
            step()
        sql.rows(DUE)
        looks.append(sql.value("select nullif(looked_at, '-infinity') from schedule_look"))

    assert looks[0] is None
    assert looks[1] == looks[2], "a look a moment after another one need not be written"
    assert looks[1] < looks[3] < looks[4] <= now(sql)


def age_look(sql: Sql, seconds: float) -> None:
    """The last look was longer ago; below 0: the clock was set back since."""
    sql.rows("update schedule_look set looked_at = clock_timestamp() - make_interval(secs => %s)", seconds)


def test_a_look_does_not_wait_for_another_one(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    set_schedule(sql)
    other = another_sql()

    with other.connection.transaction():
        other.rows(DUE)
        sql.rows("set statement_timeout = '5s'")
        assert len(sql.rows(DUE)) == 1


@pytest.mark.parametrize("count", [0, 5000])
def test_without_due_schedules_a_promote_looks_at_one_page_of_an_index(sql: Sql, count: int) -> None:
    without = buffers_of(sql, "select * from promote()")
    sql.rows(
        "insert into schedule (name, definition, after_at) select 'p' || n, '{}', 'now' from generate_series(1, %s) n", count
    )
    sql.rows("analyze schedule")

    assert buffers_of(sql, "select * from promote()") <= without + 1 < 20


def test_the_looks_of_promote_and_due_schedules_walk_the_index_also_by_plans_of_an_empty_table(
    sql: Sql, another_sql: Callable[[], Sql]
) -> None:
    sql.rows("alter table schedule set (autovacuum_enabled = false)")
    for _ in range(8):  # so often that PostgreSQL keeps the plans
        sql.rows("select * from promote()")
        sql.rows(DUE)
    sql.rows(MANY, 20_000)

    plans = plans_of(another_sql(), "select * from promote()")
    assert "schedule_look_at" in plans.indexes(sql.connection)
    assert (plans.nodes("SEQSCAN"), plans.sorted_tables()) == ([], [])
    assert buffers_of(sql, "select * from promote()") < 50
    assert buffers_of(sql, DUE) < 100
    assert len(sql.rows(DUE)) >= 9


def test_firing_finds_its_schedules_by_their_names(sql: Sql) -> None:
    sql.rows("alter table schedule set (autovacuum_enabled = false)")
    set_schedule(sql)
    for _ in range(8):
        make_due(sql)
        fire(sql, seen(sql))
    sql.rows(MANY, 20_000)
    make_due(sql)

    with sql.connection.transaction():
        assert len(fire(sql, seen(sql))) == 1
        scans = sql.rows("select relname, seq_scan from pg_stat_xact_user_tables where relname like 'schedule%%'")

    assert {row["relname"]: row["seq_scan"] for row in scans if row["relname"] != "schedule_look"} == {
        "schedule": 0, "schedule_tick": 0
    }  # fmt: skip
