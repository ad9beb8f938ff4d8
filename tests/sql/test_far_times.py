"""Times beyond the year 9999, which neither Python nor people can read, are refused or bounded wherever a job gets one."""

import json
import uuid
from typing import Any

import pytest

from .conftest import Sql

BEYOND = [2.0**40, 1e300, "Infinity", "NaN"]
WORDS = "give an interval that ends between the years 1 and 9999"


@pytest.mark.parametrize("delay", BEYOND)
@pytest.mark.parametrize("state", ["snoozed", "failed", "rate_limited"])
def test_a_delay_that_nobody_can_read_is_refused_and_the_job_stays(sql: Sql, state: str, delay: Any) -> None:
    id, token = sql.running()
    outcome = {"id": id, "token": str(token), "state": state, "delay": delay}

    refused = sql.refusal("select finish(%s)", json.dumps([outcome]))

    assert (refused.sqlstate, refused.diag.column_name) == ("PQ001", "delay")
    assert WORDS in str(refused)
    assert f"job {id}" in str(refused)
    assert sql.state(id) == "running"


def test_snooze_refuses_it_too(sql: Sql) -> None:
    id, token = sql.running()
    assert sql.refusal("select snooze(%s, %s, %s)", id, token, 2.0**40).sqlstate == "PQ001"


@pytest.mark.parametrize("delay", [-1.0, -1e300, "-Infinity"])
def test_a_negative_delay_means_at_once(sql: Sql, delay: Any) -> None:
    id, token = sql.running()
    sql.finish(token, {"id": id, "state": "snoozed", "delay": delay})
    assert sql.state(id) == "ready"


@pytest.mark.parametrize("elapsed", [1e30, "NaN", "-Infinity", -5])
def test_an_elapsed_time_that_cannot_be_true_does_not_lose_the_outcome(sql: Sql, elapsed: Any) -> None:
    id, token = sql.running()
    sql.finish(token, {"id": id, "state": "failed", "elapsed": elapsed, "error": {"type": "E", "message": "m"}})
    assert sql.state(id) == "scheduled"


def test_the_longest_step_of_a_linear_policy_ends_within_the_calendar(sql: Sql) -> None:
    policy = json.dumps({"backoff": "linear", "delay": 1e9, "step": 1e9, "jitter": False})
    id, token = sql.running(retries=32766, retry=policy)
    sql.rows("update job set attempt = 32000 where id = %s", id)
    sql.finish(token, {"id": id, "state": "failed", "error": {"type": "E", "message": "m"}})
    assert sql.state(id) == "scheduled"
    assert sql.job(id)["run_at"].year < 2100


@pytest.mark.parametrize("ttl", ["1001 years", "100000 years"])
def test_a_result_cannot_be_kept_until_a_time_that_nobody_can_read(sql: Sql, ttl: str) -> None:
    refused = sql.refusal("select enqueue('noop', result_ttl => %s)", ttl)
    assert (refused.sqlstate, refused.diag.column_name) == ("PQ001", "result_ttl")
    assert "use an interval from 0 to 1000 years" in str(refused)


def test_a_token_of_nobody_is_stale_whatever_its_delay(sql: Sql) -> None:
    id, _ = sql.running()
    (row,) = sql.finish(uuid.uuid4(), {"id": id, "state": "snoozed", "delay": 2.0**40})
    assert row["verdict"] == "stale"
