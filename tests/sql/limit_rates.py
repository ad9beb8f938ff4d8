"""What must hold of the rate of starts under limits, as plain functions: true of our SQL (test_limit_races), false of mutants.

Each raises an AssertionError where its guarantee is broken. Time passes by ageing rows, except where claimers run at once.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from .conftest import Sql
from .guarantees import without_waiting
from .limit_steps import (
    OpenSql,
    add,
    assert_rate,
    claimed,
    pass_time,
    set_limit,
    starts_of,
)


def the_rate_is_exact_over_all_claimers(sql: Sql, open_sql: OpenSql) -> None:
    """Three claimers go on for a while: by claimed_at no window has more than burst + rate x T.

    Most of the rate is used; on a busy machine less, because tokens beyond the burst are lost while no claim runs.
    """
    rate, burst, seconds = 100.0, 5.0, 1.0
    set_limit(sql, "k", rate=rate, burst=burst)
    add(sql, 400, "k")
    ends = time.monotonic() + seconds

    def claim_on(own: Sql) -> None:
        worker = own.worker()
        while time.monotonic() < ends:
            own.claim(worker, 10)

    connections = [open_sql() for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        for done in [pool.submit(claim_on, own) for own in connections]:
            done.result()

    starts = starts_of(sql, "k")
    assert_rate(starts, rate, burst)
    assert len(starts) >= 0.3 * rate * seconds, f"only {len(starts)} started"


def a_start_is_counted_when_it_is_made_and_not_when_its_claim_began(sql: Sql, open_sql: OpenSql) -> None:
    """A claimer's transaction began long ago: what it claims is stamped with now, and the next one counts from there."""
    set_limit(sql, "k", rate=2, burst=1)
    add(sql, 3, "k")
    worker, other = sql.worker(), open_sql()

    with other.connection.transaction():
        other.value("select count(*) from job")
        assert len(claimed(sql, worker)) == 1
        other.value("select pg_sleep(0.51)")
        assert len(claimed(other, worker)) == 1
    assert claimed(sql, worker) == []

    assert_rate(starts_of(sql, "k"), 2, 1)


def tokens_come_back_at_the_rate(sql: Sql) -> None:
    """A burst at first, then what the time since the last claim is worth, and never more than the burst."""
    set_limit(sql, "k", rate=10, per="100 s", burst=3)
    add(sql, 50, "k")
    worker = sql.worker()
    assert [len(claimed(sql, worker)) for _ in range(2)] == [3, 0]
    for seconds, expected in ((11, 1), (21, 2), (2, 0), (9, 1), (1000, 3), (2, 0)):
        pass_time(sql, seconds)
        assert len(claimed(sql, worker)) == expected, f"after {seconds} s"


def a_job_takes_the_tokens_that_it_costs(sql: Sql) -> None:
    """As many jobs start as the tokens pay for, and the next one in line waits until there are enough for it."""
    set_limit(sql, "k", rate=10, per="100 s", burst=10)
    costs = [4, 4, 4, 1, 1]
    ids = [sql.enqueue(limits=["k"], cost=cost) for cost in costs]
    worker = sql.worker()

    assert claimed(sql, worker) == ids[:2]
    assert claimed(sql, worker) == [], "a cheap job overtook a dear one"
    pass_time(sql, 10)
    assert claimed(sql, worker) == []
    pass_time(sql, 15)
    assert claimed(sql, worker) == ids[2:3]
    pass_time(sql, 20)
    assert claimed(sql, worker) == ids[3:]


def a_job_above_the_burst_leaves_a_debt(sql: Sql) -> None:
    """It starts when the bucket is full, and the next one when the debt is paid."""
    set_limit(sql, "k", rate=20, per="200 s", burst=5)
    first, dear, last = (sql.enqueue(limits=["k"], cost=cost) for cost in (1, 25, 1))
    worker = sql.worker()

    assert claimed(sql, worker) == [first]
    assert claimed(sql, worker) == [], "it needs a full bucket"
    pass_time(sql, 11)
    assert claimed(sql, worker) == [dear]
    pass_time(sql, 205)
    other = sql.enqueue(limits=["k"], fair="another", cost=1)
    assert claimed(sql, worker) == [], "the debt is not paid"
    pass_time(sql, 10)
    (next_one,) = claimed(sql, worker)
    assert next_one in (last, other)


