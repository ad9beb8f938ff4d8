"""matching_ids: every job that matches, once, in bounded steps."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from .conftest import Sql

FAR = 2**62
NODES = "select job_id from workflow_node where workflow_id = %s order by 1"


def all_matching(sql: Sql, filter: dict[str, Any], most: int = 1000, upto: int | None = None) -> list[int]:
    """The ids of all chunks."""
    ids: list[int] = []
    after = 0
    for _ in range(100):
        (row,) = sql.rows("select * from matching_ids(%s, %s, %s, %s)", json.dumps(filter), after, upto, most)
        assert len(row["ids"]) <= most
        ids += row["ids"]
        if row["is_over"]:
            return ids
        assert row["looked_to"] > after
        after = row["looked_to"]
    raise AssertionError("it is never over")


def everywhere(sql: Sql) -> dict[str, int]:
    """One job in each state."""
    worker = sql.worker(queues=("done", "dead", "running"))
    jobs: dict[str, int] = {}
    for queue, outcome in (("done", "succeeded"), ("dead", "failed")):
        args = {"customer": 5, "queue": queue}
        jobs[outcome] = sql.enqueue(f"{queue}.task", args, queue=queue, meta='{"by": "test"}', retries=0)
        token, _ = sql.claim(worker, queues=(queue,))
        error = {"error": {"type": "TimeoutError", "message": "m"}} if outcome == "failed" else {}
        sql.finish(token, {"id": jobs[outcome], "state": outcome, **error})
    jobs["cancelled"] = sql.enqueue("done.other")
    sql.value("select cancel(%s)", jobs["cancelled"])
    jobs["running"] = sql.enqueue("live.task", {"customer": 6}, queue="running")
    sql.claim(worker, queues=("running",))
    jobs["scheduled"] = sql.enqueue("live_task", run_after="1 hour")
    sql.value("select set_limit('tenant', max_running => 9)")
    jobs["ready"] = sql.enqueue("live.task", {"customer": 5}, limits=["tenant:42"])
    flow = sql.value("""select workflow_id from enqueue_workflow('[{"task": "a"}, {"task": "b", "after": [1]}]')""")
    jobs["first"], jobs["blocked"] = (row["job_id"] for row in sql.rows(NODES, flow))
    jobs["flow"] = flow
    return jobs


@pytest.mark.parametrize(
    ("filter", "expected"),
    [
        ({}, "succeeded failed cancelled running scheduled ready first blocked"),
        ({"state": "failed"}, "failed"),
        ({"state": ["running", "succeeded"]}, "succeeded running"),
        ({"state": "running"}, "running"),
        ({"queue": ["dead", "done"]}, "succeeded failed"),
        ({"queue": "unheard"}, ""),
        ({"task": "live.task"}, "running ready"),
        ({"task": "live.*"}, "running ready"),
        ({"task": "live_*"}, "scheduled"),
        ({"task": ["*.other", "a"]}, "cancelled first"),
        ({"reason": "user_requested"}, "cancelled"),
        ({"error_type": "TimeoutError"}, "failed"),
        ({"args": {"customer": 5}}, "succeeded failed ready"),
        ({"meta": {"by": "test"}, "queue": "dead"}, "failed"),
        ({"limit": "tenant:42"}, "ready"),
        ({"limit": "queue:dead"}, "failed"),
        ({"limit": "tenant:43"}, ""),
        ({"schedule": "nightly"}, ""),
        ({"created_after": "-1 hour"}, "succeeded failed cancelled running scheduled ready first blocked"),
        ({"created_before": "-1 hour"}, ""),
        ({"run_at_after": "+30 min"}, "scheduled"),
        ({"run_at_before": "+30 min", "state": "scheduled"}, ""),
        ({"finished_after": "-1 hour"}, "succeeded failed cancelled"),
        ({"finished_before": "-1 hour"}, ""),
        ({"finished_after": "-1 hour", "state": "running"}, ""),
        ({"ids": []}, ""),
    ],
    ids=lambda value: json.dumps(value) if isinstance(value, dict) else None,
)
def test_a_filter_finds_its_jobs_wherever_they_are(rolled_back_sql: Sql, filter: dict[str, Any], expected: str) -> None:
    jobs = everywhere(rolled_back_sql)

    assert all_matching(rolled_back_sql, filter) == sorted(jobs[name] for name in expected.split())


def test_ids_workflows_and_workers_are_filters_too(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    jobs = everywhere(sql)
    worker = str(sql.value("select worker_id from job where state = 'running'"))

    assert all_matching(sql, {"ids": [jobs["failed"], jobs["ready"], FAR]}) == [jobs["failed"], jobs["ready"]]
    assert all_matching(sql, {"ids": [jobs["failed"]], "state": "ready"}) == []
    assert all_matching(sql, {"workflow": jobs["flow"]}) == [jobs["first"], jobs["blocked"]]
    assert all_matching(sql, {"worker": worker}) == [jobs["succeeded"], jobs["failed"], jobs["running"]]


def test_the_jobs_of_a_schedule_are_found(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    sql.enqueue()
    sql.value("""select set_schedule('nightly', '{"every": 60, "job": {"task": "noop"}}')""")
    id = sql.value("select trigger_schedule('nightly')")

    assert all_matching(sql, {"schedule": "nightly"}) == [id]


@pytest.mark.parametrize("filter", [{}, {"state": "ready"}, {"queue": "default"}])
def test_each_chunk_goes_on_where_the_last_one_stopped(rolled_back_sql: Sql, filter: dict[str, Any]) -> None:
    ids = [rolled_back_sql.enqueue() for _ in range(7)]

    assert all_matching(rolled_back_sql, filter, most=3) == ids
    assert all_matching(rolled_back_sql, {"ids": ids}, most=3) == ids
    assert all_matching(rolled_back_sql, filter, most=3, upto=ids[4]) == ids[:5]
    assert all_matching(rolled_back_sql, {"ids": ids}, most=3, upto=ids[4]) == ids[:5]


MANY = """insert into job (run_at, created_at, state, queue, task)
          select clock_timestamp(), clock_timestamp(), 'ready', case when n = 22000 then 'rare' else 'default' end, 'noop'
            from generate_series(1, 25000) n"""


def test_a_call_looks_at_20_000_jobs_and_says_so(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    sql.rows(MANY)
    first = sql.value("select min(id) from job")

    (row,) = sql.rows("""select * from matching_ids('{"queue": "rare"}', 0, null, 10)""")

    assert row == {"ids": [], "looked_to": first + 19_999, "is_over": False}
    assert all_matching(sql, {"queue": "rare"}) == [first + 21_999]


def test_a_job_that_moves_between_two_chunks_is_seen_once(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    ids = [sql.enqueue(queue=f"q{n}") for n in range(4)]
    worker = sql.worker(queues=("q0", "q3"))
    (first,) = sql.rows("select * from matching_ids('{}', 0, null, 2)")
    for queue, id in (("q0", ids[0]), ("q3", ids[3])):
        token, _ = sql.claim(worker, queues=(queue,))
        sql.finish(token, {"id": id, "state": "succeeded"})

    (rest,) = sql.rows("select * from matching_ids('{}', %s, null, 100)", first["looked_to"])

    assert (first["ids"], rest["ids"], rest["is_over"]) == (ids[:2], ids[2:], True)


def test_values_that_look_like_sql_are_values(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    hostile = "x') or true; drop table job; --"
    id = sql.enqueue(hostile)
    sql.enqueue()

    assert all_matching(sql, {"task": [hostile, hostile + "*"]}) == [id]
    assert all_matching(sql, {"queue": hostile, "limit": hostile, "schedule": hostile, "error_type": hostile}) == []


def test_a_backslash_or_a_percent_sign_in_a_pattern_is_itself(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    odd = sql.enqueue("a%b\\c_d.x")
    sql.enqueue("aab\\c_d.x")
    sql.enqueue("a%b\\c-d.x")

    assert all_matching(sql, {"task": "a%b\\c_d.*"}) == [odd]


def test_an_invalid_filter_is_refused(rolled_back_sql: Sql) -> None:
    assert rolled_back_sql.refusal("""select matching_ids('{"quue": "x"}', 0, null, 1)""").sqlstate == "PQ001"


def test_fingerprints_are_those_of_dead_letters(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    jobs = everywhere(sql)
    sql.rows("alter table dead_letter add column if not exists fingerprint text")
    sql.rows("update dead_letter set fingerprint = '00ff'")

    assert all_matching(sql, {"fingerprint": "00ff"}) == [jobs["failed"]]
    assert all_matching(sql, {"fingerprint": "00fe"}) == []


Open = Callable[[], Sql]


def test_a_job_that_is_finished_while_it_is_looked_for_is_seen_once(sql: Sql, another_sql: Open) -> None:
    """One statement, one snapshot: it is in the one table or in the other."""
    id, token = sql.running()
    other = another_sql()
    with other.connection.transaction():
        other.finish(token, {"id": id, "state": "succeeded"})
        before = all_matching(sql, {})
    assert (before, all_matching(sql, {})) == ([id], [id])
