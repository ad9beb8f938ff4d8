"""limit_starts: how many jobs of a key started in each of the last minutes."""

from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from .conftest import Sql
from .limit_steps import add, claimed, finish_all, set_limit
from .plan import buffers_of


def starts(sql: Sql, key: str, minutes: int = 5) -> list[int | None]:
    """The starts of each minute, the last one first."""
    rows = sql.rows("select * from limit_starts(%s, %s) order by at desc", key, minutes)
    assert [one["at"] - other["at"] for one, other in pairwise(rows)] == [timedelta(minutes=1)] * (minutes - 1)
    return [row["starts"] for row in rows]


def shift(sql: Sql, minutes: float) -> None:
    """Time travel: all starts and ends so far were so much earlier."""
    for table in ("job", "job_history", "dead_letter"):
        sql.rows(f"update {table} set claimed_at = claimed_at - make_interval(secs => %s)", 60 * minutes)
    for table in ("job_history", "dead_letter"):
        sql.rows(f"update {table} set finished_at = finished_at - make_interval(secs => %s)", 60 * minutes)


@pytest.fixture
def used(rolled_back_sql: Sql) -> Sql:
    """Two minutes ago a job succeeded and one failed; now two run: one of another key."""
    sql = rolled_back_sql
    sql.rows("select pg_sleep(case when extract(second from clock_timestamp()) > 58 then 2.1 else 0 end)")  # not over a minute
    set_limit(sql, "tenant", max_running=5)
    worker = sql.worker()
    add(sql, 1, "tenant:a", cost=3)
    claimed(sql, worker)
    finish_all(sql)
    add(sql, 1, "tenant:a")
    claimed(sql, worker)
    finish_all(sql, state="failed", error={"type": "E", "message": "m"}, final=True)
    shift(sql, 2)
    add(sql, 1, "tenant:a")
    add(sql, 1, "tenant:b")
    assert len(claimed(sql, worker)) == 2
    return sql


def test_jobs_that_run_that_have_ended_and_that_are_dead_count_in_the_minute_of_their_start(used: Sql) -> None:
    assert starts(used, "tenant:a") == [1, 0, 2, 0, 0]
    assert starts(used, "tenant:a", 2) == [1, 0]
    tokens = used.rows("select tokens from limit_starts('tenant:a', 3)")
    assert [int(row["tokens"]) for row in tokens] == [4, 0, 1]


def test_a_name_counts_all_its_keys_and_the_limit_of_a_queue_all_its_jobs(used: Sql) -> None:
    assert starts(used, "tenant") == starts(used, "queue:default") == [2, 0, 2, 0, 0]
    assert starts(used, "ten") == starts(used, "queue:other") == [0] * 5


def test_minutes_before_the_last_10000_ends_are_not_known(used: Sql) -> None:
    used.rows(
        "insert into job_history (id, run_at, created_at, claimed_at, finished_at, state, priority, attempt, max_attempts, "
        "rescues, queue, task, args, limits) select -n, at, at, at, at, 'succeeded', 0, 1, 4, 0, 'default', 'noop', '{}', "
        "'{tenant:a}' from generate_series(1, 10000) n, lateral (select clock_timestamp() - interval '1 min' as at) a"
    )
    found: list[dict[str, Any]] = used.rows("select * from limit_starts('tenant:a', 5) order by at desc")
    assert [row["starts"] for row in found][2:] == [None] * 3
    assert found[0]["starts"] == 1
    assert found[0]["looked_to"] is not None
    assert used.value("select looked_to from limit_starts('tenant:a', 1)") is None, "nothing ended in this minute"


@pytest.mark.parametrize("minutes", [0, 61, None])
def test_a_number_of_minutes_that_is_none_is_refused(rolled_back_sql: Sql, minutes: int | None) -> None:
    assert "minutes: " in str(rolled_back_sql.refusal("select * from limit_starts('x', %s)", minutes))


@pytest.mark.parametrize("analyzed", [False, True])
def test_what_it_reads_does_not_grow_with_the_history(rolled_back_sql: Sql, analyzed: bool) -> None:
    sql = rolled_back_sql
    sql.rows(
        "insert into job_history (id, run_at, created_at, claimed_at, finished_at, state, priority, attempt, max_attempts, "
        "rescues, queue, task, args, limits) select -n, at, at, at, at, 'succeeded', 0, 1, 4, 0, 'default', 'noop', '{}', "
        "'{tenant:a}' from generate_series(1, 60000) n, lateral (select clock_timestamp() - n * interval '50 ms' as at) a"
    )
    sql.rows(
        "insert into job (run_at, created_at, state, task) select now(), now(), 'ready', 'noop' from generate_series(1, 60000)"
    )
    if analyzed:
        sql.rows("analyze job, job_history")
    assert buffers_of(sql, "select * from limit_starts('tenant:a', 60)") < 2000
    assert starts(sql, "tenant:a", 60)[0] is not None
