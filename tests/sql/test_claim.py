"""claim: a worker takes ready jobs under one token."""

import json
import uuid
from collections.abc import Callable
from datetime import timedelta

import pytest

from . import guarantees
from .conftest import Sql


def test_a_claimed_job_runs_under_its_worker_and_token(sql: Sql) -> None:
    id = sql.enqueue("send", {"to": 1}, meta='"m"', priority=3)
    worker = sql.worker()

    token, (claimed,) = sql.claim(worker)

    job = sql.job(id)
    assert (job["state"], job["attempt"], job["worker_id"]) == ("running", 1, worker)
    assert sql.value("select claim_token from job where id = %s", id) == token
    names = ("id", "queue", "task", "args", "attempt", "max_attempts", "priority", "run_at", "created_at", "meta")
    assert claimed == {name: job[name] for name in names} | {"node": None, "limits": None, "terms": None}
    assert job["claimed_at"] >= job["run_at"]


def test_jobs_start_by_priority_then_time_then_id(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    guarantees.jobs_start_by_priority(sql, another_sql)


def test_ids_that_ascend_are_found_in_one_walk_and_others_each_by_itself(rolled_back_sql: Sql) -> None:
    walks = "select array(select ids::text from in_walks(%s::bigint[]) ids)"

    assert rolled_back_sql.value(walks, [1, 2, 4]) == ["{1,2,4}"]
    assert rolled_back_sql.value(walks, [2, 1, 4]) == ["{2}", "{1}", "{4}"]


def test_a_job_with_the_largest_priority_overtakes_all_that_wait(sql: Sql) -> None:
    for priority in (-100, -50, 0, 50):
        sql.enqueue(priority=priority)
    urgent = sql.enqueue(priority=100)

    assert [row["id"] for row in sql.claim(sql.worker(), 1)[1]] == [urgent]


@pytest.mark.parametrize(("want", "got"), [(0, 0), (1, 1), (3, 3), (10, 5), (-1, 0)])
def test_a_worker_gets_no_more_than_it_wants(rolled_back_sql: Sql, want: int, got: int) -> None:
    rolled_back_sql.value("select enqueue_many('noop', '[{}, {}, {}, {}, {}]')")

    assert len(rolled_back_sql.claim(rolled_back_sql.worker(), want)[1]) == got


def test_a_worker_that_wants_nothing_does_not_get_a_suspect(sql: Sql) -> None:
    sql.rows("update job set rescues = 2 where id = %s", sql.enqueue())

    assert sql.claim(sql.worker(), 0)[1] == []


def test_a_job_is_claimed_only_from_the_queues_a_worker_serves(sql: Sql) -> None:
    sql.enqueue(queue="mail")
    worker = sql.worker()

    assert sql.claim(worker, queues=("default", "other"))[1] == []
    assert len(sql.claim(worker, queues=("other", "mail"))[1]) == 1


def test_without_weights_the_first_queue_is_emptied_first(sql: Sql) -> None:
    for queue in ("b", "a", "b", "a"):
        sql.enqueue(queue=queue, priority=100 if queue == "b" else 0)

    _, claimed = sql.claim(sql.worker(), 3, queues=("a", "b"))

    assert [row["queue"] for row in claimed] == ["a", "a", "b"]


def test_with_weights_a_queue_comes_first_in_proportion(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    for queue in ("a", "b"):
        sql.value("select enqueue_many('noop', (select jsonb_agg('{}'::jsonb) from generate_series(1, 1000)), %s)", queue)
    worker = sql.worker()

    first = [sql.claim(worker, 1, queues=("a", "b"), weights=[3.0, 1.0])[1][0]["queue"] for _ in range(600)]

    assert 380 < first.count("a") < 520  # 450 expected; six standard deviations each way


def test_a_weighted_queue_that_is_empty_costs_the_others_nothing(sql: Sql) -> None:
    sql.value("select enqueue_many('noop', '[{}, {}, {}]', 'b')")

    assert len(sql.claim(sql.worker(), 3, queues=("a", "b"), weights=[1000.0, 1.0])[1]) == 3


def test_a_worker_that_is_unknown_or_lost_gets_nothing(sql: Sql) -> None:
    id = sql.enqueue()
    worker = sql.worker()
    sql.lose(worker)

    for refused_worker in (worker, uuid.uuid4()):
        refused = sql.refusal("select * from claim(%s, %s, '{default}', 1)", refused_worker, uuid.uuid4())
        assert refused.sqlstate == "PQ002"
        assert str(refused_worker) in str(refused)
        assert "register again" in str(refused.diag.message_hint)

    assert sql.state(id) == "ready"


def test_a_cursor_claim_takes_only_what_is_at_or_after_the_cursor_and_in_its_priority(sql: Sql) -> None:
    old, low, new, newer = (sql.enqueue(priority=p) for p in (5, 0, 5, 5))
    cursor = json.dumps([{"queue": "default", "priority": 5, "run_at": str(sql.job(new)["run_at"])}])
    worker = sql.worker()

    _, claimed = sql.claim(worker, resume_at=cursor)

    assert [row["id"] for row in claimed] == [new, newer]
    assert (sql.state(old), sql.state(low)) == ("ready", "ready")
    assert {row["id"] for row in sql.claim(worker)[1]} == {old, low}


def test_a_cursor_claim_keeps_the_order_of_priorities_and_the_limit(sql: Sql) -> None:
    low, high = sql.enqueue(priority=-1), sql.enqueue(priority=1)
    run_at = str(sql.job(low)["run_at"] - timedelta(seconds=1))
    cursor = json.dumps([{"queue": "default", "priority": p, "run_at": run_at} for p in (-1, 1)])
    worker = sql.worker()

    assert [row["id"] for row in sql.claim(worker, 1, resume_at=cursor)[1]] == [high]
    assert [row["id"] for row in sql.claim(worker, 1, resume_at=cursor)[1]] == [low]


def test_a_worker_runs_at_most_one_suspect_at_a_time(sql: Sql) -> None:
    suspects = {sql.enqueue() for _ in range(3)}
    innocent = sql.enqueue()
    sql.rows("update job set rescues = 2 where id = any (%s)", list(suspects))
    one, two = sql.worker(), sql.worker()

    first = [row["id"] for row in sql.claim(one)[1]]
    again = sql.claim(one)[1]
    second = [row["id"] for row in sql.claim(two)[1]]

    assert len(suspects & set(first)) == 1
    assert innocent in first
    assert again == []
    assert len(second) == 1
    assert suspects & set(second) - set(first)


def test_a_claim_of_nothing_changes_nothing(sql: Sql) -> None:
    assert sql.claim(sql.worker())[1] == []

    assert sql.value("select count(*) from jobs") == 0


def test_a_queue_without_a_place_to_resume_is_looked_at_whole(sql: Sql) -> None:
    resumed, other = sql.enqueue(queue="resumed"), sql.enqueue(queue="other")
    place = json.dumps([{"queue": "resumed", "priority": 0, "run_at": "2000-01-01"}])

    _, rows = sql.claim(sql.worker(), queues=("other", "resumed"), resume_at=place)

    assert [row["id"] for row in rows] == [other, resumed]


@pytest.mark.parametrize("paused", [False, True])
def test_a_resumed_claim_looks_at_spans_of_time_that_end(sql: Sql, paused: bool) -> None:
    ids = {}
    for priority in (0, 5):
        for minute in range(4):
            ids[priority, minute] = sql.enqueue(priority=priority)
            sql.rows("update job set run_at = '2020-01-01 12:00Z'::timestamptz + make_interval(mins => %s) where id = %s",
                     minute, ids[priority, minute])  # fmt: skip
    if paused:
        sql.value("select pause('task', 'another')")
    spans = [
        (0, "2020-01-01 12:03Z", None),
        (0, "2020-01-01 12:00Z", "2020-01-01 12:01Z"),
        (5, "2020-01-01 12:01Z", "2020-01-01 12:03Z"),
    ]
    place = json.dumps([{"queue": "default", "priority": p, "run_at": since, "until": until} for p, since, until in spans])
    worker = sql.worker()

    _, first = sql.claim(worker, 3, resume_at=place)
    _, second = sql.claim(worker, 3, resume_at=place)

    assert [{row["id"] for row in rows} for rows in (first, second)] == [{ids[5, 1], ids[5, 2], ids[0, 0]}, {ids[0, 3]}]
