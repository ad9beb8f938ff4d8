"""The time limits of an enqueue: what is stored, from when it counts, and what is refused."""

import json
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from .conftest import Sql
from .flows import node, start

HOUR = timedelta(hours=1)
GIVEN = {"timeout": "60 s", "soft_timeout": "45.5 s", "expires_after": "2 h", "total_timeout": "1 day"}
TERMS = {"timeout": 60, "soft_timeout": 45.5, "expires_after": 7200, "total_timeout": 86400}


def by_enqueue(sql: Sql, options: dict[str, Any]) -> int:
    return sql.enqueue(**options)


def by_enqueue_many(sql: Sql, options: dict[str, Any]) -> int:
    named = "".join(f", {name} => %s" for name in options)
    return int(sql.value(f"select (enqueue_many('noop', '[{{}}]'{named}))[1]", *options.values()))


def by_json(sql: Sql, options: dict[str, Any]) -> int:
    return int(sql.value("select id from enqueue_many(%s)", json.dumps([{"task": "noop", **options}])))


def by_select(sql: Sql, options: dict[str, Any]) -> int:
    named = "".join(f", {name} => %s" for name in options)
    sql.value(f"select enqueue_select('noop', array['{{}}'::jsonb]{named})", *options.values())
    return int(sql.value("select max(id) from job"))


def by_unique(sql: Sql, options: dict[str, Any]) -> int:
    return sql.enqueue(unique_mode="until_done", **options)


def by_node(sql: Sql, options: dict[str, Any]) -> int:
    return start(sql, node("a", **options))["a"]


WAYS = [by_enqueue, by_enqueue_many, by_json, by_select, by_unique, by_node]


@pytest.mark.parametrize("add", WAYS)
def test_limits_are_stored_and_count_from_when_the_job_is_due(sql: Sql, add: Any) -> None:
    job = sql.job(add(sql, {"run_after": "1 h", **GIVEN}))

    assert job["terms"] == TERMS
    assert job["expires_at"] - job["run_at"] == 2 * HOUR
    assert job["deadline_at"] - job["run_at"] == 24 * HOUR


@pytest.mark.parametrize("add", WAYS)
def test_a_job_may_expire_at_a_given_time(sql: Sql, add: Any) -> None:
    job = sql.job(add(sql, {"expires_at": "2040-01-01 12:00+00"}))

    assert (job["terms"], job["expires_at"].year, job["deadline_at"]) == (None, 2040, None)


@pytest.mark.parametrize("add", WAYS)
def test_a_job_without_limits_has_none(sql: Sql, add: Any) -> None:
    job = sql.job(add(sql, {}))

    assert (job["terms"], job["expires_at"], job["deadline_at"]) == (None, None, None)


@pytest.mark.parametrize("add", WAYS)
def test_zero_is_no_limit(sql: Sql, add: Any) -> None:
    zero = sql.job(add(sql, {"timeout": "0 s", "total_timeout": "0"}))
    assert (zero["terms"], zero["deadline_at"]) == (None, None)


def test_zero_for_a_soft_limit_is_kept_because_a_timeout_alone_has_one(sql: Sql) -> None:
    assert sql.job(sql.enqueue(timeout="1 min", soft_timeout="0"))["terms"] == {"timeout": 60, "soft_timeout": 0}


@pytest.mark.parametrize(
    ("options", "field", "remedy"),
    [
        ({"timeout": "-1 s"}, "timeout", "use an interval from 0 to 1000 years"),
        ({"total_timeout": "1001 years"}, "total_timeout", "use an interval from 0 to 1000 years"),
        ({"expires_after": "-1 s"}, "expires_after", "use an interval from 0 to 1000 years"),
        ({"timeout": "5 s", "soft_timeout": "5 s"}, "soft_timeout", "the timeout is 00:00:05; use less, or 0 for no soft limit"),
        ({"expires_after": "1 s", "expires_at": "2040-01-01"}, "expires_after", "give expires_at or expires_after, not both"),
        ({"expires_at": "infinity"}, "expires_at", "give a time between the years 1 and 9999"),
    ],
)
@pytest.mark.parametrize("add", WAYS)
def test_a_limit_that_makes_no_sense_is_refused(sql: Sql, add: Any, options: dict[str, Any], field: str, remedy: str) -> None:
    with pytest.raises(psycopg.Error, match=remedy) as caught:
        add(sql, options)

    assert (caught.value.sqlstate, caught.value.diag.column_name) == ("PQ001", field)


