"""What must hold of what runs at once under limits, as plain functions: true of our SQL (test_limit_races), false of mutants.

Each raises an AssertionError where its guarantee is broken. Time passes by ageing rows, except where claimers run at once.
"""

import re
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
    pass_time,
    set_limit,
    starts_of,
)


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


def _open_the_gap(sql: Sql) -> None:
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


def _stopped_in_the_gap(sql: Sql, open_sql: OpenSql, jobs: int = 1) -> tuple[Sql, Background]:
    """A claim of a job with key k that is about to lock the bucket, and who lets it go on. The queue `other` has another one."""
    claimed(sql, sql.worker(), len(add(sql, 1, "k", queue="other")), ("other",))
    finish_all(sql)  # now there is a bucket
    sql.rows("delete from job_history")
    pass_time(sql, 10)
    add(sql, 1, "k", queue="other")
    add(sql, jobs, "k")
    _open_the_gap(sql)
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
    gate, second = _stopped_in_the_gap(sql, open_sql)
    first = claimed(sql, sql.worker(), 1, ("other",))
    gate.rows("select pg_advisory_unlock(4711)")

    assert (len(first), second.rows()) == (1, []), "two run in one place"


def the_clock_is_read_after_the_lock(sql: Sql, open_sql: OpenSql) -> None:
    """The second claimer began long before the first one's start: that time is not counted once more."""
    set_limit(sql, "k", rate=5, burst=2)
    gate, second = _stopped_in_the_gap(sql, open_sql, 6)
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


def a_clock_that_was_set_back_lets_no_more_run(sql: Sql) -> None:
    """All that was claimed lies in the future, and what is claimed from now on before it."""
    set_limit(sql, "k", max_running=3)
    add(sql, 10, "k")
    worker = sql.worker()
    assert len(claimed(sql, worker, 1)) == 1
    pass_time(sql, -3600)

    for expected in (2, 3, 3, 3):
        add(sql, 1, "k")
        sql.value("select free_keys(array['{k}'])")
        claimed(sql, worker, 1)
        assert sql.value("select count(*) from job where state = 'running'") == expected
    finish_all(sql)
    sql.value("select repaired from sweep_lanes()")
    assert len(claimed(sql, worker)) == 3


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
