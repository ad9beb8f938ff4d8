"""sample_depths and sweep_depths: the figures of live jobs that views show of a large install."""

from collections.abc import Callable
from typing import Any

import pytest

from .conftest import Sql
from .limit_steps import add, set_limit
from .plan import buffers_of

SMALL = "create or replace function is_large() returns bool language sql as 'select false'"
LARGE = SMALL.replace("false", "true")


def large(sql: Sql) -> None:
    """As if the table of jobs had 32 MB."""
    sql.rows(LARGE)


def filled(sql: Sql) -> None:
    """Jobs of several queues, priorities and states."""
    first, *_ = add(sql, 3)
    add(sql, 2, priority=5, queue="mail")
    sql.enqueue(queue="mail", run_after="1 h")
    sql.running()
    sql.rows("update job set run_at = run_at - interval '100 s' where priority = 5 or id = %s", first)
    sql.rows("update job set unknown_since = now() where state = 'scheduled'")


def figures(sql: Sql) -> list[dict[str, Any]]:
    """What queue_stats says; how long the first in line waits in whole minutes."""
    rows = sql.rows("select *, floor(extract(epoch from oldest) / 60)::int as minutes from queue_stats order by 1, 2, 3")
    return [{**row, "oldest": None, "counted_at": None} for row in rows]


def counted_at(sql: Sql) -> Any:
    return sql.value("select min(counted_at) from queue_stats")


def pass_time(sql: Sql, seconds: float) -> None:
    """The last count is so much older."""
    sql.rows("update depth set counted_at = counted_at - make_interval(secs => %s)", seconds)
    sql.rows("update depth_sample set counted_at = counted_at - make_interval(secs => %s), "
             "fresh_until = fresh_until - make_interval(secs => %s)", seconds, seconds)  # fmt: skip


