"""What must hold of limits, as plain functions: true of our SQL (test_limit_races), false of each mutant (test_limit_mutants).

Each raises an AssertionError where its guarantee is broken. Time passes by ageing rows, except where claimers run at once.
"""

import re
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

from .background import Background
from .conftest import Sql
from .guarantees import without_waiting
from .limit_steps import (
    OpenSql,
    add,
    assert_rate,
    claimed,
    drain,
    finish_all,
    look_everywhere,
    lost_lanes,
    pass_time,
    set_limit,
    starts_of,
)

# Rates.


def the_rate_is_exact_over_all_claimers(sql: Sql, open_sql: OpenSql) -> None:
    """Three claimers go on for a while: by claimed_at no window has more than burst + rate x T, and nearly that is used."""
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
    assert len(starts) >= 0.7 * rate * seconds, f"only {len(starts)} started"


def a_start_is_counted_when_it_is_made_and_not_when_its_claim_began(sql: Sql, open_sql: OpenSql) -> None:
    """A claimer's transaction began long ago: what it claims is stamped with now, and the next one counts from there."""
    set_limit(sql, "k", rate=20, burst=1)
    add(sql, 3, "k")
    worker, other = sql.worker(), open_sql()

    with other.connection.transaction():
        other.value("select count(*) from job")
        assert len(claimed(sql, worker)) == 1
        other.value("select pg_sleep(0.06)")
        assert len(claimed(other, worker)) == 1
    assert claimed(sql, worker) == []

    assert_rate(starts_of(sql, "k"), 20, 1)


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
    set_limit(sql, "k", rate=10, per="100 s", burst=5)
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
    for n, shut in enumerate(({"rate": 1, "per": "1 h"}, {"max_running": 1})):
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
    sql.rows("update bucket set refilled_at = refilled_at + interval '1 h'")
    for seconds, expected in ((0, 0), (11, 1)):
        pass_time(sql, seconds)
        sql.rows("update turn set due_at = clock_timestamp() - interval '1 ms'")
        assert len(claimed(sql, worker)) == expected


# Places.


def no_more_run_than_there_are_places(sql: Sql, open_sql: OpenSql) -> None:
    """Claimers in open transactions: each takes what is left, and one that comes while another counts gets nothing."""
    set_limit(sql, "k", max_running=3)
    jobs = add(sql, 10, "k")
    worker, one, two = sql.worker(), open_sql(), open_sql()

    with one.connection.transaction():
        assert claimed(one, worker, 2) == jobs[:2]
        with without_waiting(sql), without_waiting(two):
            assert claimed(sql, worker) == []
            assert claimed(two, worker) == []
    assert claimed(two, worker) == jobs[2:3]
    add(sql, 1, "k", fair="another")
    assert claimed(sql, worker) == []
    assert sql.value("select count(*) from job where state = 'running'") == 3


def open_the_gap(sql: Sql) -> None:
    """From now on a session with test.wait = on stops between the begin of the statement that locks buckets and their locks."""
    sql.rows(
        """create function pause() returns bool language plpgsql as $$
           begin
               if current_setting('test.wait', true) = 'on' then
                   perform pg_advisory_lock_shared(4711);
                   perform pg_advisory_unlock_shared(4711);
               end if;
               return true;
           end $$"""
    )
    text = sql.value("select pg_get_functiondef('lock_buckets'::regproc)")
    gap = re.sub(r"where key = k\.key (?=order by refilled_at)", "where key = k.key and pause() ", text)
    assert gap != text, "lock_buckets finds its buckets in another way by now"
    sql.connection.execute(gap)


def stopped_in_the_gap(sql: Sql, open_sql: OpenSql, jobs: int = 1) -> tuple[Sql, Background]:
    """A claim of a job with key k that is about to lock the bucket, and who lets it go on. The queue `other` has another one."""
    claimed(sql, sql.worker(), len(add(sql, 1, "k", queue="other")), ("other",))
    finish_all(sql)  # now there is a bucket
    sql.rows("delete from job_history")
    pass_time(sql, 10)
    add(sql, 1, "k", queue="other")
    add(sql, jobs, "k")
    open_the_gap(sql)
    claimer, gate = open_sql(), open_sql()
    claimer.rows("set test.wait = on")
    gate.rows("select pg_advisory_lock(4711)")
    stopped = Background(
        claimer, "select id from claim(%s, gen_random_uuid(), '{default}', 1) where id is not null", sql.worker()
    )
    stopped.wait_until_blocked(sql)
    return gate, stopped


