"""Nobody waits for another under limits, as plain functions: true of our SQL (test_limit_races), false of mutants.

Each raises an AssertionError where its guarantee is broken. Time passes by ageing rows, except where claimers run at once.
"""

from .conftest import Sql
from .guarantees import without_waiting
from .limit_steps import (
    OpenSql,
    add,
    claimed,
    drain,
    finish_all,
    look_everywhere,
    lost_lanes,
    pass_time,
    set_limit,
)


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


def lanes_in_other_hands_are_not_hidden(sql: Sql, open_sql: OpenSql) -> None:
    """Where the line begins is noted while a claimer has its first lanes; that one gives them back."""
    jobs = [*add(sql, 1, fair="t:1"), *add(sql, 1, fair="t:2")]
    sql.rows("update turn set due_at = due_at - interval '5 s'")
    worker, other = sql.worker(), open_sql()
    with other.connection.transaction(force_rollback=True):
        assert claimed(other, worker, 1) == jobs[:1]
        sql.value("select note_line_start('default')")
    assert sorted(claimed(sql, worker)) == jobs


def what_opens_after_the_line_was_noted_is_seen(sql: Sql) -> None:
    """While it was noted, the next turn lay in the future; a second later nobody believes it anyway."""
    set_limit(sql, "k", max_running=1)
    jobs = add(sql, 1, "k")
    sql.value("select park('k', clock_timestamp() + interval '1 h')")
    worker = sql.worker()
    assert claimed(sql, worker) == []
    sql.value("select note_line_start('default')")
    sql.value("select unpark('k')")
    assert claimed(sql, worker) == jobs, "a key that is open was not seen"
    sql.rows(
        "insert into turn (queue, lane_id, keys, due_at) "
        "values ('default', gen_random_uuid(), '{far}', clock_timestamp() + interval '1 h')"
    )
    sql.value("select note_line_start('default')")
    assert claimed(sql, worker, queues=("default",)) == []
    jobs = add(sql, 1, fair="crew")
    assert claimed(sql, worker) == jobs, "a lane that has come was not seen"


def lanes_of_a_key_that_somebody_has_go_to_the_end(sql: Sql, open_sql: OpenSql) -> None:
    """More lanes of it than a claim looks at stand in front of another lane: that one is served all the same."""
    set_limit(sql, "api", rate=1000, burst=1000)
    worker, other = sql.worker(), open_sql()
    for n in range(30):
        add(sql, 2, "api", fair=f"t:{n}")
    behind = add(sql, 5, fair="crew")
    with other.connection.transaction():
        assert len(claimed(other, worker, 1)) == 1
        with without_waiting(sql):
            started = [id for _ in range(5) for id in claimed(sql, worker)]
    assert started, "nothing behind them was served"
    assert started == behind[: len(started)]


def lanes_of_which_somebody_has_all_keys_go_to_the_end(sql: Sql, open_sql: OpenSql) -> None:
    """An operator's open transaction has every bucket of a name."""
    set_limit(sql, "tenant", rate=1000, burst=1000)
    worker, other = sql.worker(), open_sql()
    for n in range(30):
        add(sql, 3, f"tenant:{n}")
    for _ in range(10):
        claimed(sql, worker, 8)  # now there are buckets
    behind = add(sql, 5, fair="crew")
    with other.connection.transaction():
        assert other.value("select reset_limit('tenant')") == 30
        with without_waiting(sql):
            started = [id for _ in range(6) for id in claimed(sql, worker)]
    assert started, "nothing behind them was served"
    assert started == behind[: len(started)]


def keys_of_which_somebody_has_the_buckets_go_to_the_end(sql: Sql, open_sql: OpenSql) -> None:
    """More keys than a claim looks at may have opened, and an operator has their buckets: another key opens all the same."""
    set_limit(sql, "tenant", rate=1, burst=1)
    set_limit(sql, "other", rate=1, burst=1)
    worker, operator = sql.worker(), open_sql()
    for n in range(100):
        add(sql, 2, f"tenant:{n}")
    (_, waiting) = add(sql, 2, "other")
    while claimed(sql, worker, 100):
        pass
    pass_time(sql, 1.5)

    with operator.connection.transaction():
        operator.value("select reset_limit('tenant')")
        started = [id for _ in range(5) for id in claimed(sql, worker, 10)]

    assert started == [waiting]


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


def a_key_without_a_place_is_not_looked_at(sql: Sql) -> None:
    """By nobody who sweeps, until there is one; who frees a place by hand is found out."""
    set_limit(sql, "k", max_running=1)
    add(sql, 3, "k")
    worker = sql.worker()
    assert len(claimed(sql, worker)) == 1
    claimed(sql, worker)
    pass_time(sql, 1)
    claimed(sql, worker)
    for _ in range(2):
        assert sql.value("select repaired from sweep_lanes()") == 0
        claimed(sql, worker)
    sql.rows("delete from job where state = 'running'")
    assert sql.value("select repaired from sweep_lanes()") == 1
    assert len(claimed(sql, worker)) == 1
