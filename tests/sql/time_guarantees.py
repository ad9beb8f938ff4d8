"""What must hold of times: true of our SQL (test_far_times), false of each mutant (test_mutants)."""

import json
from collections.abc import Callable
from typing import Any

import psycopg

from .conftest import Sql

OpenSql = Callable[[], Sql]
WORDS = "give an interval that ends between the years 1 and 9999"


def _refused(sql: Sql, field: str, words: str, query: str, *params: Any) -> None:
    """The statement raises PQ001 for this field, in these words."""
    said: psycopg.Error | None = None
    try:
        with sql.connection.transaction(force_rollback=True):
            sql.value(query, *params)
    except psycopg.Error as error:
        said = error
    assert said is not None, f"{query} took {params}"
    assert (said.sqlstate, said.diag.column_name) == ("PQ001", field), f"{query} said {said}"
    assert words in str(said)


def a_delay_beyond_the_calendar_is_refused(sql: Sql, open_sql: OpenSql) -> None:
    """However a job asks to run again, and the job stays with its owner."""
    id, token = sql.running()
    for delay in (2.0**40, 1e300, "Infinity", "NaN"):
        for state in ("snoozed", "failed", "rate_limited"):
            outcome = {"id": id, "token": str(token), "state": state, "delay": delay}
            _refused(sql, "delay", WORDS, "select finish(%s)", json.dumps([outcome]))
    _refused(sql, "delay", f"{WORDS}; it is of job {id}", "select snooze(%s, %s, %s)", id, token, 2.0**40)
    assert sql.state(id) == "running"


def a_linear_wait_ends_within_the_calendar(sql: Sql, open_sql: OpenSql) -> None:
    """Step by step it gets as long as a million years, and the failure must be stored."""
    policy = json.dumps({"backoff": "linear", "delay": 1e9, "step": 1e9, "jitter": False})
    id, token = sql.running(retries=32766, retry=policy)
    sql.rows("update job set attempt = 32000 where id = %s", id)
    try:
        sql.finish(token, {"id": id, "state": "failed", "error": {"type": "E", "message": "m"}})
    except psycopg.Error as error:
        raise AssertionError(f"the outcome is lost: {error}") from error
    assert sql.state(id) == "scheduled"
    assert sql.job(id)["run_at"].year < 2100


def a_result_is_not_kept_beyond_the_calendar(sql: Sql, open_sql: OpenSql) -> None:
    """Its end would be a time that nobody can read, or none at all."""
    for ttl in ("1001 years", "100000 years"):
        _refused(sql, "result_ttl", "1000 years", "select enqueue('noop', result_ttl => %s)", ttl)
