"""What must hold of whose turn it is under limits, as plain functions: true of our SQL (test_limit_races), false of mutants.

Each raises an AssertionError where its guarantee is broken. Time passes by ageing rows, except where claimers run at once.
"""

from datetime import datetime
from typing import Any

from .conftest import Sql
from .guarantees import without_waiting
from .limit_steps import (
    OpenSql,
    add,
    claimed,
    finish_all,
    look_everywhere,
    pass_time,
    set_limit,
)


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


def a_shut_queue_is_not_asked_all_the_time(sql: Sql) -> None:
    """Its lanes stand in line while its own limit lets nothing start: it is not asked again until it may open."""
    set_limit(sql, "k", max_running=10)
    worker = sql.worker()
    ways: dict[str, dict[str, Any]] = {
        "tokens": {"rate": 1, "per": "1 h"},
        "places": {"max_running": 1},
        "parked": {"rate": 1000},
    }
    for queue, limit in ways.items():
        set_limit(sql, f"queue:{queue}", **limit)
        add(sql, 3, "k", queue=queue)
        if queue == "parked":
            sql.value("select park('queue:parked', clock_timestamp() + interval '1 h')")
        assert len([id for _ in range(20) for id in claimed(sql, worker, 1, (queue,))]) == (queue != "parked")
        again = sql.look_again(worker, queues=(queue,))
        assert sql.value("select count(*) from turn where queue = %s and key is null", queue) == 1, "no lane stands in line"
        assert again is None or again > sql.value("select clock_timestamp() + interval '1 min'"), f"{queue}: look again {again}"


def a_key_that_has_a_place_is_told_once_in_every_queue(sql: Sql) -> None:
    """More lanes of another queue than anybody would look at wait for it, too."""
    set_limit(sql, "api", max_running=1)
    worker, queues = sql.worker(), ("crowd", "few", "last")
    (first,) = add(sql, 1, "api", queue="few")
    token, _ = sql.claim(worker, 1, ("few",))
    for n in range(20):
        add(sql, 1, "api", fair=f"t:{n}", queue="crowd")
    few = add(sql, 2, "api", queue="few")
    add(sql, 1, "api", queue="last")
    for _ in range(3):
        assert claimed(sql, worker, 100, queues) == []
    assert sql.value("select count(*) from turn where key = 'api' and lane_id is not null") == 22
    told = "select queue, count(*)::int as n from turn where key = 'api' and lane_id is null group by 1 order by 1"
    once = [{"queue": queue, "n": 1} for queue in queues]

    sql.rows("delete from turn where lane_id is null")
    for change in ("set_limit('api', max_running => 1)", "unpark('api')", "reset_limit('api')"):
        sql.value(f"select {change}")
        assert sql.rows(told) == once, change
        sql.rows("delete from turn where lane_id is null")
    sql.finish(token, {"id": first, "state": "succeeded"})
    assert sql.rows(told) == once
    assert claimed(sql, worker, 10, ("few",)) == few[:1]


def a_suspect_does_not_stop_the_others_of_its_key(sql: Sql) -> None:
    """It may not start while its worker runs another one; they may."""
    set_limit(sql, "k", max_running=100)
    (suspect,) = add(sql, 1, "k")
    lost = sql.worker()
    assert claimed(sql, lost) == [suspect]
    sql.rows("update job set rescues = 1, claimed_at = claimed_at - interval '1 min' where id = %s", suspect)
    sql.rows("select heartbeat(%s, %s, 'notify')", lost, [suspect])
    sql.lose(lost)
    assert sql.value("select rescue()") == 1
    others, another, worker = add(sql, 3, "k"), sql.enqueue(), sql.worker()
    sql.rows("update job set rescues = 2 where id = %s", another)
    assert claimed(sql, worker, limited=0) == [another]
    sql.make_due()
    sql.value("select promote()")
    assert sql.state(suspect) == "ready"

    assert claimed(sql, worker) == others
    finish_all(sql)
    pass_time(sql, 0.1)
    assert claimed(sql, worker) == [suspect]


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
        """insert into job (run_at, created_at, state, priority, task, args_bytes)
           select clock_timestamp() - make_interval(secs => n %% 7), clock_timestamp(), 'ready', n %% 5 - 2, 'noop', null
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


def what_stands_in_front_of_a_slow_lane_is_seen_after_a_second(sql: Sql) -> None:
    """Dead entries made a look at a lane slow, so it begins behind them; what stands before is served."""
    set_limit(sql, "k", max_running=100)
    (older,) = add(sql, 1, "k")
    add(sql, 20, "k", priority=-5)
    worker = sql.worker()
    later = sql.value("select min(run_at) from job where priority = -5")
    sql.rows("update turn set whole_at = clock_timestamp(), lo = %s where lane_id is not null", later)
    assert older not in claimed(sql, worker, 1)
    pass_time(sql, 0.5)
    assert older not in claimed(sql, worker, 1)
    pass_time(sql, 0.6)
    assert claimed(sql, worker, 1) == [older]
