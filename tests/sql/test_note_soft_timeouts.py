"""note_soft_timeouts: what has passed its soft timeout says so, as long as the job is kept."""

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

import psycopg

from .conftest import Sql

TERMS = {"timeout": 60, "soft_timeout": 48}


def _runs(*runs: tuple[int, UUID, float]) -> str:
    return json.dumps([{"id": id, "token": str(token), "elapsed": elapsed} for id, token, elapsed in runs])


def _timed(sql: Sql) -> tuple[int, UUID]:
    """A running job with a timeout."""
    id, token = sql.running()
    sql.rows("update job set terms = %s::jsonb where id = %s", json.dumps(TERMS), id)
    return id, token


def _terms(sql: Sql, id: int) -> dict[str, Any]:
    terms: dict[str, Any] = sql.value("select terms from jobs where id = %s", id)
    return terms


def test_it_is_noted_beside_the_other_terms(sql: Sql) -> None:
    id, token = _timed(sql)
    other, _ = _timed(sql)

    assert sql.rows("select note_soft_timeouts(%s::jsonb) as id", _runs((id, token, 48.25))) == []

    noted = _terms(sql, id)["soft_timed_out"]
    assert (noted["attempt"], noted["elapsed"]) == (1, 48.25)
    assert sql.value("select clock_timestamp() - %s::timestamptz < interval '1 min'", noted["at"])
    assert _terms(sql, id) == TERMS | {"soft_timed_out": noted}
    assert _terms(sql, other) == TERMS


def test_it_stays_with_the_job_through_retries_and_its_end_and_the_last_attempt_counts(sql: Sql) -> None:
    id, token = _timed(sql)
    sql.rows("select note_soft_timeouts(%s::jsonb)", _runs((id, token, 48)))
    sql.finish(token, {"id": id, "state": "failed", "delay": 0})
    assert _terms(sql, id)["soft_timed_out"]["attempt"] == 1
    second, _ = sql.claim(sql.worker(), queues=(sql.job(id)["queue"],))
    sql.rows("select note_soft_timeouts(%s::jsonb)", _runs((id, second, 49)))
    sql.finish(second, {"id": id, "state": "succeeded"})
    noted = sql.value("select terms->'soft_timed_out' from jobs where id = %s and state = 'succeeded'", id)
    assert (noted["attempt"], noted["elapsed"]) == (2, 49)


def test_a_job_without_terms_gets_some(sql: Sql) -> None:
    id, token = sql.running()
    sql.rows("select note_soft_timeouts(%s::jsonb)", _runs((id, token, 1)))
    assert list(_terms(sql, id)) == ["soft_timed_out"]


def test_a_job_of_another_token_is_left_alone(sql: Sql) -> None:
    id, token = _timed(sql)
    sql.rows("update job set claim_token = gen_random_uuid()")
    before = sql.rows("select * from job")

    assert sql.rows("select note_soft_timeouts(%s::jsonb) as id", _runs((id, token, 48))) == []

    assert sql.rows("select * from job") == before


def test_a_locked_job_is_named_and_the_others_are_noted(sql: Sql, connect: Callable[..., psycopg.Connection[Any]]) -> None:
    (locked, token), (other, its_token) = _timed(sql), _timed(sql)
    holder = connect(autocommit=False)
    holder.execute("select from job where id = %s for update", (locked,))

    assert sql.rows("select note_soft_timeouts(%s::jsonb) as id", _runs((locked, token, 48), (other, its_token, 48))) == [
        {"id": locked}
    ]

    assert _terms(sql, locked) == TERMS
    assert "soft_timed_out" in _terms(sql, other)
    holder.rollback()


def test_a_new_job_that_runs_a_finished_one_again_has_not_passed_it(sql: Sql) -> None:
    id, token = _timed(sql)
    sql.rows("select note_soft_timeouts(%s::jsonb)", _runs((id, token, 48)))
    sql.finish(token, {"id": id, "state": "succeeded"})
    again = sql.value("select id from retry(%s)", id)
    assert (again != id, _terms(sql, again)) == (True, TERMS)
    plain, its_token = sql.running()
    sql.finish(its_token, {"id": plain, "state": "succeeded"})
    sql.value("select id from retry(%s)", plain)
    assert sql.value("select terms is null from job where retry_of = %s", plain)
