"""find_duplicate: who would stand in the way, without enqueueing."""

import json
from typing import Any

import pytest

from .conftest import Sql


def find(sql: Sql, args: dict[str, Any] | None = None, **options: Any) -> Any:
    named = "".join(f", {name} => %s" for name in options)
    return sql.value(f"select find_duplicate('noop', %s{named})", json.dumps(args or {}), *options.values())


@pytest.mark.parametrize(
    ("mode", "period"), [("until_done", None), ("until_started", None), ("replace", None), ("period", "1 h")]
)
def test_the_answer_is_the_job_that_an_enqueue_would_get(rolled_back_sql: Sql, mode: str, period: str | None) -> None:
    sql = rolled_back_sql
    assert find(sql, {"to": 1}, unique_mode=mode) is None

    id = sql.enqueue(args={"to": 1}, unique_mode=mode, unique_period=period)

    assert find(sql, {"to": 1}, unique_mode=mode) == id
    assert find(sql, {"to": 2}, unique_mode=mode) is None
    assert sql.value("select find_duplicate('other', %s, %s)", '{"to": 1}', mode) is None
    assert sql.value("select count(*) from jobs") == 1


def test_a_key_is_given_and_filled_as_in_enqueue(sql: Sql) -> None:
    id = sql.enqueue(args={"id": 7}, unique_mode="until_done", unique_key="user-{id}")

    assert find(sql, {"id": 7, "more": 1}, unique_key="user-{id}") == id
    assert find(sql, {"id": 8}, unique_key="user-{id}") is None
    assert find(sql, {"id": 7}) is None


def test_a_job_that_is_over_stands_in_nobodys_way(sql: Sql) -> None:
    id = sql.enqueue(unique_mode="until_done")
    assert find(sql) == id

    sql.value("select cancel(%s)", id)

    assert find(sql) is None


def test_a_job_that_has_started_stands_in_the_way_as_its_mode_says(sql: Sql) -> None:
    done, started = (sql.enqueue(unique_mode=mode, unique_key=mode) for mode in ("until_done", "until_started"))
    sql.claim(sql.worker())

    assert (find(sql, unique_key="until_done"), find(sql, unique_key="until_started")) == (done, None)
    assert started != done


def test_a_period_that_is_over_stands_in_nobodys_way(sql: Sql) -> None:
    sql.enqueue(unique_mode="period", unique_period="1 h")
    sql.rows("update unique_hold set expires_at = clock_timestamp() - interval '1 s'")

    assert find(sql, unique_mode="period") is None


@pytest.mark.one_case
@pytest.mark.parametrize("mode", ["forever", "", None])
def test_a_mode_that_does_not_exist_is_refused(rolled_back_sql: Sql, mode: str | None) -> None:
    refused = rolled_back_sql.refusal("select find_duplicate('noop', '{}', %s)", mode)

    assert (refused.sqlstate, refused.diag.column_name) == ("PQ001", "unique_mode")


def test_a_name_that_the_arguments_do_not_have_is_refused(sql: Sql) -> None:
    refused = sql.refusal("select find_duplicate('noop', '{}', unique_key => '{to}')")

    assert (refused.sqlstate, refused.diag.column_name) == ("PQ001", "unique_key")
