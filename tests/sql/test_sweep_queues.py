"""sweep_queues and max_ready: a full queue refuses jobs, or drops the oldest."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from .conftest import Sql
from .limit_steps import add, set_limit
from .pause_steps import taken
from .test_set_queue import set_queue


def sweep(sql: Sql, at_most: int = 1000) -> tuple[float | None, dict[str, int] | None]:
    (row,) = sql.rows("select * from sweep_queues(%s)", at_most)
    return row["next_in"], row["dropped"]


def full(sql: Sql, **settings: Any) -> list[int]:
    """A queue that holds as many jobs as it may, and that was swept."""
    set_queue(sql, max_ready=3, **settings)
    ids = add(sql, 3)
    sweep(sql)
    return ids


ENQUEUES = {
    "enqueue": "enqueue('noop')",
    "enqueue_plain": "enqueue_plain('noop', '{}', 'default', 0, true)",
    "enqueue_many": "enqueue_many('noop', '[{}]')",
    "with options": """enqueue_many('[{"task": "noop"}]')""",
    "enqueue_select": "enqueue_select('noop', array['{}'::jsonb])",
    "workflow": """enqueue_workflow('[{"task": "noop"}]')""",
    "unique": "enqueue('noop', unique_mode => 'until_done')",
    "limited": "enqueue('noop', fair => 'k')",
}


@pytest.mark.parametrize("how", ENQUEUES)
def test_a_full_queue_refuses_more_before_anything_is_written(rolled_back_sql: Sql, how: str) -> None:
    sql = rolled_back_sql
    full(sql)
    refused = sql.refusal(f"select {ENQUEUES[how]}")

    assert refused.sqlstate == "PQ005"
    assert "queue: 'default' is full: 1 more would be above its max_ready of 3, as about 3 are ready" in str(refused)
    assert sql.value("select count(*) from job") == 3
    assert sql.value("select count(*) from workflow") == 0


@pytest.mark.parametrize(
    "how",
    [
        "enqueue('noop', queue => 'other')",
        "enqueue('noop', run_after => '1 h')",
        "enqueue('noop', run_at => '2050-01-01')",
        """enqueue_many('[{"task": "noop", "run_after": "1 h"}, {"task": "noop", "queue": "other"}]')""",
        "enqueue('noop', depends_on => array[{first}])",
        """enqueue_many('[{"task": "noop", "depends_on": [{first}]}]')""",
        """enqueue_workflow('[{"task": "noop", "queue": "other"}, {"task": "noop", "after": [1]}]')""",
        """enqueue_workflow('[{"task": "noop", "queue": "other"}]', on_success => '{"task": "noop"}')""",
    ],
)
def test_what_is_not_ready_at_once_is_not_refused(rolled_back_sql: Sql, how: str) -> None:
    first, *_ = full(rolled_back_sql)
    rolled_back_sql.value(f"select {how.replace('{first}', str(first))}")


def test_a_batch_that_does_not_fit_is_refused_whole(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    set_queue(sql, max_ready=3)
    sql.enqueue()
    sweep(sql)

    assert sql.refusal("select enqueue_many('noop', '[{}, {}, {}]')").sqlstate == "PQ005"
    assert len(sql.value("select enqueue_many('noop', '[{}, {}]')")) == 2


def test_between_two_sweeps_nothing_is_counted_and_after_the_next_there_is_room_again(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    set_queue(sql, max_ready=3)
    sweep(sql)
    add(sql, 3)
    sql.enqueue()
    sweep(sql)
    assert sql.refusal("select enqueue('noop')").sqlstate == "PQ005"
    taken(sql, sql.worker(), 2)
    assert sql.refusal("select enqueue('noop')").sqlstate == "PQ005"
    sweep(sql)
    sql.enqueue()


def test_another_max_ready_holds_at_once(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    full(sql)
    set_queue(sql, max_ready=4)
    sql.enqueue()
    set_queue(sql, max_ready=0)
    add(sql, 10)


def test_what_comes_back_and_what_schedules_make_is_never_refused(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    ids = full(sql)
    token, _ = sql.claim(sql.worker(), 1)
    sweep(sql)
    add(sql, 1)
    sweep(sql)
    verdicts = sql.finish(token, {"id": ids[0], "state": "failed", "delay": 0, "error": {}})
    sql.value("select set_schedule('x', %s)", json.dumps({"every": 60, "job": {"task": "noop"}}))

    assert [row["verdict"] for row in verdicts] == ["scheduled"]
    assert sql.value("select trigger_schedule('x')") is not None


def test_a_callback_of_a_workflow_is_never_refused(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    nodes = json.dumps([{"task": "noop", "queue": "other"}])
    (flow,) = sql.rows("select * from enqueue_workflow(%s, null, %s)", nodes, json.dumps({"task": "tell"}))
    full(sql)
    token, _ = sql.claim(sql.worker(), queues=("other",))
    sql.finish(token, {"id": flow["job_ids"][0], "state": "succeeded"})

    assert sql.value("select count(*) from job where task = 'tell'") == 1


def jobs_with_limits_are_counted(sql: Sql) -> None:
    set_limit(sql, "k", max_running=1)
    add(sql, 1)
    add(sql, 2, "k")
    set_queue(sql, max_ready=3)
    sweep(sql)

    assert sql.value("select ready from queue_depth") == 3


def test_jobs_with_limits_are_counted(rolled_back_sql: Sql) -> None:
    jobs_with_limits_are_counted(rolled_back_sql)


def test_a_count_ends_above_what_matters(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    add(sql, 20)
    set_queue(sql, max_ready=3)
    sweep(sql, 5)

    assert sql.value("select ready from queue_depth") == 8


def the_oldest_are_dropped_whatever_their_priority(sql: Sql) -> None:
    ids = [sql.enqueue(priority=priority) for priority in (5, 0, -5, 5, 0)]
    set_queue(sql, max_ready=2, on_full="drop_oldest")
    swept = sweep(sql)

    assert [sql.state(id) for id in ids] == ["cancelled"] * 3 + ["ready"] * 2
    assert swept == (1, {"default": 3})
    (row,) = sql.rows("select reason, errors->-1->>'message' as why from jobs where id = %s", ids[0])
    assert row == {"reason": "other", "why": "dropped: it was among the oldest of queue default, which was full"}


def test_the_oldest_are_dropped_whatever_their_priority(rolled_back_sql: Sql) -> None:
    the_oldest_are_dropped_whatever_their_priority(rolled_back_sql)


def test_drops_are_counted_and_nothing_is_refused(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    set_queue(sql, max_ready=2, on_full="drop_oldest")
    for _ in range(3):
        add(sql, 2)
        sweep(sql)

    assert sql.value("select dropped from queues where name = 'default'") == 4
    assert sql.value("select count(*) from job") == 2
    assert sql.value("select count(*) from queue_depth") == 1


def test_many_are_dropped_in_short_calls(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    add(sql, 12)
    set_queue(sql, max_ready=2, on_full="drop_oldest")

    assert [sweep(sql, 4) for _ in range(4)] == [(0, {"default": 4}), (0, {"default": 4}), (1, {"default": 2}), (1, None)]


def test_nodes_and_jobs_with_limits_are_not_dropped(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    add(sql, 3, fair="k")
    sql.value("""select enqueue_workflow('[{"task": "noop"}, {"task": "noop"}]')""")
    set_queue(sql, max_ready=1, on_full="drop_oldest")

    assert sweep(sql) == (1, None)
    assert sql.value("select count(*) from job") == 5


def a_locked_job_is_not_waited_for(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    first, *_ = add(sql, 3)
    set_queue(sql, max_ready=1, on_full="drop_oldest")
    other = another_sql()
    with other.connection.transaction():
        other.rows("select from job where id = %s for update", first)
        sql.rows("set statement_timeout = '4s'")
        assert sweep(sql) == (1, {"default": 2})
        sql.rows("reset statement_timeout")


def test_a_locked_job_is_not_waited_for(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    a_locked_job_is_not_waited_for(sql, another_sql)


def test_one_sweeps_at_a_time(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    set_queue(sql, max_ready=1)
    other = another_sql()
    with other.connection.transaction():
        sweep(other)
        assert sweep(sql) == (1, None)
        assert sql.value("select count(*) from queue_depth") == 0


def test_without_max_ready_there_is_nothing_to_sweep(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    full(sql)
    set_queue(sql, max_ready=0)

    assert sweep(sql) == (None, None)
    assert sql.value("select count(*) from queue_depth") == 0


def test_workers_are_told_whether_there_is_something_to_count(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    before = sql.rows("select * from look_at_queues('{default}')")
    set_queue(sql, max_ready=1)
    sql.value("select pause('queue', 'a', after => %s)", timedelta(hours=1))
    sql.value("select pause('everything')")
    after = sql.rows("select * from look_at_queues('{default}') order by kind")

    assert [(row["has_depths"], row["kind"]) for row in before] == [(False, None)]
    assert [(row["has_depths"], row["kind"]) for row in after] == [(True, "everything"), (True, "queue")]


LOOKS = (
    "check_depth(in_queue text, more bigint, run_at timestamptz default null, run_after interval default null)",
    "check_depths(jobs jsonb)",
)


def test_an_install_without_settings_does_not_look_for_them(sql: Sql) -> None:
    for function in LOOKS:
        sql.connection.execute(
            f"create or replace function {function} returns void language plpgsql as 'begin raise exception ''looked''; end'"
        )
    for statement in ENQUEUES.values():
        sql.value(f"select {statement}")
    sql.rows("insert into queue (name) values ('other')")
    for statement in ENQUEUES.values():
        assert "looked" in str(sql.refusal(f"select {statement}"))