def a_claim_that_commits_just_before_the_lock_is_counted(sql: Sql, open_sql: OpenSql) -> None:
    """The second claimer's statement began before the first one committed, and takes the bucket after that."""
    set_limit(sql, "k", max_running=1)
    gate, second = stopped_in_the_gap(sql, open_sql)
    first = claimed(sql, sql.worker(), 1, ("other",))
    gate.rows("select pg_advisory_unlock(4711)")

    assert (len(first), second.rows()) == (1, []), "two run in one place"


def the_clock_is_read_after_the_lock(sql: Sql, open_sql: OpenSql) -> None:
    """The second claimer began long before the first one's start: that time is not counted once more."""
    set_limit(sql, "k", rate=5, burst=2)
    gate, second = stopped_in_the_gap(sql, open_sql, 6)
    sql.value("select pg_sleep(0.5)")
    first = claimed(sql, sql.worker(), 1, ("other",))
    gate.rows("select pg_advisory_unlock(4711)")
    second.rows()
    add(sql, 2, "k", queue="other")
    drain(sql, sql.worker(), queues=("default", "other"))

    assert len(first) == 1
    assert_rate(starts_of(sql, "k"), 5, 2)


def one_claim_of_two_queues_counts_what_it_took_of_the_first(sql: Sql) -> None:
    """A key has jobs in several queues, and a worker claims from all of them at once."""
    set_limit(sql, "k", max_running=2, rate=1, per="1 h", burst=3)
    for queue in ("a", "b", "c"):
        add(sql, 2, "k", queue=queue)
    worker, queues = sql.worker(), ("a", "b", "c")

    assert len(claimed(sql, worker, 10, queues)) == 2
    assert claimed(sql, worker, 10, queues) == []
    finish_all(sql)
    assert len(claimed(sql, worker, 10, queues)) == 1, "the tokens of one claim were counted once for each queue"


def places_come_back(sql: Sql) -> None:
    """However a job ends, and if its row is deleted: the next one starts at once, or when somebody has looked."""
    set_limit(sql, "k", max_running=1)
    ends: list[tuple[str, dict[str, Any]]] = [
        ("succeeded", {}), ("cancelled", {}), ("failed", {"final": True}), ("failed", {"delay": 3600}),
        ("snoozed", {"delay": 3600}), ("unknown_task", {}), ("give_back", {}), ("rescue", {}), ("delete", {}),
    ]  # fmt: skip
    for state, more in ends:
        sql.rows("delete from job")
        sql.rows("delete from turn")
        first, second = add(sql, 2, "k")
        worker = sql.worker()
        token, rows = sql.claim(worker)
        assert [row["id"] for row in rows] == [first], state
        assert claimed(sql, worker) == [], f"{state}: two places of one"
        if state == "give_back":
            sql.rows("select give_back(%s, %s)", token, [first])
        elif state == "rescue":
            sql.lose(worker)
            sql.value("select rescue()")
            worker = sql.worker()
        elif state == "delete":
            sql.rows("delete from job where id = %s", first)
            pass_time(sql, 0.05)
            sql.value("select repaired from sweep_lanes()")
        else:
            sql.finish(token, {"id": first, "state": state, **more})
        expected = [first] if state in ("give_back", "rescue") else [second]
        assert claimed(sql, worker) == expected, f"{state}: the place did not come back"
        assert claimed(sql, worker) == []


def places_of_a_lost_worker_count_until_its_jobs_are_rescued(sql: Sql) -> None:
    """Its handlers may run still."""
    set_limit(sql, "k", max_running=1)
    add(sql, 2, "k")
    lost, worker = sql.worker(), sql.worker()
    assert len(claimed(sql, lost)) == 1
    sql.lose(lost)

    assert claimed(sql, worker) == []
    sql.value("select rescue()")
    assert len(claimed(sql, worker)) == 1


