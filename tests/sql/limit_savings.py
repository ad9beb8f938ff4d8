"""What must hold of jobs that cost more than there is, with several limits: true of our SQL (test_limit_races), false of mutants.

Each raises an AssertionError where its guarantee is broken. Time passes by ageing rows.
"""

import time
from collections.abc import Callable
from itertools import count
from uuid import UUID

from .conftest import Sql
from .limit_steps import add, assert_rate, claimed, finish_all, pass_time, set_limit, starts_of

STEP = 0.1  # seconds that pass between two claims
SWEEP = 10  # steps between two sweeps


def _steps_until(sql: Sql, worker: UUID, ids: set[int], most: float, busy: int = 1000) -> float:
    """Seconds until all of these have started; busy: what runs ends every so many steps."""
    left, began, passed = set(ids), time.monotonic(), 0.0
    for step in count(1):
        pass_time(sql, STEP)
        if step % busy == 0:
            finish_all(sql)
        if step % SWEEP == 0:
            sql.value("select repaired from sweep_lanes()")
        left -= set(claimed(sql, worker, 20))
        passed = step * STEP + time.monotonic() - began
        if not left or passed > most:
            break
    assert not left, f"{len(left)} of {len(ids)} did not start in {most} s"
    return passed


def _drained(sql: Sql, limits: dict[str, tuple[float, float]], jobs: int = 400) -> UUID:
    """A worker, and limits (rate, burst) whose cheap jobs take each token as it comes."""
    for key, (rate, burst) in limits.items():
        set_limit(sql, key, rate=rate, burst=burst)
        add(sql, jobs, key, fair=f"cheap:{key}")
    worker = sql.worker()
    for _ in range(4):
        claimed(sql, worker, 100)
    return worker


def a_costly_job_with_several_limits_starts_beside_cheap_ones_of_each(sql: Sql) -> None:
    """Within the time that its tokens take to come in the slowest of them, and a moment."""
    for names in ("ab", "abcd"):
        limits = {name * len(names): (rate, 20.0) for name, rate in zip(names, (10.0, 5.0, 20.0, 8.0), strict=False)}
        worker = _drained(sql, limits)
        (dear,) = add(sql, 1, *limits, cost=15)

        _steps_until(sql, worker, {dear}, 15 / 5 + 1)

        for key, (rate, burst) in limits.items():
            assert_rate(starts_of(sql, key), rate, burst)
        sql.rows("delete from turn")
        sql.rows("delete from job")


def until_a_slow_key_has_enough_the_fast_ones_go_on(sql: Sql) -> None:
    """They save for no longer than they must."""
    worker = _drained(sql, {"fast": (10, 20), "slow": (1, 20)})
    (dear,) = add(sql, 1, "fast", "slow", cost=10)
    cheap = "select count(*) from job where state = 'running' and limits @> '{fast,cheap:fast}'"
    before = sql.value(cheap)

    seconds = _steps_until(sql, worker, {dear}, 12)

    assert seconds >= 7, "it was there sooner than its tokens"
    assert sql.value(cheap) - before >= 0.8 * (10 * seconds - 10), "the fast key was shut meanwhile"


def costly_jobs_that_want_each_other_s_keys_all_start(sql: Sql) -> None:
    """Three of three keys, two of two keys: one after the other, and none waits for another that waits for it."""
    worker = _drained(sql, dict.fromkeys("abc", (10.0, 20.0)))
    dear = {id for keys in ("ab", "bc", "ca", "ba") for id in add(sql, 1, *keys, fair=f"dear:{keys}", cost=15)}

    _steps_until(sql, worker, dear, 4 * 15 / 10 + 2)

    for key in "abc":
        assert_rate(starts_of(sql, key), 10, 20)


def jobs_of_several_busy_keys_start_whatever_they_cost(sql: Sql) -> None:
    """The tokens of two keys never come in one moment, and others take each as it comes."""
    for cost in (1, 3):
        a, b = f"a{cost}", f"b{cost}"
        worker = _drained(sql, {a: (0.1, 3), b: (0.1, 3)}, jobs=40)
        pass_time(sql, 5)
        sql.rows("update bucket set refilled_at = clock_timestamp(), tokens = 0 where key = %s", b)
        (dear,) = add(sql, 1, a, b, cost=cost)
        started: list[int] = []
        for _ in range(24):  # 12 tokens of each
            pass_time(sql, 5.02)
            started += [id for _ in range(3) for id in claimed(sql, worker)]
        assert dear in started, f"a job that costs {cost} did not start"
        assert len(started) >= 12, "the others were shut out"


def a_lane_takes_its_keys_in_their_order(sql: Sql) -> None:
    """One that keeps for another lane stops it: whoever has that might wait for what it would take behind it."""
    for key in "ab":
        set_limit(sql, key, rate=1, per="1 h", burst=10)
    worker = sql.worker()
    add(sql, 1, "a", "b", cost=9)
    assert len(claimed(sql, worker)) == 1
    add(sql, 1, "a", cost=9)
    assert claimed(sql, worker) == []
    add(sql, 1, "a", "b", cost=9)
    assert claimed(sql, worker) == []
    sql.rows("update turn set key = null where keys = '{a,b}'")
    sql.rows("update bucket set tokens = tokens + 3")
    assert claimed(sql, worker) == []

    assert [row["key"] for row in sql.rows("select key from bucket where (saving).lane is not null")] == ["a"]


