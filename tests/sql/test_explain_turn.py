"""explain: for which limits and which other jobs a ready job waits, tested against what claims then take."""

from datetime import datetime
from typing import Any

import pytest

from .conftest import Sql
from .explain_steps import cause, causes, seconds
from .limit_steps import add, claimed, finish_all, pass_time, set_limit


def test_tokens_come_when_it_says(rolled_back_sql: Sql) -> None:
    sql, worker = rolled_back_sql, rolled_back_sql.worker()
    set_limit(sql, "k", rate=1, per="1 min")
    first, second, third = add(sql, 3, "k")
    assert cause(sql, first)["cause"] == "next"
    assert claimed(sql, worker, 1) == [first]

    why, after = cause(sql, second), cause(sql, third)

    assert (why["cause"], seconds(why["left"])) == ("limit_tokens", 60)
    assert (after["cause"], seconds(after["left"])) == ("limit_tokens", 120)
    assert causes(sql, third) == ["limit_tokens", "queued"]
    claimed(sql, worker)
    pass_time(sql, why["details"]["seconds"] - 1)
    assert claimed(sql, worker) == []
    pass_time(sql, 1)
    assert claimed(sql, worker) == [second]


def test_a_limit_of_the_queue_counts_for_jobs_without_limits(rolled_back_sql: Sql) -> None:
    sql, worker = rolled_back_sql, rolled_back_sql.worker()
    set_limit(sql, "queue:default", rate=1, per="1 min")
    first, second = add(sql, 2)
    assert claimed(sql, worker) == [first]

    why = cause(sql, second)

    assert (why["cause"], why["details"].get("key"), seconds(why["left"])) == ("limit_tokens", "queue:default", 60)
    pass_time(sql, why["details"]["seconds"])
    assert claimed(sql, worker) == [second]


@pytest.mark.parametrize("key", ["k", "queue:default"])
def test_a_place_is_free_when_the_job_has_ended_that_is_said_to_hold_it(rolled_back_sql: Sql, key: str) -> None:
    sql, worker = rolled_back_sql, rolled_back_sql.worker()
    set_limit(sql, key, max_running=1)
    first, second = add(sql, 2, *([key] if key == "k" else []))
    assert claimed(sql, worker) == [first]

    why = cause(sql, second)

    assert (why["cause"], why["until"], why["details"].get("jobs")) == ("limit_places", None, [first])
    assert why["says"] == f"all places of key '{key}' are taken (1 of 1), by job {first}"
    finish_all(sql)
    assert causes(sql, second) == ["next"]
    assert claimed(sql, worker) == [second]


def test_a_parked_key_opens_when_it_says_and_the_last_to_open_is_decisive(rolled_back_sql: Sql) -> None:
    sql, worker = rolled_back_sql, rolled_back_sql.worker()
    set_limit(sql, "k", max_running=5)
    set_limit(sql, "other", max_running=5)
    (id,) = add(sql, 1, "k", "other")
    sql.value("select park('k', clock_timestamp() + interval '1 h')")
    sql.value("select park('other', clock_timestamp() + interval '2 h')")

    assert [(row["cause"], row["details"]["key"]) for row in sql.rows("select * from explain(%s)", id)] == [
        ("limit_parked", "other"),
        ("limit_parked", "k"),
    ]
    assert seconds(cause(sql, id)["left"]) == 7200
    assert claimed(sql, worker) == []
    sql.value("select unpark('k')")
    assert causes(sql, id) == ["limit_parked"]
    sql.value("select unpark('other')")
    assert claimed(sql, worker) == [id]


def test_tokens_that_are_kept_for_another_lane_are_not_there(rolled_back_sql: Sql) -> None:
    sql, worker = rolled_back_sql, rolled_back_sql.worker()
    set_limit(sql, "k", rate=10, per="1 min", burst=10)
    set_limit(sql, "other", max_running=50)
    claimed(sql, worker, len(add(sql, 6, "k")))
    (large,) = add(sql, 1, "k", cost=10)
    assert claimed(sql, worker) == []
    (small,) = add(sql, 1, "k", "other")

    why = cause(sql, small)

    assert (why["cause"], why["details"].get("key")) == ("limit_saving", "k")
    assert seconds(cause(sql, large, "limit_tokens")["left"]) == 36
    assert seconds(why["left"]) == 42
    pass_time(sql, 20)
    assert claimed(sql, worker) == []