def a_claimer_that_dies_leaves_no_trace(sql: Sql, open_sql: OpenSql) -> None:
    """Killed in the middle of its transaction: neither token nor place is gone, and its jobs are there for the next."""
    set_limit(sql, "rate", rate=1, per="1 h", burst=2)
    set_limit(sql, "places", max_running=2)
    jobs = add(sql, 4, "rate", "places")
    worker, claimer = sql.worker(), open_sql()
    claimer.rows("begin")
    assert claimed(claimer, worker) == jobs[:2]
    assert claimed(sql, worker) == []

    sql.value("select pg_terminate_backend(%s, 5000)", claimer.connection.info.backend_pid)

    assert claimed(sql, worker) == jobs[:2]
    assert claimed(sql, worker) == []


# Nobody waits.


def claimers_never_wait_for_each_other(sql: Sql, open_sql: OpenSql) -> None:
    """A claim that has not committed stops the lanes at the front of its queue that it looks at, and no others."""
    set_limit(sql, "tenant", rate=1000, burst=1000, max_running=100)
    worker, other = sql.worker(), open_sql()
    for n in range(20):
        add(sql, 1, f"tenant:{n}")
    drain(sql, worker)  # now there are buckets
    jobs = [id for n in range(20) for id in add(sql, 2, f"tenant:{n}")]
    (mail,) = add(sql, 1, "tenant:0", queue="mail")
    plain = add(sql, 3)

    with other.connection.transaction():
        first = claimed(other, worker, 5)
        with without_waiting(sql):
            second = claimed(sql, worker, 20)
            assert claimed(sql, worker, 20, ("mail",)) == [], "a key is counted by two at once"
    assert first
    assert not set(first) & set(second), "a job was claimed twice"
    assert set(second) & set(jobs), "the other keys were stopped, too"
    assert set(plain) <= {*first, *second}
    left = drain(sql, worker, queues=("default", "mail"))
    assert sorted([*first, *second, *left]) == sorted([*jobs, mail, *plain])


def claimers_of_one_lane_share_it_without_waiting(sql: Sql, open_sql: OpenSql) -> None:
    """While one has a lane, another gets nothing of it, and afterwards what is left; no job goes to both."""
    jobs = add(sql, 20, fair="crew")
    worker, other = sql.worker(), open_sql()

    with other.connection.transaction():
        assert claimed(other, worker, 5) == jobs[:5]
        with without_waiting(sql):
            assert claimed(sql, worker, 5) == []
    assert claimed(sql, worker, 5) == jobs[5:10]


def a_claim_of_a_gated_queue_waits_for_no_other(sql: Sql, open_sql: OpenSql) -> None:
    """A queue with a limit of its own, and another queue."""
    set_limit(sql, "queue:default", max_running=3)
    worker, other = sql.worker(), open_sql()
    add(sql, 1)
    drain(sql, worker)  # now there is a bucket
    jobs, (other_job,) = add(sql, 5), add(sql, 1, queue="other")

    with other.connection.transaction():
        assert claimed(other, worker, 2) == jobs[:2]
        with without_waiting(sql):
            assert claimed(sql, worker, 10, ("default", "other")) == [other_job]
    assert claimed(sql, worker) == jobs[2:3]


def an_open_enqueue_stops_nobody(sql: Sql, open_sql: OpenSql) -> None:
    """FAULTS 36: a long transaction has enqueued a job of a new key; others enqueue and claim it, and its job is found later."""
    set_limit(sql, "tenant", rate=1000, burst=1000, max_running=100)
    worker, producer, another = sql.worker(), open_sql(), open_sql()

    with producer.connection.transaction():
        (late,) = add(producer, 1, "tenant:new")
        with without_waiting(another):
            (quick,) = add(another, 1, "tenant:new")
        with without_waiting(sql):
            assert claimed(sql, worker) == [quick]
        with without_waiting(another):
            (second,) = add(another, 1, "tenant:new")
        with without_waiting(sql):
            finish_all(sql)
            assert claimed(sql, worker) == [second]
    look_everywhere(sql)
    assert claimed(sql, worker) == [late]


def an_enqueue_that_is_rolled_back_leaves_nothing(sql: Sql, open_sql: OpenSql) -> None:
    """Neither job nor turn."""
    set_limit(sql, "k", max_running=1)
    producer = open_sql()
    with producer.connection.transaction(force_rollback=True):
        add(producer, 1, "k")
    assert sql.rows("select from job") == sql.rows("select from turn") == []


