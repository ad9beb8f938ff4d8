"""What must hold of limits when the clock of the database steps: true of our SQL (test_limit_races), false of mutants.

Each raises an AssertionError where its guarantee is broken. A clock set back by an hour is every stored time an hour later.
"""

from collections import Counter

from .conftest import Sql
from .limit_steps import add, assert_rate, claimed, finish_all, look_everywhere, pass_time, set_limit, starts_of, step_clock

HOUR = 3600.0


def lanes_take_turns_after_the_clock_was_set_back(sql: Sql) -> None:
    """Lanes that were parked before the step lie in the future; those parked after it do not come first each time."""
    set_limit(sql, "api", rate=10, per="100 s", burst=1)
    for n in range(8):
        add(sql, 10, "api", fair=f"tenant:{n}")
    worker = sql.worker()
    claimed(sql, worker)
    for _ in range(3):
        pass_time(sql, 10.1)
        assert len(claimed(sql, worker)) == 1

    step_clock(sql, -HOUR)
    sql.rows("update job set limits = limits || 'before'::text where state = 'running'")
    for _ in range(18):
        sql.value("select repaired from sweep_lanes()")
        pass_time(sql, 10.1)
        claimed(sql, worker)

    starts = Counter(
        row["tenant"]
        for row in sql.rows("select limits[2] as tenant from job where state = 'running' and not 'before' = any (limits)")
    )
    assert sum(starts.values()) >= 16, f"the rate is not used: {starts}"
    assert len(starts) == 8, f"lanes without a start: {starts}"
    assert max(starts.values()) <= 3, f"not in turns: {starts}"


def lanes_in_line_take_turns_after_the_clock_was_set_back(sql: Sql) -> None:
    """More lanes than one claim looks at stand in line; those that come after the step do not pass them each time."""
    for n in range(40):
        add(sql, 10, fair=f"tenant:{n}")
    worker = sql.worker()
    claimed(sql, worker, 8)
    sql.rows("delete from job where state = 'running'")

    step_clock(sql, -HOUR)
    for _ in range(15):
        sql.value("select repaired from sweep_lanes()")
        add(sql, 5, fair="tenant:late")
        look_everywhere(sql)
        claimed(sql, worker, 8)

    lanes = sql.value("select count(distinct lane_id) from job where state = 'running'")
    assert lanes == 41, f"{lanes} lanes of 41 have had a start after 120 starts"


def a_slow_lane_is_read_whole_after_the_clock_was_set_back(sql: Sql) -> None:
    """For a second after a slow look it is read from its last job on. A step makes no hour of it."""
    set_limit(sql, "k", max_running=100)
    (older,) = add(sql, 1, "k")
    add(sql, 20, "k", priority=-5)
    worker = sql.worker()
    later = sql.value("select min(run_at) from job where priority = -5")
    sql.rows("update turn set whole_at = clock_timestamp(), lo = %s where lane_id is not null", later)
    assert older not in claimed(sql, worker, 1)

    step_clock(sql, -HOUR)
    sql.rows("update turn set due_at = clock_timestamp()")  # it stands in line since a moment ago
    assert claimed(sql, worker, 1) == [older]


def a_key_is_looked_at_after_the_clock_was_set_back(sql: Sql) -> None:
    """Also when every worker has renewed its lease by the new clock, so that no heartbeat lies in the future any more."""
    set_limit(sql, "k", rate=10, per="100 s", burst=1)
    add(sql, 3, "k")
    worker = sql.worker()
    assert len(claimed(sql, worker)) == 1
    assert claimed(sql, worker) == []

    step_clock(sql, -HOUR)
    sql.rows("select heartbeat(%s, '{}', 'notify')", worker)
    sql.value("select repaired from sweep_lanes()")
    claimed(sql, worker)
    pass_time(sql, 11)
    sql.value("select repaired from sweep_lanes()")
    assert len(claimed(sql, worker)) == 1


def a_rate_holds_over_a_step_of_the_clock(sql: Sql) -> None:
    """By a clock that runs on, not more than the rate after a step back; after a step forward one burst more at most."""
    for step in (-HOUR, HOUR):
        key = f"k{step:.0f}".replace("-", "m")
        set_limit(sql, key, rate=10, per="100 s", burst=2)
        add(sql, 100, key)
        worker = sql.worker()
        assert len(claimed(sql, worker)) == 2
        step_clock(sql, step)
        for _ in range(10):
            sql.value("select repaired from sweep_lanes()")
            claimed(sql, worker)
            pass_time(sql, 10.1)
        after = starts_of(sql, key)[2:] if step > 0 else starts_of(sql, key)[:-2]
        assert len(starts_of(sql, key)) - 2 >= 8, f"{key}: the rate is not used"
        assert_rate(after, 0.1, 2)
        finish_all(sql)
        sql.rows("delete from job")
        sql.rows("delete from turn")


def a_costly_job_starts_after_the_clock_was_set_back(sql: Sql) -> None:
    """Two keys were saving for it. What they had saved is there, and the rest takes its time and not the hour."""
    for key in ("a", "b"):
        set_limit(sql, key, rate=10, burst=20)
        add(sql, 100, key, fair=f"cheap:{key}")
    worker = sql.worker()
    claimed(sql, worker, 100)
    (dear,) = add(sql, 1, "a", "b", cost=15)
    while not sql.value("select count(*) from bucket where (saving).lane is not null"):
        pass_time(sql, 0.1)
        claimed(sql, worker)

    step_clock(sql, -HOUR)
    started: list[int] = []
    for step in range(30):
        if step % 10 == 0:
            sql.value("select mark_lost()")
            sql.value("select repaired from sweep_lanes()")
        started += claimed(sql, worker)
        pass_time(sql, 0.1)
    assert dear in started
