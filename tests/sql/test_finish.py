"""finish: outcomes of claimed jobs move them on."""

import json
import uuid
from datetime import timedelta
from typing import Any

import pytest

from .conftest import Sql


def test_a_job_that_succeeded_is_in_the_history_with_its_result(sql: Sql) -> None:
    id, token = sql.running(args={"to": 1}, meta='"m"', priority=3)

    verdicts = sql.finish(token, {"id": id, "state": "succeeded", "elapsed": 0.5, "result": {"sent": True}})

    job = sql.job(id)
    assert verdicts == []
    assert (job["state"], job["reason"], job["attempt"], job["elapsed"], job["errors"]) == ("succeeded", None, 1, 0.5, None)
    assert (job["args"], job["meta"], job["priority"]) == ({"to": 1}, "m", 3)
    assert job["worker_id"] is not None
    assert job["finished_at"] >= job["claimed_at"]
    assert sql.value("select value from job_result where job_id = %s", id) == {"sent": True}
    assert sql.value("select count(*) from job") == 0


@pytest.mark.parametrize("outcome", [{}, {"result": None}], ids=["absent", "null"])
def test_no_result_is_not_stored(sql: Sql, outcome: dict[str, Any]) -> None:
    id, token = sql.running()

    sql.finish(token, {"id": id, "state": "succeeded", **outcome})

    assert sql.value("select count(*) from job_result") == 0
    assert sql.state(id) == "succeeded"


@pytest.mark.parametrize("result", [False, 0, "", [], {}])
def test_an_empty_result_is_a_result(sql: Sql, result: Any) -> None:
    id, token = sql.running()

    sql.finish(token, {"id": id, "state": "succeeded", "result": result})

    assert sql.rows("select value from job_result where job_id = %s", id) == [{"value": result}]


@pytest.mark.parametrize(("ttl", "seconds"), [(None, 86400), (timedelta(minutes=1), 60)])
def test_a_result_is_kept_as_long_as_was_asked(sql: Sql, ttl: timedelta | None, seconds: int) -> None:
    id, token = sql.running(result_ttl=ttl)

    sql.finish(token, {"id": id, "state": "succeeded", "result": 1})

    left = sql.value("select extract(epoch from expires_at - clock_timestamp()) from job_result")
    assert seconds - 30 < left <= seconds


def test_a_handler_that_cancels_its_job_says_why(sql: Sql) -> None:
    id, token = sql.running()
    other, other_token = sql.running()

    sql.finish(token, {"id": id, "state": "cancelled", "error": {"type": "Cancel", "message": "gone"}})
    sql.finish(other_token, {"id": other, "state": "cancelled", "reason": "expired"})

    assert (sql.state(id), sql.job(id)["reason"]) == ("cancelled", "user_requested")
    assert sql.job(id)["errors"][0]["message"] == "gone"
    assert sql.job(other)["reason"] == "expired"


def test_a_batch_of_all_outcomes_ends_each_job_as_it_said(sql: Sql) -> None:
    ids = [sql.enqueue() for _ in range(6)]
    token, _ = sql.claim(sql.worker())
    done, cancelled, failed, dead, snoozed, unknown = ids

    verdicts = sql.finish(
        token,
        {"id": done, "state": "succeeded"},
        {"id": cancelled, "state": "cancelled"},
        {"id": failed, "state": "failed", "error": {"type": "E"}},
        {"id": dead, "state": "failed", "error": {"type": "E"}, "final": True},
        {"id": snoozed, "state": "snoozed", "delay": 60},
        {"id": unknown, "state": "unknown_task"},
    )

    assert [sql.state(id) for id in ids] == ["succeeded", "cancelled", "scheduled", "failed", "scheduled", "scheduled"]
    assert {row["job_id"]: row["verdict"] for row in verdicts} == {
        failed: "scheduled",
        dead: "dead_letter",
        snoozed: "scheduled",
        unknown: "scheduled",
    }
    assert all((row["run_at"] is None) == (row["verdict"] == "dead_letter") for row in verdicts)


