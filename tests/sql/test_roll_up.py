"""roll_up: each closed minute once, from the jobs themselves; hours and days with what was committed late."""

import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from .conftest import Sql
from .figures import A_DAY, A_MINUTE, AN_HOUR, TABLES, counts, ended, history, midnight, ran, roll_up, roll_up_days
from .test_set_queue import set_queue


def test_a_minute_is_closed_ten_seconds_after_its_end(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    began: datetime = sql.value("select clock_timestamp()")
    for seconds in range(0, 180, 5):
        history(sql, began - timedelta(seconds=seconds))

    again = sql.value("select roll_up()")

    closed: datetime = sql.value("select minute_at from roll_up_state")
    ended = sql.value("select clock_timestamp()")
    assert began - timedelta(seconds=70) <= closed <= ended - timedelta(seconds=10)
    assert closed.second == closed.microsecond == 0
    assert counts(sql)["succeeded"] == sql.value("select count(*) from job_history where finished_at < %s", closed) >= 20
    assert timedelta(seconds=again) == pytest.approx(closed + timedelta(seconds=70) - ended, abs=timedelta(seconds=2))


def all_is_counted(sql: Sql) -> None:
    """A load of which the counts are known: failures, retries, cancels, snoozes, lost workers."""
    ended(sql, 30)
    ended(sql, 20, state="cancelled")
    ended(sql, 5, queue="b", state="failed", retries=1)  # they come back and succeed
    sql.make_due()
    sql.value("select promote()")
    ran(sql, 5, queue="b")
    ended(sql, 7, queue="b", state="failed", retries=0)
    for _ in range(3):  # snoozed, then cancelled while they wait
        id, token = sql.running()
        sql.finish(token, {"id": id, "state": "snoozed", "delay": 60})
        sql.value("select cancel(%s)", id)
    worker = sql.worker(queues=("lost",))
    sql.enqueue(queue="lost")
    sql.claim(worker, 1, ("lost",))
    sql.value("select heartbeat(%s, (select array_agg(id) from job where worker_id = %s), 'notify')", worker, worker)
    sql.lose(worker)  # its attempt has failed
    assert sql.value("select rescue()") == 1
    ran(sql, 1, queue="lost")
    sql.enqueue(queue="a")  # is not over
    expected = Counter(succeeded=30 + 5 + 1, cancelled=20 + 3, failed=7, failed_attempts=5 + 7 + 1)

    roll_up(sql)
    roll_up(sql)
    assert counts(sql) == expected
    roll_up_days(sql)
    assert [counts(sql, table) for table in TABLES] == [expected] * 3


def test_all_is_counted(rolled_back_sql: Sql) -> None:
    all_is_counted(rolled_back_sql)


def test_a_histogram_holds_each_job_once(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    took = ended(sql, 100) + ended(sql, 10, state="failed", retries=0)
    sql.value("select cancel(%s)", sql.enqueue())  # it did not run
    roll_up_days(sql)

    for table in TABLES:
        jobs = "select sum(n) from {}, unnest({}_jobs) as h(n)"
        assert [sql.value(jobs.format(table, kind)) for kind in ("duration", "wait")] == [110, 110], table
        assert sql.value(f"select sum(seconds) from {table}") == pytest.approx(sum(took), rel=1e-5)
        in_order = (
            "select bool_and(duration_buckets = array(select distinct b from unnest(duration_buckets) b order by b)) from {}"
        )
        assert sql.value(in_order.format(table))


def what_is_committed_late_is_counted(sql: Sql, closed: timedelta) -> None:
    """When its hour is closed, or else when the day is."""
    day = midnight(sql)
    history(sql, day + 90 * A_MINUTE)
    roll_up(sql, day + closed)
    before = counts(sql, "metric_hour")
    history(sql, day + 90 * A_MINUTE)
    history(sql, day + 100 * A_MINUTE, queue="late")
    roll_up(sql, day + 2 * A_DAY)

    assert before["succeeded"] == (closed > 2 * AN_HOUR)
    rows = sql.rows("select minute, queue, succeeded from metric_minute order by minute")
    assert [(row["minute"] - day, row["queue"], row["succeeded"]) for row in rows] == [
        (90 * A_MINUTE, "a", 2), (100 * A_MINUTE, "late", 1)]  # fmt: skip
    assert [counts(sql, table)["succeeded"] for table in TABLES] == [3, 3, 3]


LATE = [100 * A_MINUTE, 5 * AN_HOUR]


@pytest.mark.parametrize("closed", LATE, ids=["before its hour is closed", "after"])
def test_what_is_committed_late_is_counted(rolled_back_sql: Sql, closed: timedelta) -> None:
    what_is_committed_late_is_counted(rolled_back_sql, closed)


def test_a_day_is_open_for_another_hour(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    day = midnight(sql)
    history(sql, day)
    for hours, days in ((24, 0), (25, 1)):
        roll_up(sql, day + hours * AN_HOUR + 2 * A_MINUTE)
        assert counts(sql, "metric_day")["succeeded"] == days


def rows_deleted_by_hand_stay_counted(sql: Sql) -> None:
    """Nobody may delete them, and yet somebody does."""
    ended(sql, 3)
    ended(sql, 2, state="failed", retries=0)
    roll_up(sql)
    sql.rows("delete from job_history")
    sql.rows("delete from dead_letter")
    ended(sql, 1)
    roll_up_days(sql)

    assert counts(sql, "metric_day") == Counter(succeeded=3, failed=2, failed_attempts=2)


def test_rows_deleted_by_hand_stay_counted(rolled_back_sql: Sql) -> None:
    rows_deleted_by_hand_stay_counted(rolled_back_sql)


def a_clock_that_was_set_back_stops_nothing(sql: Sql) -> None:
    """It was years ahead; what ends now ends again in minutes that are closed."""
    ended(sql, 3)
    roll_up(sql, timedelta(days=1000))
    ended(sql, 2)
    roll_up(sql)

    assert sql.value("select minute_at < clock_timestamp() + interval '1 hour' from roll_up_state")
    assert counts(sql) == Counter(succeeded=5)
    roll_up_days(sql)
    assert counts(sql, "metric_day") == Counter(succeeded=5)


def test_a_clock_that_was_set_back_stops_nothing(rolled_back_sql: Sql) -> None:
    a_clock_that_was_set_back_stops_nothing(rolled_back_sql)


def a_clock_that_was_set_back_changes_no_old_day(sql: Sql) -> None:
    """Its jobs were dropped, its dead letters are still there."""
    day = midnight(sql) - 100 * A_DAY
    history(sql, day, 5)
    ended(sql, 1, state="failed", retries=0)
    sql.rows("update dead_letter set finished_at = %s", day)
    roll_up(sql)
    sql.rows("delete from job_history")
    sql.value("select prune_metrics(1000)")
    roll_up(sql, A_MINUTE)

    assert sql.value("select minute_at < clock_timestamp() + interval '2 minutes' from roll_up_state")
    assert counts(sql, "metric_day") == Counter(succeeded=5, failed=1, failed_attempts=1)
    assert sql.value("select succeeded from metric_all where unit = 'day'") == 5


def test_a_clock_that_was_set_back_changes_no_old_day(rolled_back_sql: Sql) -> None:
    a_clock_that_was_set_back_changes_no_old_day(rolled_back_sql)


def days_begin_at_midnight_in_utc(sql: Sql) -> None:
    """Also where a day has 25 hours, by the time zone of a worker's session."""
    day = datetime(2025, 10, 25, tzinfo=UTC)
    sql.rows("set local timezone = 'Europe/Berlin'")
    for days in range(3):
        history(sql, day + days * A_DAY + 30 * A_MINUTE)
    roll_up(sql)

    rows = sql.rows("select day, succeeded from metric_day order by day")
    assert [(row["day"].astimezone(UTC), row["succeeded"]) for row in rows] == [(day + days * A_DAY, 1) for days in range(3)]
    assert sql.value("select day_at = date_bin('1 day', day_at, '2000-01-01Z') from roll_up_state")


def test_days_begin_at_midnight_in_utc(rolled_back_sql: Sql) -> None:
    days_begin_at_midnight_in_utc(rolled_back_sql)


def has_ended(sql: Sql) -> None:
    ended(sql, 1, state="cancelled")


def is_cancelled_while_it_waits(sql: Sql) -> None:
    sql.value("select cancel(%s)", sql.enqueue(queue="a"))


def has_expired(sql: Sql) -> None:
    id = sql.enqueue(queue="a", expires_after=AN_HOUR)
    sql.rows("update job set expires_at = clock_timestamp() where id = %s", id)
    sql.value("select expire()")


def is_dropped(sql: Sql) -> None:
    set_queue(sql, "a", max_ready=1, on_full="drop_oldest")
    sql.enqueue(queue="a")
    sql.rows("update queue_depth set ready = 0")
    sql.enqueue(queue="a")
    sql.value("select sweep_queues()")


def is_cancelled_instead_of_a_retry(sql: Sql) -> None:
    id = sql.enqueue(queue="a")
    token, _ = sql.claim(sql.worker(queues=("a",)), 1, ("a",))
    sql.value("select cancel(%s)", id)
    sql.finish(token, {"id": id, "state": "failed", "error": {}})


WAYS = (has_ended, is_cancelled_while_it_waits, has_expired, is_dropped, is_cancelled_instead_of_a_retry)


def a_queue_without_history_is_counted(sql: Sql, way: Callable[[Sql], None]) -> None:
    """In the transaction that ends the job, whatever ends it."""
    set_queue(sql, "a", keep_succeeded=False, keep_cancelled=False)
    took = ended(sql, 3)
    way(sql)

    assert sql.value("select count(*) from job_history") == 0
    roll_up_days(sql)
    assert [counts(sql, table) for table in TABLES] == [Counter(succeeded=3, cancelled=1)] * 3
    ran = 3 + (way in (has_ended, is_cancelled_instead_of_a_retry))
    assert sql.value("select sum(n) from metric_day, unnest(wait_jobs) as h(n)") == ran
    assert sql.value("select sum(seconds) from metric_day") >= sum(took) * 0.999


@pytest.mark.parametrize("way", WAYS)
def test_a_queue_without_history_is_counted(rolled_back_sql: Sql, way: Callable[[Sql], None]) -> None:
    a_queue_without_history_is_counted(rolled_back_sql, way)


def is_retried(sql: Sql, id: int) -> None:
    sql.value("select retry(%s)", id)


def is_discarded(sql: Sql, id: int) -> None:
    sql.value("select discard(%s)", id)


def is_pruned(sql: Sql, id: int) -> None:
    sql.rows("update setting set dead_days = 1")
    sql.rows("update dead_letter set finished_at = finished_at - interval '2 days' where id = %s", id)
    sql.value("select prune_dead(10)")


GOES = (is_retried, is_discarded, is_pruned)


def a_dead_letter_that_has_gone_has_failed(sql: Sql, goes: Callable[[Sql, int], None]) -> None:
    """Its row went before its minute was rolled up."""
    id = sql.enqueue(queue="a", retries=0)
    ran(sql, state="failed")
    goes(sql, id)

    assert sql.value("select count(*) from dead_letter") == 0
    roll_up_days(sql)
    assert [counts(sql, table) for table in TABLES] == [Counter(failed=1, failed_attempts=1)] * 3


@pytest.mark.parametrize("goes", GOES)
def test_a_dead_letter_that_has_gone_has_failed(rolled_back_sql: Sql, goes: Callable[[Sql, int], None]) -> None:
    a_dead_letter_that_has_gone_has_failed(rolled_back_sql, goes)


@pytest.mark.parametrize("goes", GOES[:2])
def test_a_dead_letter_that_goes_after_the_clock_was_set_back_has_failed(
    rolled_back_sql: Sql, goes: Callable[[Sql, int], None]
) -> None:
    """Its day was closed while the clock was ahead, and nothing was rolled up since."""
    sql = rolled_back_sql
    ended(sql, 1)
    roll_up(sql, 3 * A_DAY)
    id = sql.enqueue(queue="a", retries=0)
    ran(sql, state="failed")
    goes(sql, id)
    roll_up(sql, A_MINUTE)

    assert counts(sql)["failed"] == 1


def attempts_count_once(sql: Sql) -> None:
    """Those of a dead letter that comes back with them, fails again, comes back without them and fails."""
    id = sql.enqueue(queue="a", retries=0)
    ran(sql, state="failed")
    for keeps in (True, False):
        sql.value("select retry(%s, keep_attempts => %s)", id, keeps)
        ran(sql, state="failed")
    roll_up(sql)

    assert counts(sql) == Counter(failed=3, failed_attempts=3)


def test_attempts_count_once(rolled_back_sql: Sql) -> None:
    attempts_count_once(rolled_back_sql)


def a_skipped_node_that_waits_again_was_cancelled(sql: Sql) -> None:
    """And then it succeeds."""
    nodes = json.dumps([{"task": "noop", "queue": "a", "retries": 0}, {"task": "noop", "queue": "a", "after": [1]}])
    (flow,) = sql.rows("select * from enqueue_workflow(%s)", nodes)
    ran(sql, state="failed")
    sql.value("select retry(%s)", flow["job_ids"][0])
    ran(sql)
    ran(sql)
    roll_up(sql)

    assert counts(sql) == Counter(succeeded=2, failed=1, cancelled=1, failed_attempts=1)


def test_a_skipped_node_that_waits_again_was_cancelled(rolled_back_sql: Sql) -> None:
    a_skipped_node_that_waits_again_was_cancelled(rolled_back_sql)


def test_years_in_which_nothing_happened_are_jumped_over(rolled_back_sql: Sql) -> None:
    """A call takes about a second, and a week with jobs in each hour a few calls."""
    sql = rolled_back_sql
    day = midnight(sql)
    history(sql, day - timedelta(days=2000))
    for hours in range(7 * 24):
        history(sql, day - hours * AN_HOUR)

    calls = 1
    while sql.value("select roll_up()") <= 0.1:
        calls += 1
    assert calls <= 20
    assert [counts(sql, table)["succeeded"] for table in TABLES] == [169, 169, 169]


def a_day_is_rolled_up_before_it_is_dropped(sql: Sql) -> None:
    """No worker was there for weeks, and now maintenance is faster than the roll-up."""
    day = midnight(sql) - 18 * A_DAY
    sql.value("select make_partition((%s at time zone 'UTC')::date)", day)
    history(sql, day)
    sql.value("select maintain()")

    assert sql.value("select count(*) from job_history") == 0
    assert counts(sql, "metric_day")["succeeded"] == 1


def test_a_day_is_rolled_up_before_it_is_dropped(rolled_back_sql: Sql) -> None:
    a_day_is_rolled_up_before_it_is_dropped(rolled_back_sql)


def test_old_roll_ups_are_pruned_and_days_stay(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    day = midnight(sql)
    sql.rows("insert into metric_sample select %s::timestamptz - m * interval '30 min' from generate_series(0, 48 * 100) m", day)
    sql.rows("insert into metric_depth select minute, 'a', 0, 'ready', 1 from metric_sample")
    for ago in (1, 8, 95):
        history(sql, day - ago * A_DAY)
    roll_up(sql, day + 2 * A_DAY)
    while sql.value("select prune_metrics(1000)"):
        pass

    assert [counts(sql, table)["succeeded"] for table in TABLES] == [1, 2, 3]
    every = sql.rows("select %s::timestamptz - minute as ago from metric_depth where minute <= %s", day, day)
    ages = sorted(row["ago"] for row in every)
    assert ages == sorted(sql_ages(sql, day))
    assert [age for age in ages if 9 * A_DAY < age < 10 * A_DAY] == [9 * A_DAY + hour * AN_HOUR for hour in range(1, 24)]
    assert [age for age in ages if age > 95 * A_DAY] == [days * A_DAY for days in range(96, 101)]
    assert ages[:3] == [timedelta(), 30 * A_MINUTE, AN_HOUR]


def sql_ages(sql: Sql, day: datetime) -> list[timedelta]:
    """How old the samples are."""
    return [
        row["ago"] for row in sql.rows("select %s::timestamptz - minute as ago from metric_sample where minute <= %s", day, day)
    ]


def nobody_waits_for_it(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    """While it is at work jobs are added, run, end and come back, and another call returns at once."""
    ended(sql, 5)
    dead = sql.enqueue(queue="a", retries=0)
    ran(sql, state="failed")
    other = another_sql()
    other.rows("set lock_timeout = '500ms'")
    with sql.connection.transaction():
        roll_up_days(sql)
        locks = "select relation::regclass::text as name from pg_locks where pid = pg_backend_pid() and relation is not null and "
        assert sql.rows(locks + "mode not in ('AccessShareLock', 'RowExclusiveLock', 'RowShareLock')") == []
        written = sql.rows(locks + "mode = 'RowExclusiveLock' and relation::regclass::text !~ 'metric|unkept|roll_up|depth'")
        assert written == []
        assert other.value("select roll_up()") == 5
        other.value("select retry(%s)", dead)
        ended(other, 1)
        assert other.value("select maintain()")
        assert other.rows("select * from metrics()")


def test_nobody_waits_for_it(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    nobody_waits_for_it(sql, another_sql)


def test_odd_times_and_durations_are_counted(rolled_back_sql: Sql) -> None:
    """What somebody's own worker reports, and a run_at from the beginning of all calendars."""
    sql = rolled_back_sql
    for elapsed, run_at in (("NaN", "-infinity"), ("Infinity", "0001-01-01"), ("-5", "9999-01-01"), ("0", "2000-01-01")):
        history(sql, midnight(sql), elapsed=elapsed, run_at=run_at)
    roll_up(sql)

    (row,) = sql.rows("select succeeded, seconds, wait_seconds from metric_minute")
    assert row == {"succeeded": 4, "seconds": pytest.approx(2e9), "wait_seconds": pytest.approx(0.03)}
