"""fail, and failed outcomes of finish: again later, or dead."""

import json
from typing import Any

import pytest

from .conftest import Sql

FIXED = '{"backoff": "fixed", "delay": 100, "jitter": false}'


def fail(sql: Sql, id: int, queue: str, **outcome: Any) -> str:
    """One more run of the job, which fails; the verdict."""
    sql.make_due()
    sql.value("select promote()")
    token, _ = sql.claim(sql.worker(), queues=(queue,))
    ((_, verdict, _),) = [row.values() for row in sql.finish(token, {"id": id, "state": "failed", **outcome})]
    return str(verdict)


def test_a_failed_job_waits_as_its_policy_says_and_keeps_the_error(sql: Sql) -> None:
    id, token = sql.running(retry=FIXED)
    worker = sql.job(id)["worker_id"]

    verdict = sql.value(
        "select fail(%s, %s, %s)", id, token, json.dumps({"type": "E", "message": "m", "traceback": "t", "types": ["E"]})
    )

    job = sql.job(id)
    (error,) = job["errors"]
    assert (verdict, job["state"], job["attempt"]) == ("scheduled", "scheduled", 1)
    assert 90 < sql.value("select extract(epoch from run_at - clock_timestamp()) from job") <= 100
    assert (error["attempt"], error["type"], error["message"], error["traceback"]) == (1, "E", "m", "t")
    assert error["worker_id"] == str(worker)
    assert error["started_at"] <= error["ended_at"] < error["retry_at"]


def test_a_job_runs_once_more_than_its_retries_and_is_then_a_dead_letter(sql: Sql) -> None:
    id = sql.enqueue(queue="q", retries=2, meta='"m"', priority=9)

    verdicts = [fail(sql, id, "q", error={"type": f"E{run}"}, elapsed=0.25) for run in (1, 2, 3)]

    job = sql.job(id)
    assert verdicts == ["scheduled", "scheduled", "dead_letter"]
    assert (job["state"], job["reason"], job["attempt"], job["elapsed"]) == ("failed", "error", 3, 0.25)
    assert [(error["attempt"], error["type"]) for error in job["errors"]] == [(1, "E1"), (2, "E2"), (3, "E3")]
    assert [error["retry_at"] is None for error in job["errors"]] == [False, False, True]
    assert (job["meta"], job["priority"]) == ("m", 9)


def test_a_final_failure_is_not_retried_and_may_give_its_reason(sql: Sql) -> None:
    id, token = sql.running()

    sql.finish(token, {"id": id, "state": "failed", "final": True, "reason": "system_error"})

    assert (sql.state(id), sql.job(id)["reason"]) == ("failed", "system_error")


def test_the_handlers_own_delay_wins_over_the_policy_but_not_over_the_number_of_retries(sql: Sql) -> None:
    id = sql.enqueue(queue="q", retries=1, retry=FIXED)

    first = fail(sql, id, "q", delay=10)
    wait = sql.value("select extract(epoch from run_at - clock_timestamp()) from job")
    second = fail(sql, id, "q", delay=10)

    assert (first, second) == ("scheduled", "dead_letter")
    assert 0 < wait <= 10


def test_a_retry_without_delay_is_ready_at_once(sql: Sql) -> None:
    id, token = sql.running()

    sql.finish(token, {"id": id, "state": "failed", "delay": 0})

    assert sql.state(id) == "ready"


def test_the_last_twenty_attempts_are_kept(sql: Sql) -> None:
    id = sql.enqueue(queue="q", retries=30)

    for run in range(1, 26):
        fail(sql, id, "q", delay=0, error={"type": f"E{run}"})

    assert [error["type"] for error in sql.job(id)["errors"]] == [f"E{run}" for run in range(6, 26)]


def test_long_errors_are_cut_and_the_end_of_a_traceback_is_kept(sql: Sql) -> None:
    id, token = sql.running()
    long = {"type": "T" * 1000, "message": "m" * 10_000, "traceback": "x" * 100_000 + "the end"}

    sql.value("select fail(%s, %s, %s)", id, token, json.dumps(long))

    (error,) = sql.job(id)["errors"]
    assert (len(error["type"]), len(error["message"]), len(error["traceback"])) == (200, 4096, 16384)
    assert error["traceback"].endswith("the end")


@pytest.mark.parametrize("error", [None, {}, {"type": None}, {"message": "only this"}])
def test_a_failure_without_a_proper_error_is_a_failure(sql: Sql, error: dict[str, Any] | None) -> None:
    id, token = sql.running()

    assert sql.value("select fail(%s, %s, %s)", id, token, json.dumps(error)) == "scheduled"

    assert len(sql.job(id)["errors"]) == 1


def test_a_thousand_jobs_that_fail_at_once_each_keep_their_own_error(sql: Sql) -> None:
    ids = sql.value("select enqueue_many('noop', (select jsonb_agg('{}'::jsonb) from generate_series(1, 1000)))")
    token, _ = sql.claim(sql.worker(), 1000)

    verdicts = sql.finish(token, *({"id": id, "state": "failed", "error": {"type": "E", "message": f"of {id}"}} for id in ids))

    assert len(verdicts) == 1000
    assert sql.value("select count(*) from job where errors->0->>'message' = 'of ' || id") == 1000