def a_limit_may_count_starts_and_not_costs(sql: Sql) -> None:
    """count_cost false: of each job one token, beside another limit that takes the cost."""
    set_limit(sql, "starts", rate=1, per="1 h", burst=2, count_cost=False)
    set_limit(sql, "tokens", rate=1, per="1 h", burst=100)
    add(sql, 3, "starts", "tokens", cost=30)
    worker = sql.worker()

    assert len(claimed(sql, worker)) == 2
    tokens = {row["key"]: round(row["tokens"]) for row in sql.rows("select key, tokens from limit_status")}
    assert tokens == {"starts": 0, "tokens": 40}


def tokens_of_what_is_given_back_stay_taken(sql: Sql) -> None:
    """What is counted is starts, and a job that was given back starts again."""
    set_limit(sql, "k", rate=1, per="1 h", burst=2)
    (id,) = add(sql, 1, "k")
    worker = sql.worker()
    for _ in range(2):
        token, rows = sql.claim(worker)
        assert [row["id"] for row in rows] == [id]
        sql.rows("select give_back(%s, %s)", token, [id])

    assert claimed(sql, worker) == []


def all_limits_or_none(sql: Sql) -> None:
    """A job whose second key is shut takes nothing of its first, and holds up nobody who has that alone."""
    set_limit(sql, "open", rate=1, per="1 h", burst=2)
    ways: list[dict[str, Any]] = [{"rate": 1, "per": "1 h"}, {"max_running": 1}]
    for n, shut in enumerate(ways):
        key = f"shut{n}"
        set_limit(sql, key, **shut)
        worker = sql.worker()
        assert len(add(sql, 1, key)) == len(claimed(sql, worker)) == 1
        both = add(sql, 3, "open", key)
        assert claimed(sql, worker) == []
        assert sql.value("select coalesce((select tokens from limit_status where key = 'open'), 2)") == 2
        alone = add(sql, 1, "open")
        assert claimed(sql, worker) == alone
        sql.rows("delete from job where id = any (%s)", both)
        sql.value("select reset_limit('open')")


def a_key_that_another_claimer_has_stops_the_job_and_costs_nothing(sql: Sql, open_sql: OpenSql) -> None:
    """A job with two keys, one of which another claimer is counting: it waits, and nothing of the other is taken."""
    for name in ("a", "b"):
        set_limit(sql, name, rate=1, per="1 h", burst=5)
    (first,) = add(sql, 1, "b", queue="other")
    both = add(sql, 2, "a", "b")
    worker, other = sql.worker(), open_sql()

    with other.connection.transaction():
        assert claimed(other, worker, 1, ("other",)) == [first]
        with without_waiting(sql):
            assert claimed(sql, worker) == [], "a key was left out"
    assert claimed(sql, worker) == both
    tokens = [round(row["tokens"]) for row in sql.rows("select tokens from limit_status where tokens is not null order by key")]
    assert tokens == [3, 2]


def the_keys_of_a_name_are_counted_apart(sql: Sql) -> None:
    """One row for the name, a bucket and places for each key."""
    set_limit(sql, "tenant", rate=1, per="1 h", burst=2, max_running=2)
    for n in range(3):
        add(sql, 5, f"tenant:{n}")
    worker = sql.worker()

    started = claimed(sql, worker, 100)

    assert len(started) == 6
    assert claimed(sql, worker, 100) == []
    assert sql.rows("select limits[1] as key, count(*) as n from job where id = any (%s) group by 1 order by 1", started) == [
        {"key": f"tenant:{n}", "n": 2} for n in range(3)
    ]


def a_clock_that_was_set_back_stops_nobody(sql: Sql) -> None:
    """A bucket that was refilled in the future gets nothing for that time, and is refilled from now on."""
    set_limit(sql, "k", rate=10, per="100 s", burst=2)
    add(sql, 10, "k")
    worker = sql.worker()
    assert len(claimed(sql, worker)) == 2
    pass_time(sql, -3600)
    sql.rows("update worker set heartbeat_at = heartbeat_at + interval '1 h'")
    for seconds, expected in ((0, 0), (11, 1)):
        pass_time(sql, seconds)
        sql.value("select repaired from sweep_lanes()")
        assert len(claimed(sql, worker)) == expected