def test_a_small_install_is_counted_when_somebody_looks(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    filled(sql)
    assert sql.value("select sweep_depths()") is None
    sql.value("select sample_depths()")
    assert (sql.value("select count(*) from depth_sample"), counted_at(sql)) == (0, None)
    assert sql.value("select sum(jobs) from queue_stats") == 7


def the_figures_are_those_that_counting_gives(sql: Sql) -> None:
    filled(sql)
    sql.rows("select pause('queue', 'mail')")
    counted = figures(sql)
    large(sql)
    assert sql.value("select sweep_depths()") >= 0.9
    assert sql.value("select count(*) from queue_stats where counted_at is null") == 0
    assert figures(sql) == counted
    before = sql.value("select jsonb_object_agg(name, ready + running + scheduled) from queues")
    add(sql, 1)
    assert sql.value("select jsonb_object_agg(name, ready + running + scheduled) from queues") == before
    assert sql.value("select counted_at = (select min(counted_at) from depth_sample) from queues where name = 'mail'")


def test_the_figures_are_those_that_counting_gives(rolled_back_sql: Sql) -> None:
    the_figures_are_those_that_counting_gives(rolled_back_sql)


def what_is_ready_or_runs_is_counted_more_often(sql: Sql) -> None:
    """Jobs with limits and suspects too, which no common index has; what waits for its time only when it is due."""
    large(sql)
    filled(sql)
    sql.rows("update job set unknown_since = now() where priority = 5")
    sql.value("select sweep_depths()")
    waiting = sql.value("select sum(jobs) from queue_stats where state = 'scheduled'")
    set_limit(sql, "openai", rate=1)
    set_limit(sql, "tenant", rate=1)
    add(sql, 3, "openai", queue="mail", priority=5)
    add(sql, 2, "tenant:1")
    sql.rows("update job set rescues = 3 where id in (select id from job where state = 'ready' and lane_id is null limit 2)")
    sql.running()
    sql.enqueue(run_after="1 h")
    sql.rows("update depth_sample set took = '1 min' where part = 'waiting'")
    pass_time(sql, 2)
    sql.value("select sweep_depths()")

    active = [row for row in figures(sql) if row["state"] != "scheduled"]
    assert sql.value("select sum(jobs) from queue_stats where state = 'scheduled'") == waiting
    sql.rows("delete from depth_sample")
    assert active == [row for row in figures(sql) if row["state"] != "scheduled"]


def test_what_is_ready_or_runs_is_counted_more_often(rolled_back_sql: Sql) -> None:
    what_is_ready_or_runs_is_counted_more_often(rolled_back_sql)


def one_part_that_is_old_is_not_shown_with_the_other(sql: Sql, part: str) -> None:
    large(sql)
    add(sql, 1)
    sql.value("select sweep_depths()")
    add(sql, 1)
    assert sql.value("select sum(jobs) from queue_stats") == 1
    sql.rows("update depth_sample set fresh_until = now() where part = %s", part)
    assert sql.value("select sum(jobs) from queue_stats") == 2


@pytest.mark.parametrize("part", ["active", "waiting"])
def test_one_part_that_is_old_is_not_shown_with_the_other(rolled_back_sql: Sql, part: str) -> None:
    one_part_that_is_old_is_not_shown_with_the_other(rolled_back_sql, part)


def figures_without_a_worker_are_not_shown(sql: Sql, seconds: float) -> None:
    large(sql)
    add(sql, 3)
    sql.value("select sweep_depths()")
    sql.rows("delete from job")
    assert sql.value("select sum(jobs) from queue_stats") == 3
    pass_time(sql, seconds)
    assert sql.rows("select * from queue_stats") == []


@pytest.mark.parametrize("seconds", [3600, -3600], ids=["no worker for an hour", "the clock was set back"])
def test_figures_without_a_worker_are_not_shown(rolled_back_sql: Sql, seconds: float) -> None:
    figures_without_a_worker_are_not_shown(rolled_back_sql, seconds)


def counting_takes_a_fiftieth_of_the_time(sql: Sql, took: float, age: float, counts: bool) -> None:
    large(sql)
    sql.value("select sweep_depths()")
    sql.rows("update depth_sample set took = make_interval(secs => %s)", took)
    pass_time(sql, age)
    add(sql, 2)
    next_in = sql.value("select sweep_depths()")
    assert sql.value("select coalesce(sum(jobs), 0) from depth") == (2 if counts else 0)
    assert next_in == pytest.approx(1 if counts else 50 * took - age, abs=0.5)


@pytest.mark.parametrize(("took", "age", "counts"), [(1, 40, False), (1, 51, True), (0, 2, True), (1, -100, True)])
def test_counting_takes_a_fiftieth_of_the_time(rolled_back_sql: Sql, took: float, age: float, counts: bool) -> None:
    counting_takes_a_fiftieth_of_the_time(rolled_back_sql, took, age, counts)


def one_counts_at_a_time_and_nobody_waits(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    large(sql)
    add(sql, 1)
    other = another_sql()
    with other.connection.transaction():
        other.value("select sweep_depths()")
        sql.rows("set statement_timeout = '4s'")
        assert sql.value("select sweep_depths()") == 1
        sql.rows("reset statement_timeout")
        assert sql.value("select count(*) from depth") == 0
    assert (sql.value("select count(*) from depth_sample"), sql.value("select sum(jobs) from depth")) == (2, 1)


def test_one_counts_at_a_time_and_nobody_waits(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    one_counts_at_a_time_and_nobody_waits(sql, another_sql)


def under_a_long_snapshot_few_are_read(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    large(sql)
    for queue in range(30):
        sql.enqueue(queue=f"q{queue}")
    pinned = another_sql()
    pinned.rows("begin isolation level repeatable read")
    pinned.rows("select from pg_class limit 1")
    look = "select queue, jobs from queue_stats"
    sql.value("select sweep_depths()")
    at_first = buffers_of(sql, look)
    for _ in range(100):
        sql.value("select sample_depths()")
        sql.value("select sample_active()")

    assert (sql.value("select count(*) from depth"), sql.value("select count(*) from depth_sample")) == (30, 2)
    assert buffers_of(sql, look) < at_first + 15
    pinned.rows("rollback")


def test_under_a_long_snapshot_few_are_read(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    under_a_long_snapshot_few_are_read(sql, another_sql)


def what_is_not_shown_is_not_read(sql: Sql) -> None:
    add(sql, 5000)
    large(sql)
    sql.value("select sweep_depths()")
    assert buffers_of(sql, "select * from queue_stats") < 50
    assert buffers_of(sql, "select * from queues") < 60


def test_what_is_not_shown_is_not_read(rolled_back_sql: Sql) -> None:
    what_is_not_shown_is_not_read(rolled_back_sql)


def a_boundary_has_what_was_live_then(sql: Sql) -> None:
    ids = {}
    for name in ("waits", "new", "over", "over since", "came and went", "dead since"):
        ids[name], token = sql.running(task=name)
        if name not in ("waits", "new"):
            state = "failed" if name.startswith("dead") else "succeeded"
            sql.finish(token, {"id": ids[name], "state": state, "final": True})
    boundary = sql.value("select date_trunc('minute', clock_timestamp()) - interval '1 min'")
    for table in ("job", "job_history", "dead_letter"):
        sql.rows(f"update {table} set queue = 'q', created_at = %s::timestamptz + case when task in ('new', 'came and went') "
                 "then interval '1 s' else interval '-1 s' end", boundary)  # fmt: skip
    for table in ("job_history", "dead_letter"):
        sql.rows(f"update {table} set finished_at = %s::timestamptz + case when task = 'over' then interval '-1 s' "
                 "else interval '2 s' end", boundary)  # fmt: skip
    sql.value("select sample_depths(%s)", boundary)

    (row,) = sql.rows("select * from metric_depth")
    assert (row["minute"], row["queue"], row["state"], row["jobs"]) == (boundary, "q", "running", 3)


def test_a_boundary_has_what_was_live_then(rolled_back_sql: Sql) -> None:
    a_boundary_has_what_was_live_then(rolled_back_sql)