@pytest.mark.parametrize(
    ("policy", "not_before", "wait"),
    [
        ({"backoff": "fixed", "delay": 0}, 60, 60),
        ({"backoff": "fixed", "delay": 100, "jitter": False}, 60, 100),
        ({"backoff": "fixed", "delay": 0}, -1, 0),
        ({"backoff": "fixed", "delay": 0}, None, 0),
    ],
)
def test_a_retry_waits_at_least_until_its_outcome_says(sql: Sql, policy: Any, not_before: float | None, wait: float) -> None:
    id, token = sql.running(retry=json.dumps(policy))
    sql.finish(token, {"id": id, "state": "failed", "error": {"type": "E"}, "not_before": not_before})
    waits = sql.value("select extract(epoch from run_at - put_off_at)::float8 from job")
    assert waits == wait


def test_a_second_finish_of_a_job_is_stale_and_the_first_stands(sql: Sql) -> None:
    id, token = sql.running()
    sql.finish(token, {"id": id, "state": "succeeded", "result": 1})

    verdicts = sql.finish(token, {"id": id, "state": "failed", "final": True})

    assert [row["verdict"] for row in verdicts] == ["stale"]
    assert sql.state(id) == "succeeded"
    assert sql.value("select count(*) from jobs") == 1


def test_a_stale_outcome_does_not_hold_up_the_others_of_its_batch(sql: Sql) -> None:
    id, token = sql.running()

    verdicts = sql.finish(token, {"id": id + 1, "state": "succeeded"}, {"id": id, "state": "succeeded"})

    assert [(row["job_id"], row["verdict"]) for row in verdicts] == [(id + 1, "stale")]
    assert sql.state(id) == "succeeded"


def test_a_job_that_runs_again_elsewhere_is_out_of_reach_of_its_old_token(sql: Sql) -> None:
    id, old = sql.running()
    sql.value("select give_back(%s, %s)", old, [id])
    new, _ = sql.claim(sql.worker(), queues=(sql.job(id)["queue"],))

    assert [row["verdict"] for row in sql.finish(old, {"id": id, "state": "succeeded"})] == ["stale"]
    assert [row["verdict"] for row in sql.finish(uuid.uuid4(), {"id": id, "state": "failed"})] == ["stale"]

    assert sql.state(id) == "running"
    assert sql.finish(new, {"id": id, "state": "succeeded"}) == []


def test_an_outcome_that_is_none_is_refused_by_name_and_changes_nothing(sql: Sql) -> None:
    id, token = sql.running()
    outcomes = json.dumps([{"id": id, "token": str(token), "state": "finished"}])

    refused = sql.refusal("select * from finish(%s)", outcomes)

    assert (refused.sqlstate, refused.diag.column_name) == ("PQ001", "state")
    assert "'finished' is not valid; use succeeded, cancelled, failed, snoozed, waiting, rate_limited or unknown_task" in str(
        refused
    )
    assert sql.state(id) == "running"


def test_no_outcomes_do_nothing(sql: Sql) -> None:
    assert sql.rows("select * from finish('[]')") == []


def test_a_finished_job_lands_in_the_partition_of_its_day_or_in_the_default_one(sql: Sql) -> None:
    id, token = sql.running()
    lost, lost_token = sql.running()
    sql.finish(token, {"id": id, "state": "succeeded"})
    today = sql.value("select 'job_history_' || to_char(clock_timestamp() at time zone 'UTC', 'YYYYMMDD')")
    stored_in = sql.value("select tableoid::regclass::text from job_history where id = %s", id)

    sql.rows(f"drop table {today}")
    sql.finish(lost_token, {"id": lost, "state": "succeeded"})

    assert stored_in == today
    assert sql.value("select tableoid::regclass::text from job_history where id = %s", lost) == "job_history_default"
