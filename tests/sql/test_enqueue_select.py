"""enqueue_select: a job per row of a query, in the caller's own statement."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from .conftest import Sql

ONE_BATCH = "select sum(enqueue_select('welcome', rows{})) from (select array_agg(to_jsonb(q)) as rows from ({}) q) batch"
BATCHES = """
    select sum(enqueue_select('welcome', rows{})) from (
        select array_agg(to_jsonb(q) - 'row_number') as rows
          from (select *, row_number() over () from ({}) given) q group by row_number / 100) batch
"""


def enqueue(sql: Sql, query: str, *params: Any, form: str = ONE_BATCH, **options: Any) -> Any:
    """How many jobs were added for the rows of this query."""
    named = "".join(f", {name} => %s" for name in options)
    return sql.value(form.format(named, query), *options.values(), *params)


@pytest.mark.parametrize("form", [ONE_BATCH, BATCHES], ids=["one batch", "batches"])
def test_each_row_becomes_a_job_whose_arguments_are_its_columns(sql: Sql, form: str) -> None:
    added = enqueue(sql, "select n as user_id, 'u' || n as name from generate_series(1, 1234) n", form=form)

    assert added == 1234
    rows = sql.rows("select task, args, state, queue from job order by (args->>'user_id')::int")
    assert rows == [
        {"task": "welcome", "args": {"user_id": n, "name": f"u{n}"}, "state": "ready", "queue": "default"} for n in range(1, 1235)
    ]


def test_ids_come_in_the_order_of_the_rows(sql: Sql) -> None:
    enqueue(sql, "select n from generate_series(50, 1, -1) n")

    assert [row["args"]["n"] for row in sql.rows("select args from job order by id")] == list(range(50, 0, -1))


def test_the_query_sees_the_callers_transaction(sql: Sql) -> None:
    with sql.connection.transaction():
        sql.rows("create temp table users (id int) on commit drop")
        sql.rows("insert into users values (7)")
        assert enqueue(sql, "select id from users") == 1

    assert sql.value("select args from job") == {"id": 7}


def test_all_jobs_get_the_same_options(sql: Sql) -> None:
    options: dict[str, Any] = {
        "queue": "mail",
        "priority": 5,
        "run_after": "1 h",
        "retries": 1,
        "retry": '{"jitter": false}',
        "result_ttl": "1 min",
        "meta": "7",
    }
    enqueue(sql, "select 1 as n union all select 2", **options)

    rows = sql.rows("select queue, priority, state, max_attempts, retry, result_ttl, meta from job")
    assert rows == 2 * [
        {
            "queue": "mail",
            "priority": 5,
            "state": "scheduled",
            "max_attempts": 2,
            "retry": {"jitter": False},
            "result_ttl": timedelta(minutes=1),
            "meta": 7,
        }
    ]


@pytest.mark.parametrize(("mode", "period"), [("until_done", None), ("until_started", None), ("period", "1 h")])
def test_duplicates_are_not_counted_and_not_added(rolled_back_sql: Sql, mode: str, period: str | None) -> None:
    sql = rolled_back_sql
    options: dict[str, Any] = {"unique_mode": mode, "unique_period": period}

    first = enqueue(sql, "select mod(n, 10) as n from generate_series(1, 30) n", form=BATCHES, **options)
    second = enqueue(sql, "select n from generate_series(5, 14) n", **options)

    assert (first, second) == (10, 5)
    assert sorted(row["args"]["n"] for row in sql.rows("select args from job")) == list(range(15))


def test_a_key_with_names_is_filled_for_each_row(sql: Sql) -> None:
    query = "select n as id, mod(n, 3) as team from generate_series(1, 9) n"

    assert enqueue(sql, query, unique_mode="until_done", unique_key="team-{team}") == 3


def test_rows_that_replace_a_waiting_job_are_not_counted_but_change_it(sql: Sql) -> None:
    assert enqueue(sql, "select 1 as n", unique_mode="replace", unique_key="k") == 1
    assert enqueue(sql, "select 2 as n", unique_mode="replace", unique_key="k") == 0

    assert sql.value("select args from job") == {"n": 2}


@pytest.mark.parametrize("mode", [None, "until_done"])
def test_the_workers_of_the_queue_are_woken_once(sql: Sql, another_sql: Callable[[], Sql], mode: str | None) -> None:
    worker = another_sql()
    worker.listen()

    enqueue(sql, "select n from generate_series(1, 500) n", form=BATCHES, queue="mail", unique_mode=mode)

    assert worker.wakes(sql) == ["mail"]


@pytest.mark.parametrize("options", [{"run_after": "1 h"}, {"notify": False}, {"run_after": "1 h", "unique_mode": "until_done"}])
def test_jobs_for_later_and_callers_that_wake_themselves_wake_nobody(
    sql: Sql, another_sql: Callable[[], Sql], options: dict[str, Any]
) -> None:
    worker = another_sql()
    worker.listen()

    assert enqueue(sql, "select 1 as n", **options) == 1

    assert worker.wakes(sql) == []


@pytest.mark.parametrize("mode", [None, "until_done", "replace"])
def test_no_rows_are_no_jobs_and_wake_nobody(sql: Sql, another_sql: Callable[[], Sql], mode: str | None) -> None:
    worker = another_sql()
    worker.listen()

    assert enqueue(sql, "select 1 as n where false", unique_mode=mode) == 0
    assert enqueue(sql, "select 1 as n where false", form=BATCHES, unique_mode=mode) is None  # no batch: the sum of nothing

    assert worker.wakes(sql) == []
    assert sql.value("select count(*) from job") == 0


def test_a_rolled_back_statement_leaves_nothing_and_wakes_nobody(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    worker = another_sql()
    worker.listen()

    with sql.connection.transaction(force_rollback=True):
        enqueue(sql, "select 1 as n", unique_mode="until_done")

    assert worker.wakes(sql) == []
    assert sql.value("select count(*) from jobs") == 0


@pytest.mark.parametrize("mode", [None, "until_done"])
@pytest.mark.parametrize("bad", ["'[1]'", "'1'", "'null'", "null"])
def test_one_row_without_names_refuses_all(rolled_back_sql: Sql, bad: str, mode: str | None) -> None:
    sql = rolled_back_sql
    refused = sql.refusal(f"select enqueue_select('noop', array['{{}}', {bad}]::jsonb[], unique_mode => %s)", mode)

    assert (refused.sqlstate, refused.diag.column_name) == ("PQ001", "args")
    assert sql.value("select count(*) from job") == 0


@pytest.mark.one_case
@pytest.mark.parametrize("mode", [None, "until_done"])
def test_a_bad_option_is_refused(rolled_back_sql: Sql, mode: str | None) -> None:
    refused = rolled_back_sql.refusal("select enqueue_select('noop', array['{}'::jsonb], 'two words', unique_mode => %s)", mode)

    assert (refused.sqlstate, refused.diag.column_name) == ("PQ001", "queue")


def test_the_query_of_a_user_runs_with_the_rights_of_that_user(sql: Sql) -> None:
    reader = f"reader_{uuid.uuid4().hex[:8]}"
    sql.rows(f"create role {reader}")
    try:
        sql.rows(f"grant usage on schema pgqueue to {reader}")
        sql.rows(f"grant execute on function enqueue_select to {reader}")
        sql.rows("create table secret (n int)")
        with sql.connection.transaction():
            sql.rows(f"set local role {reader}")
            assert enqueue(sql, "select 1 as n") == 1
            assert sql.refusal(ONE_BATCH.format("", "select n from secret")).sqlstate == "42501"
    finally:
        sql.rows(f"drop owned by {reader}")
        sql.rows(f"drop role {reader}")
