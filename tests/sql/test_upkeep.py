"""maintain_if_due: one worker at a time keeps house for all, readers of the history do not end it, and it says when it cannot."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from psycopg.errors import Diagnostic

from .background import Background
from .conftest import Sql
from .days import as_made_today, named, partitions, today
from .guarantees import without_waiting
from .test_maintain import history, old_partition

DUE = "select maintain_if_due()"
A_MINUTE = 60.0


@pytest.fixture(autouse=True)
def of_today(sql: Sql) -> None:
    """The day does not change during a test."""
    as_made_today(sql)


def pass_time(sql: Sql, seconds: float) -> None:
    """Age the stamp, as if so much time had passed since."""
    sql.rows(
        """update upkeep set done_at = done_at - %(t)s, whole_at = whole_at - %(t)s, next_at = next_at - %(t)s,
                             warned_at = warned_at - %(t)s""".replace("%(t)s", f"interval '{seconds} s'")
    )


@contextmanager
def reader(another_sql: Callable[[], Sql], table: str = "job_history") -> Iterator[None]:
    """Somebody reads the history all the time."""
    other = another_sql()
    with other.connection.transaction():
        other.rows(f"select count(*) from {table}")
        yield


def tomorrow(sql: Sql) -> str:
    """The partition of tomorrow."""
    return named(today(sql) + timedelta(days=1))


def test_of_all_workers_one_does_it_a_minute(sql: Sql) -> None:
    assert sql.value(DUE) == A_MINUTE
    sql.rows(f"drop table {tomorrow(sql)}")

    assert sql.value(DUE) == A_MINUTE
    assert tomorrow(sql) not in partitions(sql)

    pass_time(sql, 60)
    assert sql.value(DUE) == A_MINUTE
    assert tomorrow(sql) in partitions(sql)


def test_nobody_waits_for_who_is_at_it_and_who_dies_at_it_leaves_it_due(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    sql.rows(f"drop table {tomorrow(sql)}")
    other = another_sql()

    with other.connection.transaction(force_rollback=True):
        other.rows(DUE)
        with without_waiting(sql):
            assert sql.value(DUE) == A_MINUTE
        assert tomorrow(sql) not in partitions(sql)

    sql.value(DUE)
    assert tomorrow(sql) in partitions(sql)


def test_a_stamp_in_the_future_is_none(sql: Sql) -> None:
    sql.value(DUE)
    pass_time(sql, -3600)
    sql.rows(f"drop table {tomorrow(sql)}")

    assert sql.value(DUE) == A_MINUTE

    assert tomorrow(sql) in partitions(sql)
    assert sql.value("select done_at <= clock_timestamp() from upkeep")


def test_as_long_as_more_has_expired_it_goes_on_and_leaves_out_the_rest(sql: Sql) -> None:
    sql.value(DUE)
    pass_time(sql, 60)
    sql.rows("insert into job_result select n, '1', clock_timestamp() - interval '1 s' from generate_series(1, 100001) n")
    left = []

    for _ in range(3):
        pause = sql.value(DUE)
        left.append((sql.value("select count(*) from job_result"), pause < 1))
        pass_time(sql, pause)

    assert left == [(50001, True), (1, True), (0, False)]
    assert sql.value("select whole_at < done_at - interval '50 ms' from upkeep")


@pytest.mark.parametrize("kept", ["rows without a partition", "unique keys", "workflows"])
def test_whatever_is_pruned_in_parts_says_that_there_is_more(sql: Sql, kept: str) -> None:
    for n in range(3):
        if kept == "rows without a partition":
            history(sql, n, days_ago=9)
        elif kept == "unique keys":
            sql.rows("insert into unique_hold (unique_key, job_id, expires_at) values (%s, 1, '2020-01-01')", str(n).encode())
    if kept == "workflows":
        sql.rows("""insert into workflow (nodes, finished_at, outcome)
                    select 1, clock_timestamp() - interval '9 days', 'succeeded' from generate_series(1, 1001)""")  # fmt: skip

    assert [sql.value("select prune(7, 2)") for _ in range(2)] == [True, False]


def test_a_reader_keeps_a_partition_from_being_made_and_it_is_soon_tried_again(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    old = named(today(sql) - timedelta(days=8))
    sql.value("select make_partition(%s)", today(sql) - timedelta(days=8))
    sql.rows(f"drop table {tomorrow(sql)}")

    with reader(another_sql):
        pauses = []
        for _ in range(4):
            pauses.append(sql.value(DUE))
            pass_time(sql, pauses[-1])
        assert tomorrow(sql) not in partitions(sql)
    sql.value(DUE)

    assert all(5 <= pause <= 30 for pause in pauses)
    assert len(set(pauses)) > 1, "tries at regular times meet a regular reader each time"
    assert tomorrow(sql) in partitions(sql)
    assert old not in partitions(sql)


def test_retention_does_not_depend_on_readers(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    young, old = old_partition(sql, 6), old_partition(sql, 10)

    with reader(another_sql), without_waiting(sql):
        sql.value(DUE)
        assert sql.value(f"select count(*) from {old}") == 0

    assert sql.value(f"select count(*) from {young}") == 1
    assert sql.rows("select overdue from upkeep_status") == [{"overdue": 1}]
    pass_time(sql, 60)
    sql.value(DUE)
    assert sql.rows("select overdue, days_ahead from upkeep_status") == [{"overdue": 0, "days_ahead": 7}]


def test_a_partition_is_emptied_in_parts(sql: Sql) -> None:
    old = old_partition(sql, 10)
    for n in range(4):
        history(sql, n, days_ago=10)

    more = [sql.value("select empty_partitions(%s, 2)", today(sql) - timedelta(days=7)) for _ in range(4)]

    assert more == [True, True, True, False]
    assert sql.value(f"select count(*) from {old}") == 0


def test_fewer_than_two_days_ahead_are_told_once_an_hour(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    for ahead in range(2, 8):
        sql.rows(f"drop table {named(today(sql) + timedelta(days=ahead))}")
    told: list[str] = []

    def note(notice: Diagnostic) -> None:
        if notice.severity_nonlocalized == "WARNING":
            told.append(str(notice.message_primary))

    sql.connection.add_notice_handler(note)
    with reader(another_sql, "job_history_default"):
        for _ in range(2):
            sql.value(DUE)
            pass_time(sql, 60)
        assert sql.rows("select days_ahead from upkeep_status") == [{"days_ahead": 1}]
        assert len(told) == 1
        pass_time(sql, 3600)
        sql.value(DUE)

    assert len(told) == 2
    assert told[0].startswith("job_history has partitions for 1 of the next 7 days")


def test_a_lock_for_a_new_partition_holds_up_nobody_who_ends_jobs(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    good, token = sql.running()
    bad, bad_token = sql.running(retries=0)
    waiting = sql.enqueue()
    other = another_sql()

    with other.connection.transaction():
        other.rows("lock table job_history_default in access exclusive mode")
        with without_waiting(sql):
            assert sql.finish(token, {"id": good, "state": "succeeded"}) == []
            assert [row["verdict"] for row in sql.finish(bad_token, {"id": bad, "state": "failed"})] == ["dead_letter"]
            sql.value("select cancel(%s)", waiting)


def test_readers_wait_a_second_at_most_for_a_partition_that_is_needed(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    for ahead in range(1, 8):
        sql.rows(f"drop table {named(today(sql) + timedelta(days=ahead))}")
    other = another_sql()

    with other.connection.transaction():
        other.rows("select count(*) from job_history")
        maintain = Background(another_sql(), DUE)
        maintain.wait_until_blocked(sql)
    maintain.rows()

    assert sql.rows("select days_ahead from upkeep_status") == [{"days_ahead": 7}]


def test_while_the_rest_is_done_readers_do_not_wait_for_a_new_partition(sql: Sql) -> None:
    """Its lock comes last, and first only when it is needed soon."""
    sql.rows(
        """create or replace function mend_workflows() returns void language plpgsql as $$
           begin
               perform 1 / (mode <> 'AccessExclusiveLock')::int from pg_locks
                 where pid = pg_backend_pid() and relation = 'job_history_default'::regclass;
           end $$"""
    )
    sql.rows(f"drop table {tomorrow(sql)}")

    assert sql.value("select maintain()") is True

    assert tomorrow(sql) in partitions(sql)


def test_a_partition_that_is_needed_is_made_before_anything_that_may_fail(sql: Sql) -> None:
    for ahead in range(1, 8):
        sql.rows(f"drop table {named(today(sql) + timedelta(days=ahead))}")
    sql.rows(
        f"""create or replace function prune(keep_days int, most int default 50000) returns bool language plpgsql as $$
            begin
                perform 1 / (to_regclass('{tomorrow(sql)}') is not null)::int;
                return false;
            end $$"""
    )

    assert sql.value("select maintain()") is True


def test_when_one_partition_cannot_be_made_the_others_are_not_waited_for(sql: Sql) -> None:
    """They want the same lock, and readers wait behind each try."""
    sql.rows("create table tried (day date)")
    sql.rows(
        """create or replace function make_partition(day date) returns bool language plpgsql as $$
           begin
               insert into tried values (day);
               return false;
           end $$"""
    )
    for ahead in range(1, 8):
        sql.rows(f"drop table {named(today(sql) + timedelta(days=ahead))}")

    sql.value("select maintain()")

    assert sql.value("select count(*) from tried") == 1