@pytest.mark.parametrize("options", [{}, {"limits": ["k"]}], ids=["plain", "in a lane"])
def test_the_jobs_before_it_are_those_that_claims_take_before_it(rolled_back_sql: Sql, options: dict[str, Any]) -> None:
    sql, worker = rolled_back_sql, rolled_back_sql.worker()
    set_limit(sql, "k", max_running=100)
    early = sql.enqueue(run_at=datetime(2020, 1, 1).astimezone(), **options)
    id, same = sql.enqueue(priority=1, **options), sql.enqueue(priority=1, **options)
    high = sql.enqueue(priority=2, **options)
    before = {one: (cause(sql, one, "queued")["details"]["before"] if one != high else 0) for one in (early, id, same, high)}

    assert before == {high: 0, id: 1, same: 2, early: 3}
    assert causes(sql, high) == ["next"]
    for one in sorted(before, key=lambda one: before[one]):
        assert claimed(sql, worker, 1) == [one]


def test_the_rate_of_the_last_minute_says_when_it_starts(rolled_back_sql: Sql) -> None:
    sql, worker = rolled_back_sql, rolled_back_sql.worker()
    ids = add(sql, 50)
    assert cause(sql, ids[-1])["until"] is None
    claimed(sql, worker, 30)
    finish_all(sql)

    why = cause(sql, ids[-1])

    assert (why["cause"], why["details"]["before"], why["details"]["ended_per_second"]) == ("queued", 19, 0.5)
    assert seconds(why["left"]) == 38
    assert "30 a minute have ended lately" in why["says"]
    assert causes(sql, sql.enqueue(queue="other")) == ["no_worker"]


def test_a_suspect_waits_for_the_suspects_before_it(rolled_back_sql: Sql) -> None:
    sql, worker = rolled_back_sql, rolled_back_sql.worker()
    first, second = add(sql, 2)
    sql.rows("update job set rescues = 2")

    assert [cause(sql, id)["cause"] for id in (first, second)] == ["suspect", "suspect"]
    assert [cause(sql, id)["details"]["before"] for id in (first, second)] == [0, 1]
    assert claimed(sql, worker) == [first]
    assert claimed(sql, worker) == []
    finish_all(sql)
    assert claimed(sql, worker) == [second]


def test_workers_whose_places_are_taken_are_busy(rolled_back_sql: Sql) -> None:
    sql, worker = rolled_back_sql, rolled_back_sql.worker()
    id = sql.enqueue()
    sql.value("select heartbeat(%s, %s, 'notify')", worker, list(range(10)))
    assert cause(sql, id)["says"] == "all 10 places of 1 worker were taken at the last heartbeat"
    sql.value("select heartbeat(%s, '{1}', 'notify')", worker)
    assert causes(sql, id) == ["next"]


def test_a_long_line_is_counted_to_a_bound_and_read_off_the_index(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    sql.worker()
    sql.value("select count(enqueue_many('noop', (select jsonb_agg('{}'::jsonb) from generate_series(1, 10050))))")
    id = sql.enqueue(priority=-1)
    sql.rows("analyze job")

    why = cause(sql, id)

    assert (why["details"]["before"], why["details"]["at_least"]) == (10000, True)
    assert "it comes after at least 10,000 jobs of queue 'default'" in why["says"]
    sql.rows(
        "insert into job_history (id, run_at, created_at, finished_at, state, priority, attempt, max_attempts, rescues, queue, "
        "task, args) values (1000000, now(), now(), now(), 'succeeded', 0, 1, 4, 0, 'default', 'noop', '{}')"
    )
    assert "so it starts at the earliest at 2" in cause(sql, id)["says"]