def what_was_saved_is_kept_while_a_place_is_missing(sql: Sql) -> None:
    """Another job took the place while the tokens came; cheap jobs of the key take only what can be spared."""
    set_limit(sql, "place", max_running=1)
    worker = _drained(sql, {"k": (10, 20)})
    (dear,) = add(sql, 1, "k", "place", cost=15)
    is_saving = "select saving is not null from bucket where key = 'k'"
    for _ in range(50):
        pass_time(sql, STEP)
        assert dear not in claimed(sql, worker, 20)
        if sql.value(is_saving):
            break
    (holder,) = add(sql, 1, "place")
    assert holder in claimed(sql, worker, 20)

    for _ in range(60):  # until long after the key has enough
        pass_time(sql, STEP)
        assert dear not in claimed(sql, worker, 20)
    finish_all(sql)
    sql.value("select repaired from sweep_lanes()")

    assert dear in [*claimed(sql, worker, 20), *claimed(sql, worker, 20)]


def a_lane_that_lacks_a_place_and_tokens_waits_for_the_place(sql: Sql) -> None:
    """Its tokens are saved from the moment at which nothing else is missing; at others somebody else may have the place."""
    set_limit(sql, "place", max_running=1)
    set_limit(sql, "k", rate=1, per="1 h", burst=20)
    add(sql, 2, "place")
    add(sql, 1, "k", cost=20)
    worker = sql.worker()
    claimed(sql, worker)
    add(sql, 1, "k", "place", cost=15)
    assert claimed(sql, worker) == []

    assert sql.value("select key from turn where keys = '{k,place}' and lane_id is not null") == "place"


def a_key_that_saves_for_hours_is_not_asked_all_the_time(sql: Sql) -> None:
    """Neither for the job nor for others: nobody looks before there is enough."""
    worker, _ = _saving_for_hours(sql)
    written = "select ctid::text, key from turn union all select ctid::text, key from bucket order by 1, 2"
    before = sql.rows(written)

    for _ in range(3):
        assert claimed(sql, worker) == []
        sql.value("select repaired from sweep_lanes()")

    assert sql.rows(written) == before
    again = sql.look_again(worker)
    assert again is not None
    assert (again - sql.value("select clock_timestamp()")).total_seconds() > 1800


def _saving_for_hours(sql: Sql) -> tuple[UUID, int]:
    """A worker, and a job for which two keys save 4 of 10 tokens, and 6 more an hour; cheap ones wait behind both."""
    set_limit(sql, "other", max_running=10)
    for key in ("a", "b"):
        set_limit(sql, key, rate=6, per="1 h", burst=10)
    worker = sql.worker()
    add(sql, 1, "a", "b", "other", cost=10)
    assert len(claimed(sql, worker)) == 1
    finish_all(sql)
    (dear,) = add(sql, 1, "a", "b", "other", cost=10)
    for key in ("a", "b"):
        add(sql, 20, key, fair=f"cheap:{key}")
    assert claimed(sql, worker) == []
    for _ in range(4):
        pass_time(sql, 601)
        claimed(sql, worker)
    assert claimed(sql, worker) == []
    assert sql.value("select count(*) from bucket where (saving).lane is not null") == 2, "nothing is saved"
    return worker, dear


def _postpone(sql: Sql, dear: int) -> None:
    sql.value("select update(%s, run_after => '1 day')", dear)


def _put_a_cheap_one_in_front(sql: Sql, dear: int) -> None:
    add(sql, 1, "a", "b", "other", priority=10)


WAYS: dict[str, Callable[[Sql, int], object]] = {
    "cancelled": lambda sql, dear: sql.value("select cancel(%s)", dear),
    "deleted": lambda sql, dear: sql.rows("delete from job where id = %s", dear),
    "postponed": _postpone,
    "overtaken": _put_a_cheap_one_in_front,
    "another key parked": lambda sql, dear: sql.value("select park('other', clock_timestamp() + interval '1 day')"),
    "limit reset": lambda sql, dear: sql.value("select count(reset_limit(k)) from unnest('{a,b}'::text[]) k"),
    "limit deleted": lambda sql, dear: sql.rows("select delete_limit(k) from unnest('{a,b}'::text[]) k"),
    "limit disabled": lambda sql, dear: sql.rows("select set_limit(k, enabled => false) from unnest('{a,b}'::text[]) k"),
    "smaller burst": lambda sql, dear: sql.rows("select set_limit(k, burst => 4) from unnest('{a,b}'::text[]) k"),
}


def a_key_does_not_stay_shut_for_a_job_that_is_gone(sql: Sql, way: str = "cancelled") -> None:
    """Whatever became of it: at the next sweep others have the tokens, or it starts itself by what holds now."""
    worker, dear = _saving_for_hours(sql)

    WAYS[way](sql, dear)
    sql.value("select repaired from sweep_lanes()")
    started = []
    for _ in range(4):
        started += claimed(sql, worker, 20)
        pass_time(sql, 0.05)
    finish_all(sql)

    assert (dear in started) == way.startswith(("limit", "smaller")), way
    assert dear in started or len(started) >= 4, f"{way}: {len(started)} started"


def a_faster_rate_counts_for_a_job_that_is_saved_for(sql: Sql) -> None:
    """It starts when there is enough by the new one."""
    worker, dear = _saving_for_hours(sql)
    for key in ("a", "b"):
        sql.value("select set_limit(%s, rate => 6, per => '1 s')", key)

    _steps_until(sql, worker, {dear}, 2.5)
