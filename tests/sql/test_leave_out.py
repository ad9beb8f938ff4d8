"""claim with leave_out: jobs of tasks that a worker does not have stay ready, and those behind them are claimed."""

import uuid
from typing import Any

import pytest

from .conftest import Sql

OLD = ["new"]  # what a worker of the old version leaves out


def claimed(sql: Sql, want: int = 10, **options: Any) -> list[int]:
    """What a new worker gets."""
    return [row["id"] for row in sql.claim(sql.worker(), want, **options)[1]]


def make_suspects(sql: Sql) -> None:
    """All jobs have lost two workers."""
    sql.rows("update job set rescues = 2")


def test_what_is_left_out_stays_ready_and_others_get_it(sql: Sql) -> None:
    new, old = sql.enqueue("new", priority=10), sql.enqueue("old")
    assert claimed(sql, leave_out=OLD) == [old]
    assert (sql.state(new), sql.job(new)["attempt"]) == ("ready", 0)
    assert claimed(sql) == [new]


def test_both_directions_at_once(sql: Sql) -> None:
    ids = {task: [sql.enqueue(task) for _ in range(5)] for task in ("old", "new")}
    assert claimed(sql, 20, leave_out=["old"]) == ids["new"]
    assert claimed(sql, 20, leave_out=["new"]) == ids["old"]


def test_a_resumed_claim_passes_over_them_too(sql: Sql) -> None:
    sql.enqueue("new")
    old = sql.enqueue("old")
    cursor = '[{"queue": "default", "priority": 0, "run_at": "2000-01-01Z"}]'
    assert claimed(sql, leave_out=OLD, resume_at=cursor) == [old]


def test_suspects_too(sql: Sql) -> None:
    new, old = sql.enqueue("new"), sql.enqueue("old")
    make_suspects(sql)
    assert claimed(sql, leave_out=OLD) == [old]
    assert claimed(sql) == [new]


def test_those_that_starve_too(sql: Sql) -> None:
    sql.value("""select set_queue('default', '{"starvation_after": "1 s", "starvation_share": 1}')""")
    sql.enqueue("new", run_after="-1 hour")
    old = sql.enqueue("old", run_after="-1 hour")
    assert claimed(sql, leave_out=OLD) == [old]


def test_beside_a_paused_task(sql: Sql) -> None:
    ids = {task: sql.enqueue(task) for task in ("paused", "new", "old")}
    sql.value("select pause('task', 'paused')")
    assert claimed(sql, leave_out=OLD) == [ids["old"]]
    assert sql.value("select has_work('{default}', '{new,old}')") is True, "that one runs"


def test_a_lane_that_holds_only_such_jobs_stays_in_line_for_others(sql: Sql) -> None:
    sql.value("""select set_limit('k', max_running => 5)""")
    new = sql.enqueue("new", limits=["k"])
    old = sql.enqueue("old", limits=["k"])
    other = sql.enqueue("new", limits=["k"], fair="other")
    assert claimed(sql, leave_out=OLD) == [old]
    assert claimed(sql, leave_out=OLD) == []
    assert sorted(claimed(sql)) == sorted([new, other])


def test_a_lane_behind_many_such_lanes_has_its_turn(sql: Sql) -> None:
    sql.value("""select set_limit('k', max_running => 500)""")
    for n in range(60):
        sql.enqueue("new", limits=["k"], fair=str(n))
    old = sql.enqueue("old", limits=["k"], fair="last")
    looks = (claimed(sql, leave_out=OLD) for _ in range(20))
    assert next(got for got in looks if got) == [old]


def test_a_queue_with_a_limit_of_its_own(sql: Sql) -> None:
    sql.value("""select set_limit('queue:default', rate => 1, per => '1 hour', burst => 1)""")
    new, old = sql.enqueue("new"), sql.enqueue("old")
    assert claimed(sql, leave_out=OLD) == [old]
    assert sql.state(new) == "ready"


@pytest.mark.parametrize("limits", [None, ["k"]])
def test_a_burst_is_over_when_nothing_else_is_left(sql: Sql, limits: list[str] | None) -> None:
    sql.value("""select set_limit('k', max_running => 5)""")
    sql.enqueue("new", limits=limits)
    assert sql.value("select has_work('{default}')") is True
    assert sql.value("select has_work('{default}', '{new}')") is False
    make_suspects(sql)
    assert sql.value("select has_work('{default}', '{new}')") is False


def test_more_names_than_a_claim_can_pass_over_are_refused(rolled_back_sql: Sql) -> None:
    names = [str(n) for n in range(1001)]
    query = "select * from claim(%s, %s, '{default}', 1, leave_out => %s)"
    assert rolled_back_sql.refusal(query, rolled_back_sql.worker(), uuid.uuid4(), names).sqlstate == "PQ001"
    assert rolled_back_sql.refusal("select has_work('{default}', %s)", names).sqlstate == "PQ001"


def test_foreign_tasks_are_those_of_ready_jobs_that_a_worker_does_not_have(sql: Sql) -> None:
    sql.value("""select set_limit('k', max_running => 5)""")
    for task in ("mine", "new", "new"):
        sql.enqueue(task)
    sql.enqueue("limited", limits=["k"])
    sql.enqueue("later", run_after="1 hour")
    sql.enqueue("elsewhere", queue="other")
    assert sql.value("select foreign_tasks('{default}', '{mine}')") == ["limited", "new"]
    assert sql.value("select foreign_tasks('{}', '{mine}')") == []
