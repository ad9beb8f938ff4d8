"""starving: jobs that have waited for long start next, whatever their priority; and what weights do under the same load."""

import json
from collections import Counter
from uuid import UUID

import pytest

from .conftest import Sql
from .limit_steps import add, set_limit
from .pause_steps import pause, taken
from .plan import plans_of
from .test_set_queue import set_queue

CAPACITY, ROUNDS = 100, 40  # jobs that can run in a second, and seconds


def one_second(sql: Sql) -> None:
    """Time travel: every job has been due for a second longer."""
    sql.rows("update job set run_at = run_at - interval '1 s'")


def old(sql: Sql, ids: list[int], time: str = "10 min") -> None:
    """Time travel: these jobs have been due for so long."""
    sql.rows("update job set run_at = run_at - %s::interval where id = any (%s)", time, ids)


def run_one_second(sql: Sql, worker: UUID, queues: tuple[str, ...], batch: int, weights: list[float] | None) -> Counter[str]:
    """As many jobs run as there is capacity for; how many of which queue and priority."""
    ran: Counter[str] = Counter()
    for _ in range(CAPACITY // batch):
        _, jobs = sql.claim(worker, batch, queues, weights=weights)
        ran.update(f"{job['queue']} {job['priority']}" for job in jobs)
        sql.rows("delete from job where id = any (%s)", [job["id"] for job in jobs])
    return ran


def oldest_wait(sql: Sql, queue: str, priority: int) -> float:
    """Seconds for which the oldest job has been due."""
    query = "select extract(epoch from clock_timestamp() - min(run_at)) from job where queue = %s and priority = %s"
    return float(sql.value(query, queue, priority) or 0)


def waits_at_110_percent(sql: Sql) -> tuple[float, float]:
    """For how long jobs of large and of small priority have waited after a time of 9:1 load at 110 % of the capacity."""
    worker = sql.worker()
    for _ in range(ROUNDS):
        add(sql, 99, priority=10)
        add(sql, 11)
        run_one_second(sql, worker, ("default",), 20, None)
        one_second(sql)
    return oldest_wait(sql, "default", 10), oldest_wait(sql, "default", 0)


def test_without_the_guard_small_priorities_wait_longer_and_longer_under_load(rolled_back_sql: Sql) -> None:
    large, small = waits_at_110_percent(rolled_back_sql)

    assert large < 3
    assert small > 30


def the_guard_bounds_the_wait_of_small_priorities(sql: Sql) -> None:
    """At 9:1 and 110 % of what can run: 11 of 110 jobs are small, and a quarter of each claim may be."""
    set_queue(sql, starvation_after=10, starvation_share=0.25)
    large, small = waits_at_110_percent(sql)

    assert small < 14
    assert large < 14  # what is too much waits, here too


def test_the_guard_bounds_the_wait_of_small_priorities(rolled_back_sql: Sql) -> None:
    the_guard_bounds_the_wait_of_small_priorities(rolled_back_sql)


def test_weights_share_the_capacity_at_110_percent_and_a_strict_order_does_not(rolled_back_sql: Sql) -> None:
    sql, worker = rolled_back_sql, rolled_back_sql.worker()
    shares = []
    for weights in ([9.0, 1.0], None):
        ran: Counter[str] = Counter()
        for _ in range(ROUNDS):
            add(sql, 99, queue="many")
            add(sql, 11, queue="few")
            ran += run_one_second(sql, worker, ("many", "few"), 5, weights)
        shares.append(ran["few 0"] / (ROUNDS * CAPACITY))
        sql.rows("delete from job")

    assert 0.05 < shares[0] < 0.12  # a tenth expected
    assert shares[1] < 0.02


def the_share_is_the_most(sql: Sql) -> None:
    set_queue(sql, starvation_after=60, starvation_share=0.25)
    old(sql, add(sql, 100))
    add(sql, 100, priority=5)
    worker = sql.worker()

    priorities = [Counter(job["priority"] for job in sql.claim(worker, 20)[1]) for _ in range(4)]

    assert priorities == [{0: 5, 5: 15}] * 4


def test_the_share_is_the_most(rolled_back_sql: Sql) -> None:
    the_share_is_the_most(rolled_back_sql)


def test_of_claims_of_one_job_a_share_takes_one_that_starves(rolled_back_sql: Sql) -> None:
    sql, worker = rolled_back_sql, rolled_back_sql.worker()
    set_queue(sql, starvation_after=60, starvation_share=0.25)
    old(sql, add(sql, 400))
    add(sql, 400, priority=5)

    starved = sum(sql.claim(worker, 1)[1][0]["priority"] == 0 for _ in range(400))

    assert 50 < starved < 150  # 100 expected; more than five standard deviations each way


def test_the_oldest_of_all_priorities_come_first(rolled_back_sql: Sql) -> None:
    sql, worker = rolled_back_sql, rolled_back_sql.worker()
    set_queue(sql, starvation_after=60, starvation_share=1)
    (a,), (b,), (c,), (young,) = (add(sql, 1, priority=priority) for priority in (3, -7, 0, 9))
    old(sql, [a], "2 min")
    old(sql, [b], "3 min")
    old(sql, [c], "4 min")

    assert [taken(sql, worker, 1) for _ in range(4)] == [[c], [b], [a], [young]]


def test_what_has_not_waited_for_long_does_not_overtake(rolled_back_sql: Sql) -> None:
    sql, worker = rolled_back_sql, rolled_back_sql.worker()
    set_queue(sql, starvation_after=60, starvation_share=1)
    (young,) = add(sql, 1)
    (large,) = add(sql, 1, priority=5)
    old(sql, [young], "50 s")

    assert [taken(sql, worker, 1) for _ in range(2)] == [[large], [young]]


def test_a_claim_is_filled_although_jobs_that_starve_stand_in_front_anyway(rolled_back_sql: Sql) -> None:
    sql, worker = rolled_back_sql, rolled_back_sql.worker()
    set_queue(sql, starvation_after=60, starvation_share=0.5)
    ids = add(sql, 10)
    old(sql, ids)

    first, second = taken(sql, worker, 6), taken(sql, worker, 6)
    assert (len(first), len(second)) == (6, 4)
    assert sorted(first + second) == ids


def test_a_queue_with_a_limit_is_guarded_too(rolled_back_sql: Sql) -> None:
    sql, worker = rolled_back_sql, rolled_back_sql.worker()
    set_limit(sql, "queue:default", max_running=100)
    set_queue(sql, starvation_after=60, starvation_share=0.25)
    old(sql, add(sql, 20))
    add(sql, 20, priority=5)

    assert Counter(job["priority"] for job in sql.claim(worker, 20)[1]) == {0: 5, 5: 15}


def test_what_is_paused_does_not_starve_into_a_start(rolled_back_sql: Sql) -> None:
    sql, worker = rolled_back_sql, rolled_back_sql.worker()
    set_queue(sql, starvation_after=60, starvation_share=1)
    paused, other = sql.enqueue("slow"), sql.enqueue("noop")
    old(sql, [paused, other])
    pause(sql, "task", "slow")

    assert taken(sql, worker) == [other]


def test_a_claim_from_a_cursor_leaves_the_guard_to_the_next_whole_one(rolled_back_sql: Sql) -> None:
    sql, worker = rolled_back_sql, rolled_back_sql.worker()
    set_queue(sql, starvation_after=60, starvation_share=1)
    (starved,) = add(sql, 1)
    old(sql, [starved])
    (large,) = add(sql, 1, priority=5)
    place = json.dumps([{"queue": "default", "priority": 5, "run_at": "2000-01-01"}])

    assert taken(sql, worker, 1, resume_at=place) == [large]
    assert taken(sql, worker, 1) == [starved]


def test_a_claim_without_settings_of_queues_asks_once_whether_there_are_some_and_other_queues_change_nothing(sql: Sql) -> None:
    add(sql, 4)
    worker = sql.worker()
    plans = plans_of(sql, "select id from claim(%s, gen_random_uuid(), '{default}', 2)", worker)
    oid = sql.value("select 'queue_pkey'::regclass::oid")
    assert sum(tree.count(f":indexid {oid} ") for tree in plans.trees) == 1

    set_queue(sql, "other", starvation_after=1)
    old(sql, add(sql, 1, priority=-5))
    assert len(taken(sql, worker, 2)) == 2
    assert sql.value("select count(*) from job where state = 'ready'") == 1


@pytest.mark.parametrize("want", [0, -1])
def test_a_worker_that_wants_nothing_gets_nothing(rolled_back_sql: Sql, want: int) -> None:
    sql = rolled_back_sql
    set_queue(sql, starvation_after=60, starvation_share=1)
    old(sql, add(sql, 3))

    assert taken(sql, sql.worker(), want) == []
