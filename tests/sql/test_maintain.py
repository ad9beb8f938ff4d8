"""maintain: partitions for the days to come, and an end for what has expired."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from .conftest import Sql
from .days import as_made_today, named, partitions, today
from .guarantees import without_waiting


@pytest.fixture(autouse=True)
def of_today(sql: Sql) -> None:
    """The day does not change during a test."""
    as_made_today(sql)


def history(sql: Sql, id: int, days_ago: float) -> None:
    """A job that succeeded so long ago."""
    sql.rows(
        """insert into job_history (id, run_at, created_at, finished_at, state, priority, attempt, max_attempts, rescues, queue,
                                    task, args)
           select %s, t, t, t, 'succeeded', 0, 1, 4, 0, 'default', 'noop', '{}'
             from (select clock_timestamp() - make_interval(secs => %s * 86400)) as at(t)""",
        id,
        days_ago,
    )


def old_partition(sql: Sql, days_ago: int) -> str:
    """The partition of a day in the past, with a job in it."""
    day = today(sql) - timedelta(days=days_ago)
    sql.value("select make_partition(%s)", day)
    history(sql, 1000 + days_ago, days_ago)
    return named(day)


def test_there_are_partitions_for_today_and_a_week_ahead(sql: Sql) -> None:
    week = {named(today(sql) + timedelta(days=ahead)) for ahead in range(8)}
    for name in week:
        sql.rows(f"drop table {name}")

    assert sql.value("select maintain()") is True

    assert partitions(sql) == week


def test_maintaining_twice_changes_nothing(sql: Sql) -> None:
    before = partitions(sql)

    assert [sql.value("select maintain()") for _ in range(2)] == [True, True]

    assert partitions(sql) == before


def test_a_day_past_retention_is_dropped_whole_and_a_younger_one_kept(sql: Sql) -> None:
    kept, dropped, ancient = (old_partition(sql, days) for days in (7, 8, 400))

    sql.value("select maintain()")

    assert kept in partitions(sql)
    assert not {dropped, ancient} & partitions(sql)
    assert sql.rows("select id from job_history") == [{"id": 1007}]


def test_retention_is_a_setting(sql: Sql) -> None:
    old = old_partition(sql, 8)
    sql.rows("update setting set history_days = 30")

    sql.value("select maintain()")

    assert old in partitions(sql)


def test_a_partition_that_somebody_reads_is_dropped_by_the_next_call(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    old, reader = old_partition(sql, 8), another_sql()
    expired = sql.rows("insert into job_result values (1, '1', clock_timestamp() - interval '1 s')")

    with reader.connection.transaction():
        reader.rows(f"select * from {old}")
        answer = sql.value("select maintain()")
        still_there = old in partitions(sql)
    sql.value("select maintain()")

    assert (answer, still_there) == (True, True)
    assert old not in partitions(sql)
    assert expired == sql.rows("select * from job_result")


def test_a_day_that_cannot_be_made_now_is_made_by_the_next_call(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    tomorrow, reader = named(today(sql) + timedelta(days=1)), another_sql()
    sql.rows(f"drop table {tomorrow}")

    with reader.connection.transaction():
        reader.rows("lock table job_history_default in access share mode")
        answer = sql.value("select maintain()")
        meanwhile = tomorrow in partitions(sql)
    sql.value("select maintain()")

    assert (answer, meanwhile) == (True, False)
    assert tomorrow in partitions(sql)


def test_a_job_can_finish_without_its_days_partition_and_maintenance_goes_on(sql: Sql) -> None:
    sql.rows(f"drop table {named(today(sql))}")
    id, token = sql.running()
    sql.finish(token, {"id": id, "state": "succeeded"})

    assert sql.value("select maintain()") is True

    assert sql.state(id) == "succeeded"
    assert named(today(sql)) not in partitions(sql)  # the row stays where it is; the other days are unaffected
    assert named(today(sql) + timedelta(days=1)) in partitions(sql)


def test_the_default_partition_is_pruned_row_by_row(sql: Sql) -> None:
    history(sql, 1, days_ago=8.5)
    history(sql, 2, days_ago=6)

    sql.value("select maintain()")

    assert sql.rows("select id from job_history_default") == [{"id": 2}]


def test_expired_results_old_rescues_and_lost_workers_of_yesterday_are_pruned(sql: Sql) -> None:
    sql.rows("insert into job_result values (1, '1', now() - interval '1 s'), (2, '2', now() + interval '1 min')")
    sql.rows("insert into rescue_log select now() - make_interval(days => d), d, gen_random_uuid(), 'q', 't', false "
             "from unnest('{6,8}'::int[]) d")  # fmt: skip
    active, lost, long_lost = sql.worker(), sql.worker(), sql.worker()
    sql.lose(lost, long_lost)
    sql.rows("update worker set heartbeat_at = heartbeat_at - interval '2 days' where id in (%s, %s)", active, long_lost)

    sql.value("select maintain()")

    assert sql.rows("select job_id from job_result") == [{"job_id": 2}]
    assert sql.rows("select job_id from rescue_log") == [{"job_id": 6}]
    assert {row["id"] for row in sql.rows("select id from worker")} == {active, lost}


def test_dead_letters_and_live_jobs_are_kept_whatever_their_age(sql: Sql) -> None:
    dead, token = sql.running(retries=0)
    sql.finish(token, {"id": dead, "state": "failed"})
    live = sql.enqueue()
    sql.rows("update dead_letter set finished_at = finished_at - interval '10 years'")
    sql.rows("update job set run_at = run_at - interval '10 years', created_at = created_at - interval '10 years'")

    sql.value("select maintain()")

    assert (sql.state(dead), sql.state(live)) == ("failed", "ready")


@pytest.mark.parametrize("shared", ["setting", "job_result"])
def test_a_temporary_table_of_the_caller_is_never_taken_for_ours(sql: Sql, shared: str) -> None:
    sql.rows(f"create temporary table {shared} (like pgqueue.{shared})")

    assert sql.value("select maintain()") is True


def test_a_row_that_somebody_holds_postpones_the_pruning_and_not_the_partitions(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    sql.rows("insert into job_result (job_id, value, expires_at) values (1, '1', clock_timestamp() - interval '1 day')")
    sql.rows(f"drop table {named(today(sql) + timedelta(days=7))}")
    other = another_sql()
    with other.connection.transaction():
        other.rows("select from job_result for update")
        assert sql.value("select maintain()")
        assert named(today(sql) + timedelta(days=7)) in partitions(sql)
        assert sql.value("select count(*) from job_result") == 1

    assert sql.value("select maintain()")

    assert sql.value("select count(*) from job_result") == 0


def test_pruning_leaves_a_result_that_is_being_kept_for_longer(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    id, token = sql.running(result_ttl="0 s")
    sql.value("select complete(%s, %s, '1')", id, token)
    other = another_sql()

    with other.connection.transaction():
        other.rows("update job_result set expires_at = clock_timestamp() + interval '1 h'")
        with without_waiting(sql):
            sql.value("select prune(7)")

    assert sql.value("select job_id from job_result") == id
