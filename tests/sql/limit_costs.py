"""What must hold of jobs that cost more than others, as plain functions: true of our SQL (test_limit_races), false of mutants.

Each raises an AssertionError where its guarantee is broken. Time passes by ageing rows.
"""

from typing import Any

from .conftest import Sql
from .limit_steps import add, assert_rate, claimed, finish_all, pass_time, set_limit, starts_of

STEP = 0.1  # seconds that pass between two claims


def a_costly_job_starts_beside_cheap_ones(sql: Sql) -> None:
    """A lane of cheap jobs of its key never runs empty: the tokens are saved for it, and the rate is kept."""
    for burst, cost in ((20, 15), (5, 8), (5, 5)):
        key = f"api{burst}.{cost}"
        set_limit(sql, key, rate=10, burst=burst)
        add(sql, 200, key, fair="cheap")
        worker = sql.worker()
        assert len(claimed(sql, worker, 100)) == burst
        (dear,) = add(sql, 1, key, fair="dear", cost=cost)
        steps = _steps_until(sql, worker, [dear], int((burst / 10 + 1.5) / STEP))
        assert steps, f"a job that costs {cost} did not start, at a burst of {burst}"
        assert _steps_until(sql, worker, None, 20), "those that cost less do not go on"
        assert_rate(starts_of(sql, key), 10, burst)
        sql.rows("delete from turn")
        sql.rows("delete from job")


def _steps_until(sql: Sql, worker: Any, ids: list[int] | None, most: int) -> int | None:
    """So many steps until one of these starts, or any job; None when it does not in `most` steps."""
    for step in range(1, most + 1):
        pass_time(sql, STEP)
        started = claimed(sql, worker)
        if started and (ids is None or set(ids) & set(started)):
            return step
    return None


def a_lane_that_is_saved_for_in_vain_holds_up_nobody_for_long(sql: Sql) -> None:
    """It waits for another key by now, or its job or queue is gone: the others go on within a second."""
    set_limit(sql, "other", max_running=10)
    for way in ("parked", "cancelled", "deleted", "unserved"):
        key = f"api.{way}"
        set_limit(sql, key, rate=10, burst=15)
        add(sql, 200, key, fair="cheap")
        worker = sql.worker()
        claimed(sql, worker, 100)
        queue = "lonely" if way == "unserved" else "default"
        (dear,) = add(sql, 1, key, "other", cost=15, queue=queue)
        for _ in range(20):
            pass_time(sql, STEP)
            claimed(sql, worker, queues=(queue, "default"))
            if sql.value("select (saving).lane is not null from bucket where key = %s", key):
                break
        else:
            raise AssertionError("nothing is saved")
        if way == "parked":
            sql.value("select park('other', clock_timestamp() + interval '1 h')")
        elif way == "cancelled":
            sql.value("select cancel(%s)", dear)
        elif way == "deleted":
            sql.rows("delete from job where id = %s", dear)

        steps = _steps_until(sql, worker, None, 100)

        assert steps, f"{way}: the others are held up"
        assert steps * STEP <= 15 / 10 + 1.5, f"{way}: the others were held up for {steps * STEP} s"
        assert _steps_until(sql, worker, None, 5), "they do not go on"
        assert_rate(starts_of(sql, key), 10, 15)
        sql.rows("delete from parking")
        sql.rows("delete from turn")
        sql.rows("delete from job")


def a_job_of_the_highest_cost_and_keys_of_the_highest_weight_stop_nobody(sql: Sql) -> None:
    """Where sums of them would overflow: claims work, and other jobs of the queue go on."""
    set_limit(sql, "few", rate=1_000_000, per="300 d", burst=10)
    weighty = [f"weighty{n}" for n in range(4)]
    for key in weighty:
        set_limit(sql, key, weight=1000)
    dear, behind = sql.enqueue(limits=["few"], cost=1_000_000), add(sql, 2, "few")
    others = {*add(sql, 8, *weighty), *add(sql, 3, fair="crew"), *add(sql, 3)}
    worker = sql.worker()

    started = [id for _ in range(8) for id in claimed(sql, worker, 10)]

    assert set(started) == {dear, *others}
    assert sql.value("select tokens from limit_status where key = 'few'") < -999_000
    again = sql.look_again(worker)
    assert again is not None
    assert again > sql.value("select clock_timestamp()")
    pass_time(sql, 86_400)
    assert claimed(sql, worker) == [], "the debt is not paid"
    assert sql.state(behind[0]) == "ready"


def a_lane_that_lacks_several_keys_looks_again_when_the_one_it_waits_behind_has_what_it_needs(sql: Sql) -> None:
    """Not by the need of another one: sooner would be in vain, and later would be late."""
    for first, second, seconds in (("a_starts", "b_tokens", 1), ("a_tokens", "b_starts", 4)):
        for name in (first, second):
            set_limit(sql, name, rate=1, burst=10 if name.endswith("tokens") else 3, count_cost=name.endswith("tokens"))
        for cost in (4, 4, 1, 5):
            add(sql, 1, first, second, cost=cost)

        assert len(claimed(sql, sql.worker())) == 3, "what is left are 1 of 5 tokens, and no start"

        look = "select extract(epoch from due_at - clock_timestamp())::float8 from turn where key = %s and lane_id is null"
        due_in = sql.value(look, first)
        assert seconds - 0.5 < due_in <= seconds, f"{first} is looked at in {due_in} s"
        sql.rows("delete from turn")
        sql.rows("delete from job")


def a_debt_is_paid_also_by_a_key_that_is_parked(sql: Sql) -> None:
    """A lane that tokens are saved for waits for another key while theirs is parked: what the bucket holds is not known then."""
    set_limit(sql, "a", rate=100, per="10 s", burst=10)
    set_limit(sql, "b", max_running=1)
    add(sql, 2, "a", "b", cost=110)
    worker = sql.worker()
    assert len(claimed(sql, worker)) == 1
    sql.rows(
        "update bucket set saving = row((select lane_id from job limit 1), 10, clock_timestamp(), "
        "clock_timestamp() + interval '1 h')::saving where key = 'a'"
    )
    sql.value("select park('a', clock_timestamp() + interval '1 s')")
    sql.rows("delete from turn")
    sql.value("select repaired from sweep_lanes()")

    assert claimed(sql, worker) == []

    finish_all(sql)
    pass_time(sql, 5)
    assert claimed(sql, worker) == [], "half of the debt is not paid"
    assert_rate(starts_of(sql, "a"), 10, 10)
