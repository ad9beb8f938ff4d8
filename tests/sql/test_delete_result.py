"""delete_result: a result goes before its time."""

from datetime import timedelta
from typing import Any

import pytest

from .conftest import Sql
from .test_extend_result import succeeded
from .test_result import result


@pytest.mark.parametrize("value", [1, None])
def test_a_deleted_result_is_expired(sql: Sql, value: Any) -> None:
    id, other = succeeded(sql, value), succeeded(sql, 2)

    sql.value("select delete_result(%s)", id)

    assert result(sql, id)["expired"]
    assert sql.rows("select job_id from job_result") == [{"job_id": other}]
    assert result(sql, other)["value"] == 2


def test_deleting_twice_or_what_is_over_is_no_error(sql: Sql) -> None:
    id, over = succeeded(sql), succeeded(sql, result_ttl=timedelta(0))
    for _ in range(2):
        sql.value("select delete_result(%s)", id)
        sql.value("select delete_result(%s)", over)

    assert result(sql, id)["expired"]


def test_a_deleted_result_is_not_extended(sql: Sql) -> None:
    id = succeeded(sql)
    sql.value("select delete_result(%s)", id)

    assert sql.refusal("select extend_result(%s, '1 h')", id).sqlstate == "PQ004"


def test_an_unknown_job_is_refused(sql: Sql) -> None:
    assert sql.refusal("select delete_result(4711)").sqlstate == "PQ003"


def test_a_job_that_has_not_succeeded_is_refused(sql: Sql) -> None:
    cancelled = sql.enqueue()
    sql.value("select cancel(%s)", cancelled)
    for id in (sql.enqueue(), cancelled):
        error = sql.refusal("select delete_result(%s)", id)
        assert error.sqlstate == "PQ004"
        assert "only a job that has succeeded has a result" in str(error)


def test_a_job_that_runs_again_keeps_its_new_result(sql: Sql) -> None:
    id = succeeded(sql)
    sql.value("select delete_result(%s)", id)

    again = sql.value("select id from retry(%s)", id)

    assert sql.value("select result_ttl from job where id = %s", again) is None