def an_end_waits_for_no_claimer(sql: Sql, open_sql: OpenSql) -> None:
    """A job ends while a claim of its key is open."""
    set_limit(sql, "k", max_running=2)
    jobs = add(sql, 3, "k")
    worker, claimer = sql.worker(), open_sql()
    token, _ = sql.claim(worker, 1)

    with claimer.connection.transaction():
        assert claimed(claimer, worker) == jobs[1:2]
        with without_waiting(sql):
            assert sql.finish(token, {"id": jobs[0], "state": "failed", "delay": 0}) != []


def lost_turns_are_found(sql: Sql) -> None:
    """Somebody has deleted every turn, of lanes and of keys."""
    set_limit(sql, "k", max_running=1)
    add(sql, 3, "k")
    worker = sql.worker()
    claimed(sql, worker)
    for turns in ("true", "lane_id is null"):
        claimed(sql, worker)
        finish_all(sql)
        sql.rows(f"delete from turn where {turns}")
        assert claimed(sql, worker) == []
        sql.value("select repaired from sweep_lanes()")
        assert lost_lanes(sql) == 0
        assert len(claimed(sql, worker)) == 1, f"turns where {turns}"


# Turns.


def a_crowd_does_not_delay_the_few(sql: Sql) -> None:
    """A has 2,000 jobs, then B comes with 20: B has half of every claim from then on."""
    add(sql, 2000, fair="tenant:A")
    worker = sql.worker()
    claimed(sql, worker, 50)
    few = set(add(sql, 20, fair="tenant:B"))

    started = [id for _ in range(5) for id in claimed(sql, worker, 10)]

    assert few <= set(started), f"{len(few & set(started))} of 20 in 50 starts"