def test_limits_beyond_the_calendar_end_with_it(sql: Sql) -> None:
    job = sql.job(sql.enqueue(run_at="9999-01-01", total_timeout="900 years", expires_after="900 years"))

    assert (job["deadline_at"].year, job["expires_at"].year) == (9999, 9999)


def test_a_claim_tells_the_worker_the_limits_and_what_is_left_until_the_deadline(sql: Sql) -> None:
    sql.enqueue(timeout="60 s")
    sql.enqueue(total_timeout="60 s")
    sql.enqueue()

    _, (timed, total, plain) = sql.claim(sql.worker())

    assert (timed["terms"], plain["terms"]) == ({"timeout": 60}, None)
    assert 50 < total["terms"].pop("left") <= 60
    assert total["terms"] == {"total_timeout": 60}


def test_a_new_time_moves_what_counts_from_it(sql: Sql) -> None:
    id = sql.enqueue(expires_after="1 h", total_timeout="2 h")
    sql.value("select update(%s, run_after => '1 day')", id)
    job = sql.job(id)

    assert job["expires_at"] - job["run_at"] == HOUR
    assert job["deadline_at"] - job["run_at"] == 2 * HOUR


def test_another_change_moves_neither_limit(sql: Sql) -> None:
    id = sql.enqueue(expires_after="1 h", total_timeout="2 h")
    before = sql.job(id)
    sql.value("select update(%s, priority => 3)", id)

    assert sql.job(id) == before | {"priority": 3}


def test_a_job_that_replaces_one_brings_its_own_limits(sql: Sql) -> None:
    first = sql.enqueue(unique_mode="replace", timeout="1 h", total_timeout="1 h")
    assert sql.enqueue(unique_mode="replace", expires_after="1 h") == first
    job = sql.job(first)

    assert (job["terms"], job["deadline_at"]) == ({"expires_after": 3600}, None)
    assert job["expires_at"] is not None


def test_a_scheduled_job_that_is_retried_has_its_limits_from_then_on(sql: Sql) -> None:
    id = sql.enqueue(run_after="1 day", expires_after="1 h", total_timeout="2 h")
    at_a_time = sql.enqueue(run_after="1 day", expires_at="2999-01-01Z")
    for one in (id, at_a_time):
        sql.value("select id from retry(%s)", one)

    job, other = sql.job(id), sql.job(at_a_time)

    assert (job["state"], job["run_at"] < job["created_at"] + HOUR) == ("ready", True)
    assert HOUR - timedelta(minutes=1) < job["expires_at"] - job["run_at"] < HOUR + timedelta(minutes=1)
    assert HOUR <= job["deadline_at"] - job["expires_at"] < HOUR + timedelta(minutes=1)
    assert (other["expires_at"].year, other["deadline_at"]) == (2999, None)


@pytest.mark.parametrize("reason", ["expired", "timeout"])
def test_a_job_that_is_retried_has_its_limits_again_from_then_on(sql: Sql, reason: str) -> None:
    id = sql.enqueue(expires_after="1 h", total_timeout="2 h", timeout="1 min")
    sql.rows(f"update job set {'expires_at' if reason == 'expired' else 'deadline_at'} = '2000-01-01'")
    sql.value("select expire()")

    job = sql.job(sql.value("select id from retry(%s)", id))

    assert (job["state"], job["terms"]) == ("ready", {"timeout": 60, "expires_after": 3600, "total_timeout": 7200})
    assert HOUR - timedelta(minutes=1) < job["expires_at"] - job["run_at"] < HOUR + timedelta(minutes=1)
    assert sql.value("select expire()") == 0
