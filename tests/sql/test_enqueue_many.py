"""enqueue_many: many jobs of one task in one statement."""

import json
from collections.abc import Callable
from datetime import timedelta

import pytest

from .conftest import Sql


def test_many_jobs_are_added_and_their_ids_come_in_the_order_of_their_arguments(sql: Sql) -> None:
    args = [{"n": n} for n in range(5_000)]

    ids = sql.value("select enqueue_many('noop', %s)", json.dumps(args))

    assert [row["args"] for row in sql.rows("select args from unnest(%s::bigint[]) with ordinality as i(id, place) "
                                            "join job using (id) order by place", ids)] == args  # fmt: skip
    assert len(set(ids)) == 5_000


def test_all_jobs_get_the_same_options(sql: Sql) -> None:
    ids = sql.value(
        """select enqueue_many('noop', '[{}, {}]', 'mail', 5, run_after => '1 h', retries => 1, retry => '{"jitter": false}',
                               result_ttl => '1 min', meta => '7')"""
    )

    rows = sql.rows("select queue, priority, state, max_attempts, retry, result_ttl, meta from job where id = any (%s)", ids)

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


def test_no_arguments_mean_no_jobs_and_no_wake_up(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    worker = another_sql()
    worker.listen()

    assert sql.value("select enqueue_many('noop', '[]')") == []

    assert worker.wakes(sql) == []


def test_one_statement_wakes_workers_once(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    worker = another_sql()
    worker.listen()

    sql.value("select enqueue_many('noop', '[{}, {}, {}]')")

    assert worker.wakes(sql) == ["default"]


def test_jobs_for_later_wake_nobody(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    worker = another_sql()
    worker.listen()

    sql.value("select enqueue_many('noop', '[{}, {}]', run_after => '1 h')")

    assert worker.wakes(sql) == []


@pytest.mark.parametrize("args", ["{}", "1", "null", None])
def test_arguments_that_are_no_list_are_refused(rolled_back_sql: Sql, args: str | None) -> None:
    refused = rolled_back_sql.refusal("select enqueue_many('noop', %s)", args)

    assert (refused.sqlstate, refused.diag.column_name) == ("PQ001", "args")
    assert "give a JSON array" in str(refused)


@pytest.mark.parametrize("bad", ["1", "[]", "[1, 2]", "[{}]", "null", '"x"'])
def test_one_element_without_names_refuses_all_and_is_shown(rolled_back_sql: Sql, bad: str) -> None:
    refused = rolled_back_sql.refusal("select enqueue_many('noop', %s)", f'[{{"n": 1}}, {bad}]')

    assert (refused.sqlstate, refused.diag.column_name) == ("PQ001", "args")
    assert f"'{bad}' is not valid; give the arguments by name as a JSON object" in str(refused)
    assert rolled_back_sql.value("select count(*) from jobs") == 0
