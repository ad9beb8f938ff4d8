"""What must hold of the rate of starts under limits, as plain functions: true of our SQL (test_limit_races), false of mutants.

Each raises an AssertionError where its guarantee is broken. Time passes by ageing rows, except where claimers run at once.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

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


def _tokens(sql: Sql, key: str = "k") -> float:
    return float(sql.value("select round(tokens::numeric, 1) from limit_status where key = %s", key))


def _come_back(sql: Sql, worker: UUID, token: UUID, ids: list[int], way: str) -> None:
    """Jobs go back before their handlers have begun."""
    if way == "unknown_task":
        sql.finish(token, *({"id": id, "state": "unknown_task"} for id in ids))
    elif way == "give_back":
        sql.rows("select give_back(%s, %s)", token, ids)
    elif way == "reconcile":
        sql.rows("select reconcile(%s, '{}', '0')", worker)
    else:
        sql.rows("select retire_worker(%s)", worker)


def tokens_of_a_start_that_never_was_come_back(sql: Sql) -> None:
    """What is counted is starts: a job whose handler has not begun has not started, whoever gives it back."""
    for way in ("unknown_task", "give_back", "reconcile", "retire_worker"):
        set_limit(sql, "k", rate=60, per="1 h", burst=20)
        set_limit(sql, f"queue:{way}", rate=1, per="1 h", burst=5)
        ids = add(sql, 2, "k", cost=8, queue=way)
        worker = sql.worker(queues=(way,))
        token, rows = sql.claim(worker, 10, (way,))
        assert [row["id"] for row in rows] == ids
        assert (_tokens(sql), _tokens(sql, f"queue:{way}")) == (4, 3)
        _come_back(sql, worker, token, [*ids, *ids], way)
        assert (_tokens(sql), _tokens(sql, f"queue:{way}")) == (20, 5), way
        sql.rows("delete from job")


def tokens_come_back_once(sql: Sql) -> None:
    """Whatever the worker says: it names the job twice."""
    set_limit(sql, "k", rate=1, per="1 h", burst=20)
    (one, _, _) = add(sql, 3, "k", cost=5)
    token, _ = sql.claim(sql.worker(), 10)
    sql.rows("select give_back(%s, %s)", token, [one, one])
    assert _tokens(sql) == 10


def lanes_that_wait_for_tokens_that_come_back_are_looked_at(sql: Sql) -> None:
    """A job that costs all the burst is of an unknown task: others start as soon as that is known."""
    set_limit(sql, "k", rate=1, per="1 h", burst=5)
    set_limit(sql, "z", max_running=5)
    (dear,) = add(sql, 1, "k", cost=5)
    others = add(sql, 2, "k", "z")
    worker = sql.worker()
    token, _ = sql.claim(worker, 1)
    assert claimed(sql, worker) == []
    sql.finish(token, {"id": dear, "state": "unknown_task"})
    assert claimed(sql, worker) == others


def what_comes_back_late_is_less(sql: Sql) -> None:
    """The bucket of 10 is full again after 10 s: tokens that came back then would allow 20 starts at once."""
    set_limit(sql, "k", rate=1, burst=10)
    lost = add(sql, 10, "k")
    worker = sql.worker()
    token, _ = sql.claim(worker, 10)
    pass_time(sql, 10)
    add(sql, 30, "k")
    assert len(claimed(sql, worker)) == 10
    sql.rows("select give_back(%s, %s)", token, lost)
    assert claimed(sql, worker) == []


def nothing_comes_back_for_a_handler_that_had_begun(sql: Sql) -> None:
    """Cut off by the stop of its worker it has started, and so has one that has failed or was snoozed."""
    set_limit(sql, "k", rate=1, per="1 h", burst=10)
    ids = add(sql, 3, "k")
    worker = sql.worker()
    token, _ = sql.claim(worker, 10)
    sql.finish(token, {"id": ids[0], "state": "failed"}, {"id": ids[1], "state": "snoozed", "delay": 5})
    sql.rows("select retire_worker(%s, %s)", worker, [ids[2]])
    assert _tokens(sql) == 7


def a_limit_that_was_changed_gives_nothing_back(sql: Sql) -> None:
    """It may have been another limit that the start was counted for."""
    set_limit(sql, "k", rate=1, per="1 h", burst=10)
    ids = add(sql, 3, "k")
    token, _ = sql.claim(sql.worker(), 10)
    set_limit(sql, "k", rate=2, per="1 h", burst=10)
    sql.rows("select give_back(%s, %s)", token, ids)
    assert _tokens(sql) == 7


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


def tokens_that_come_back_wait_for_no_claim(sql: Sql, open_sql: OpenSql) -> None:
    """A bucket that another claimer has stays as it is: the job is given back all the same."""
    set_limit(sql, "k", rate=1, per="1 h", burst=5)
    (first, _) = add(sql, 2, "k")
    worker, other = sql.worker(), open_sql()
    token, _ = sql.claim(worker, 1)

    with other.connection.transaction():
        assert len(claimed(other, worker, 1)) == 1
        with without_waiting(sql):
            assert sql.rows("select give_back(%s, %s) as id", token, [first]) == [{"id": first}]
    assert _tokens(sql) == 3