def lanes_share_by_weight(sql: Sql, batch: int = 7) -> None:
    """Three keys of weights 1, 2 and 4, with more jobs than are asked for."""
    weights, total = {"a": 1, "b": 2, "c": 4}, 210 if batch == 1 else 700
    for key, weight in weights.items():
        set_limit(sql, key, weight=weight)
        add(sql, 450, key)
    worker = sql.worker()

    for _ in range(total // batch):
        claimed(sql, worker, batch)

    rows = sql.rows("select limits[1] as key, count(*)::int as n from job where state = 'running' group by 1 order by 1")
    counts = {row["key"]: row["n"] for row in rows}
    assert sum(counts.values()) == total, counts
    for key, weight in weights.items():
        assert abs(counts.get(key, 0) - total * weight / 7) <= 7 + total * 0.02, counts


def every_lane_has_its_turn(sql: Sql) -> None:
    """More lanes than one claim looks at, each with more jobs than it gets."""
    for n in range(40):
        add(sql, 10, fair=f"tenant:{n}")
    worker = sql.worker()

    for _ in range(15):
        look_everywhere(sql)
        claimed(sql, worker, 8)

    lanes = sql.value("select count(distinct lane_id) from job where state = 'running'")
    assert lanes == 40, f"{lanes} lanes of 40 have had a start after 120 starts"


def a_shut_key_does_not_stop_the_others(sql: Sql) -> None:
    """Keys that are shut, or parked, stand in front: the others start, and the shut ones are not looked at again."""
    set_limit(sql, "shut", rate=1, per="1 h")
    set_limit(sql, "open", max_running=100)
    for n in range(40):
        add(sql, 2, f"shut:{n}")
    worker = sql.worker()
    while claimed(sql, worker):
        pass
    jobs = add(sql, 20, "open")

    assert claimed(sql, worker, 20) == jobs
    pass_time(sql, 1)  # a claimer that found the machine slow looks at the lane again
    assert claimed(sql, worker) == []
    again: datetime = sql.look_again(worker)  # type: ignore[assignment]
    assert (again - sql.value("select clock_timestamp()")).total_seconds() > 60, "shut keys are looked at all the time"


def half_of_the_room_is_for_each(sql: Sql) -> None:
    """Jobs with limits and jobs without wait: neither starves the other, not even where there is room for one."""
    limited, plain = set(add(sql, 40, fair="crew")), set(add(sql, 40))
    worker = sql.worker()

    started = set(claimed(sql, worker, 10))
    assert (len(started & limited), len(started & plain)) == (5, 5)
    singles = {id for _ in range(30) for id in claimed(sql, worker, 1)}
    assert singles & limited
    assert singles & plain


def suspects_start_one_at_a_time(sql: Sql) -> None:
    """Whatever their limits: a worker that runs one gets no other, and one claim takes one."""
    for name in ("a", "b"):
        set_limit(sql, name, max_running=10)
    suspects = {*add(sql, 2, "a"), *add(sql, 1, "b"), *add(sql, 1)}
    sql.rows("update job set rescues = 2")
    plain = set(add(sql, 2))
    one, two = sql.worker(), sql.worker()

    first = set(claimed(sql, one))
    assert len(first & suspects) == 1, f"{len(first & suspects)} suspects at once"
    assert first - suspects == plain
    for _ in range(3):
        assert claimed(sql, one) == [], "a suspect beside a suspect"
        pass_time(sql, 0.1)
    second = set(claimed(sql, two))
    assert len(second & suspects) == 1
    finish_all(sql)
    pass_time(sql, 0.1)
    assert len(claimed(sql, one)) == 1


def the_limit_of_a_queue_holds_for_all_its_jobs(sql: Sql) -> None:
    """Those with limits of their own, those without, and suspects: together no more than it allows."""
    set_limit(sql, "k", max_running=10)
    for limit, field in (({"max_running": 4}, "running"), ({"rate": 1, "per": "1 h", "burst": 4, "max_running": 0}, "tokens")):
        sql.rows("delete from job")
        sql.rows("delete from bucket where key like 'queue:%%'")
        set_limit(sql, "queue:default", **limit)
        add(sql, 5, "k")
        add(sql, 5)
        sql.rows("update job set rescues = 2 where id = %s", sql.enqueue())
        worker = sql.worker()
        started = [id for _ in range(12) for id in claimed(sql, worker, 3)]
        assert len(started) == 4, f"{field}: {len(started)} started"
        if field == "running":
            finish_all(sql)
            assert len([id for _ in range(12) for id in claimed(sql, worker, 3)]) == 4


def a_worker_says_how_many_may_have_limits(sql: Sql) -> None:
    """The others are for jobs without."""
    add(sql, 20, fair="crew")
    plain = set(add(sql, 20))
    worker = sql.worker()
    for limited in (0, 3):
        rows = sql.claim(worker, 10, ("default",), limited=limited)[1]
        assert sum(row["limits"] is not None for row in rows) == limited
        assert sum(row["id"] in plain for row in rows) == 10 - limited


def plain_jobs_are_claimed_as_ever(sql: Sql) -> None:
    """By priority, run_at and id, whatever waits for limits."""
    set_limit(sql, "shut", rate=1, per="1 h")
    add(sql, 5, "shut")
    sql.rows(
        """insert into job (run_at, created_at, state, priority, task)
           select clock_timestamp() - make_interval(secs => n %% 7), clock_timestamp(), 'ready', n %% 5 - 2, 'noop'
             from generate_series(1, 60) n"""
    )
    expected = [row["id"] for row in sql.rows("select id from job where lane_id is null order by priority desc, run_at, id")]
    worker = sql.worker()
    claimed(sql, worker, 1)

    started = [row["id"] for _ in range(5) for row in sql.claim(worker, 20)[1] if row["limits"] is None]

    first = [id for id in expected if sql.state(id) == "running"]
    assert sorted(started, key=expected.index)[-len(started) :] == started
    assert len(first) == 60


def parked_keys_are_shut(sql: Sql) -> None:
    """Whatever tokens and places there are."""
    set_limit(sql, "k", rate=1000, burst=1000, max_running=100)
    jobs = add(sql, 3, "k")
    sql.value("select park('k', clock_timestamp() + interval '1 min')")
    worker = sql.worker()
    assert claimed(sql, worker) == []
    pass_time(sql, 61)
    assert claimed(sql, worker) == jobs


def a_job_that_somebody_holds_is_passed_over(sql: Sql, open_sql: OpenSql) -> None:
    """A user's transaction holds the first job of a lane."""
    set_limit(sql, "k", max_running=10)
    jobs = add(sql, 3, "k")
    user = open_sql()
    with user.connection.transaction():
        user.rows("select from job where id = %s for update", jobs[0])
        with without_waiting(sql):
            started = claimed(sql, sql.worker())
    assert started == jobs[1:]
    sql.value("select repaired from sweep_lanes()")
    look_everywhere(sql)
    assert claimed(sql, sql.worker()) == jobs[:1]
