"""enqueue_many: many jobs of one task in one statement."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

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


@pytest.mark.one_case
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


# Jobs with options of their own.


def jobs(sql: Sql, *given: dict[str, Any], **common: Any) -> list[dict[str, Any]]:
    """What enqueue_many says of these jobs."""
    return sql.rows(
        "select * from enqueue_many(%s)", json.dumps([{"task": "noop", **common, **job} for job in given], default=str)
    )


def test_jobs_have_options_of_their_own_and_ids_in_their_order(sql: Sql) -> None:
    given = [{"task": f"task {n}", "args": {"n": n}, "queue": f"q{n % 3}", "priority": n % 7} for n in range(500)]

    added = jobs(sql, *given)

    assert [row["duplicate"] for row in added] == 500 * [False]
    assert [
        {name: sql_row[name] for name in ("task", "args", "queue", "priority")}
        for sql_row in sql.rows(
            "select * from unnest(%s::bigint[]) with ordinality as i(id, place) join job using (id) order by place",
            [row["id"] for row in added],
        )
    ] == given


def test_ids_keep_the_order_of_the_jobs_whatever_the_order_of_their_keys(sql: Sql) -> None:
    given = [{"args": {"n": n}, **({"unique_mode": "until_done"} if n % 3 else {})} for n in range(60)]

    added = jobs(sql, *given)

    assert [sql.job(row["id"])["args"]["n"] for row in added] == list(range(60))


def test_each_option_is_the_one_of_enqueue(sql: Sql) -> None:
    options: dict[str, Any] = {
        "args": {"to": 1},
        "queue": "mail",
        "priority": 7,
        "run_at": "2100-01-01T00:00:00+00:00",
        "retries": 2,
        "retry": {"backoff": "fixed"},
        "result_ttl": "1 h",
        "meta": {"trace": "x"},
        "unique_mode": "until_done",
        "unique_key": "{to}",
    }
    (one,) = jobs(sql, options)
    (expected,) = sql.rows("select * from job where id = %s", one["id"])
    sql.rows("delete from job")

    as_text = {**options, "args": '{"to": 1}', "retry": '{"backoff": "fixed"}', "meta": '{"trace": "x"}'}
    two = sql.enqueue(**{name: value for name, value in as_text.items() if name != "args"}, args=options["args"])

    (row,) = sql.rows("select * from job where id = %s", two)
    assert {**row, "id": 0, "created_at": 0} == {**expected, "id": 0, "created_at": 0}
    assert (row["queue"], row["max_attempts"], row["unique_mode"]) == ("mail", 3, "until_done")


def test_a_delay_and_a_period_are_options_too(sql: Sql) -> None:
    (one, two) = jobs(sql, {"run_after": "1 h", "unique_mode": "period", "unique_period": "1 h"}, {"run_after": "0.5 h"})

    assert (sql.state(one["id"]), sql.state(two["id"])) == ("scheduled", "scheduled")
    assert sql.value("select job_id from unique_hold") == one["id"]


def test_what_is_left_out_or_null_has_the_defaults_of_enqueue(sql: Sql) -> None:
    names = ("args", "queue", "priority", "run_at", "run_after", "retries", "retry", "result_ttl", "meta", "unique_mode")

    bare, null = jobs(sql, {}, dict.fromkeys(names))
    id = sql.enqueue()

    def row(id: int) -> dict[str, Any]:
        (found,) = sql.rows("select * from job where id = %s", id)
        return {**found, "id": 0, "run_at": 0, "created_at": 0}

    assert row(bare["id"]) == row(null["id"]) == row(id)


def test_duplicates_within_one_call_are_one_job(sql: Sql) -> None:
    known = sql.enqueue(args={"n": 0}, unique_mode="until_done")

    added = jobs(sql, *({"args": {"n": n}} for n in (1, 0, 1, 2, 1)), unique_mode="until_done")

    assert [row["duplicate"] for row in added] == [False, True, True, False, True]
    assert (added[1]["id"], added[2]["id"], added[4]["id"]) == (known, added[0]["id"], added[0]["id"])
    assert sql.value("select count(*) from job") == 3


def test_of_jobs_that_replace_each_other_in_one_call_the_last_one_stays(sql: Sql) -> None:
    added = jobs(sql, *({"args": {"n": n}} for n in range(5)), unique_mode="replace", unique_key="k")

    assert {row["id"] for row in added} == {added[0]["id"]}
    assert [row["args"] for row in sql.rows("select args from job")] == [{"n": 4}]


def test_each_queue_is_woken_once_and_those_of_jobs_for_later_are_not(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    worker = another_sql()
    worker.listen()

    jobs(sql, {"queue": "b"}, {"queue": "a"}, {"queue": "b"}, {"queue": "later", "run_after": "1 h"}, {})

    assert sorted(worker.wakes(sql)) == ["a", "b", "default"]


def test_no_jobs_are_no_jobs(sql: Sql) -> None:
    assert jobs(sql) == []


@pytest.mark.parametrize(
    "bad", [{"queue": "two words"}, {"priority": 101}, {"retries": -1}, {"task": ""}, {"task": None}, {"args": [1]}]
)
def test_one_bad_job_refuses_all(rolled_back_sql: Sql, bad: dict[str, Any]) -> None:
    given = json.dumps([{"task": "noop"}, {"task": "noop", "unique_mode": "until_done"}, {"task": "noop", **bad}])

    refused = rolled_back_sql.refusal("select * from enqueue_many(%s)", given)

    assert (refused.sqlstate, refused.diag.column_name) == ("PQ001", *bad)
    assert rolled_back_sql.value("select count(*) from jobs") == 0


@pytest.mark.one_case
@pytest.mark.parametrize("name", ["tsak", "wake", "id", "state", ""])
def test_an_unknown_option_is_refused_by_name(rolled_back_sql: Sql, name: str) -> None:
    given = json.dumps([{"task": "noop"}, {"task": "noop", name: 1}])

    refused = rolled_back_sql.refusal("select * from enqueue_many(%s)", given)

    assert (refused.sqlstate, refused.diag.column_name) == ("PQ001", "jobs")
    assert f"jobs: '{name}' is not valid; use the options of enqueue: task, args, queue," in str(refused)


@pytest.mark.one_case
@pytest.mark.parametrize(
    "given", ["{}", "1", "null", '"x"', None, "[1]", '[{"task": "noop"}, [{"task": "noop"}]]', "[null]", '["x"]']
)
def test_what_is_no_list_of_jobs_is_refused(rolled_back_sql: Sql, given: str | None) -> None:
    refused = rolled_back_sql.refusal("select * from enqueue_many(%s::jsonb)", given)

    assert (refused.sqlstate, refused.diag.column_name) == ("PQ001", "jobs")
    assert "give a JSON array of objects" in str(refused)


@pytest.mark.parametrize(
    "bad", [{"priority": "high"}, {"priority": 1.5}, {"run_at": "soon"}, {"retries": 1e99}, {"unique_period": "?"}]
)
def test_a_value_of_another_type_refuses_all_in_the_words_of_postgresql(rolled_back_sql: Sql, bad: dict[str, Any]) -> None:
    given = json.dumps([{"task": "noop"}, {"task": "noop", **bad}])

    refused = rolled_back_sql.refusal("select * from enqueue_many(%s)", given)

    assert str(refused.sqlstate).startswith("22")
    assert rolled_back_sql.value("select count(*) from jobs") == 0
