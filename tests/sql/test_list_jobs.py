"""list_jobs: pages in each order, bounded, each job once; count_jobs."""

import json
from typing import Any

import psycopg
import pytest

from .conftest import Sql
from .test_matching_ids import everywhere

CROWD = """insert into job_history (id, run_at, created_at, finished_at, state, priority, attempt, max_attempts, rescues, queue,
                                    task, args)
           select -n, now(), now(), now() - n * interval '1 ms', 'succeeded', 0, 1, 4, 0, 'default', 'noop', '{"customer": 1}'
             from generate_series(1, %s) n"""

ORDERS: list[tuple[dict[str, Any], str | None]] = [
    ({}, None),
    ({"state": "ready"}, None),
    ({"state": "ready"}, "id"),
    ({"state": "scheduled"}, None),
    ({"state": "scheduled"}, "id"),
    ({"state": ["succeeded", "failed", "cancelled"]}, None),
    ({"finished_after": "-1 hour"}, "finished_at"),
    ({"state": ["succeeded", "failed", "cancelled"]}, "id"),
]


def page(
    sql: Sql, filter: dict[str, Any], order_by: str | None = None, after: Any = None, most: int = 100
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The jobs of a page, and its last row."""
    after = None if after is None else json.dumps(after)
    *jobs, last = sql.rows("select * from list_jobs(%s, %s, %s, %s)", json.dumps(filter), order_by, after, most)
    assert last["id"] is None
    assert all(job["next"] is None for job in jobs)
    return jobs, last


def ids(jobs: list[dict[str, Any]]) -> list[int]:
    return [job["id"] for job in jobs]


def all_pages(sql: Sql, filter: dict[str, Any], order_by: str | None, most: int) -> list[int]:
    """The ids of all pages."""
    found: list[int] = []
    after = None
    for _ in range(100):
        jobs, last = page(sql, filter, order_by, after, most)
        assert len(jobs) <= most
        found += ids(jobs)
        if (after := last["next"]) is None:
            return found
    raise AssertionError("it is never over")


def mixed(sql: Sql) -> None:
    """Jobs of all states, several of each; ready ones of all kinds in several queues."""
    everywhere(sql)
    everywhere(sql)
    for n in range(12):
        queue = f"q{n % 2}"
        sql.enqueue(queue=queue, priority=n % 3 * 10)
        sql.enqueue(queue=queue, limits=[f"tenant:{n % 2}"], priority=n % 3 * 10)
        sql.enqueue(queue=queue, run_after=f"{100 - n} min")
        sql.value("select cancel(%s)", sql.enqueue(queue=queue))
    sql.rows("update job set run_at = date_trunc('minute', run_at)")  # ties
    sql.rows("update job set rescues = 2 where id %% 5 = 0 and state = 'ready'")


@pytest.mark.parametrize(("filter", "order_by"), ORDERS)
def test_pages_of_any_size_make_one_list_in_which_each_job_is_once(
    rolled_back_sql: Sql, filter: dict[str, Any], order_by: str | None
) -> None:
    sql = rolled_back_sql
    mixed(sql)
    whole = all_pages(sql, filter, order_by, 1000)

    assert len(whole) == len(set(whole)) > 5
    matching = sql.value("select ids from matching_ids(%s, 0, null, 1000)", json.dumps(filter))
    assert sorted(whole) == matching
    for most in (1, 2, 3, 7):
        assert all_pages(sql, filter, order_by, most) == whole


CLAIM_ORDER = """select id from job where state = 'ready'
    order by rescues >= 2 and lane_id is null, lane_id is not null, case when lane_id is null and rescues < 2 then queue end,
             lane_id, case when lane_id is not null or rescues < 2 then -priority end, run_at, id"""


@pytest.mark.parametrize(
    ("filter", "order_by", "query"),
    [
        ({}, "id", "select id from jobs order by id desc"),
        ({"state": "ready"}, "claim", CLAIM_ORDER),
        ({"state": "scheduled"}, "run_at", "select id from job where state = 'scheduled' order by run_at, id"),
        (
            {"state": ["succeeded", "failed", "cancelled"]},
            "finished_at",
            "select id from jobs where finished_at is not null order by finished_at desc, id desc",
        ),
    ],
)
def test_a_list_has_its_order(rolled_back_sql: Sql, filter: dict[str, Any], order_by: str, query: str) -> None:
    sql = rolled_back_sql
    mixed(sql)

    assert all_pages(sql, filter, order_by, 1000) == [row["id"] for row in sql.rows(query)]


@pytest.mark.parametrize(
    ("filter", "order"),
    [
        ({}, "id"),
        ({"state": "ready"}, "plain"),
        ({"state": "scheduled", "queue": "default"}, "run_at"),
        ({"state": "failed"}, "finished_at"),
        ({"reason": "error"}, "finished_at"),
        ({"state": ["failed", "ready"]}, "id"),
    ],
)
def test_without_an_order_it_is_the_one_that_the_filter_is_answered_by(
    rolled_back_sql: Sql, filter: dict[str, Any], order: str
) -> None:
    sql = rolled_back_sql
    everywhere(sql)

    _, last = page(sql, filter, most=1)

    assert last["next"]["walk"] == order


def test_a_job_is_listed_as_the_view_shows_it(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    everywhere(sql)
    jobs, _ = page(sql, {})

    for job in jobs:
        seen = sql.job(job["id"])
        error = (seen["errors"] or [{}])[-1]
        assert (job.pop("error_type"), job.pop("error_message")) == (error.get("type"), error.get("message"))
        del job["looked"], job["next"]
        assert job == {name: seen[name] for name in job}


def test_a_page_looks_at_100_000_jobs_and_says_where_it_stopped(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    sql.rows(CROWD, 100_050)

    jobs, last = page(sql, {"task": "unheard"})

    assert (jobs, last["looked"], last["next"]) == ([], 100_000, {"walk": "id", "id": -100_000})
    assert last["finished_at"] == sql.value("select finished_at from job_history where id = -100000")
    jobs, last = page(sql, {"task": "unheard"}, after=last["next"])
    assert (jobs, last["looked"], last["next"]) == ([], 50, None)


def test_a_page_looks_at_no_more_jobs_than_are_wanted(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    sql.rows(CROWD, 5000)

    *_, last = sql.rows("""select looked, next from list_jobs('{"task": "unheard"}', look => 2500)""")

    assert last == {"looked": 2500, "next": {"walk": "id", "id": -2500}}
    for look in (999, 100_001, None):
        refusal = sql.refusal("select * from list_jobs('{}', look => %s)", look)
        assert (refusal.sqlstate, refusal.diag.column_name) == ("PQ001", "look")


def test_ready_jobs_of_a_key_are_all_found_and_go_on_page_by_page(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    sql.value("select set_limit('tenant', max_running => 1)")
    wanted = [sql.enqueue(limits=["tenant:7"], queue=queue, priority=n) for n in range(3) for queue in ("mail", "bulk")]
    sql.enqueue(limits=["tenant:8"])
    sql.enqueue()
    filter, after, found = {"state": "ready", "limit": "tenant:7"}, None, list[int]()
    while True:
        jobs, last = page(sql, filter, after=after, most=2)
        found += [job["id"] for job in jobs]
        if (after := last["next"]) is None:
            break

    assert sorted(found) == sorted(wanted)
    assert len(found) == len(wanted)


def test_states_that_live_in_one_table_look_into_that_one_only(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    sql.rows(CROWD, 5000)
    everywhere(sql)

    _, dead = page(sql, {"state": "failed", "queue": "unheard"})
    _, over = page(sql, {"state": ["succeeded", "cancelled"], "queue": "unheard"})
    _, running = page(sql, {"state": "running", "queue": "unheard"})
    _, never = page(sql, {"state": "running", "finished_after": "-1 hour"})

    assert [last["looked"] for last in (dead, over, running, never)] == [1, 5002, 1, 0]


def test_a_span_of_time_ends_the_look(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    jobs = everywhere(sql)
    sql.rows("update job_history set finished_at = finished_at - interval '2 hours' where id = %s", jobs["succeeded"])

    found, last = page(sql, {"finished_after": "-1 hour"})

    assert (ids(found), last["looked"], last["next"]) == ([jobs["cancelled"], jobs["failed"]], 2, None)


def test_the_jobs_of_a_large_workflow_are_paged_by_its_nodes(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    flow = sql.value(
        'select workflow_id from enqueue_workflow((select jsonb_agg(\'{"task": "a"}\'::jsonb) from generate_series(1, 30)))'
    )
    sql.rows(CROWD, 5000)

    jobs, last = page(sql, {"workflow": flow, "task": "b"})

    assert (jobs, last["looked"], last["next"]) == ([], 30, None)
    assert len(all_pages(sql, {"workflow": flow}, None, 7)) == 30


@pytest.mark.parametrize(
    ("filter", "order_by", "after", "most", "field"),
    [
        ({"quue": 1}, None, None, 20, "filter"),
        ({}, "priority", None, 20, "order_by"),
        ({}, "claim", None, 20, "order_by"),
        ({"state": ["ready", "running"]}, "claim", None, 20, "order_by"),
        ({}, "run_at", None, 20, "order_by"),
        ({}, "finished_at", None, 20, "order_by"),
        ({}, None, {"walk": "run_at"}, 20, "after"),
        ({}, None, {"id": 5}, 20, "after"),
        ({}, None, {"walk": "id", "id": "x"}, 20, "after"),
        ({}, None, [], 20, "after"),
        ({}, None, None, 0, "most"),
        ({}, None, None, 1001, "most"),
        ({}, None, None, None, "most"),
    ],
)
def test_what_is_invalid_is_refused_by_name(
    rolled_back_sql: Sql, filter: Any, order_by: str | None, after: Any, most: int, field: str
) -> None:
    after = None if after is None else json.dumps(after)
    refusal = rolled_back_sql.refusal("select list_jobs(%s, %s, %s, %s)", json.dumps(filter), order_by, after, most)

    assert isinstance(refusal, psycopg.Error)
    assert (refusal.sqlstate, refusal.diag.column_name) == ("PQ001", field)


def count(sql: Sql, filter: dict[str, Any], most: int = 1_000_000) -> tuple[int, bool]:
    (row,) = sql.rows("select * from count_jobs(%s, %s)", json.dumps(filter), most)
    return row["jobs"], row["is_over"]


@pytest.mark.parametrize(("filter", "order_by"), ORDERS)
def test_a_count_is_that_of_the_list(rolled_back_sql: Sql, filter: dict[str, Any], order_by: str | None) -> None:
    mixed(rolled_back_sql)
    listed = all_pages(rolled_back_sql, filter, order_by, 1000)

    assert count(rolled_back_sql, filter) == (len(listed), True)


def test_a_count_looks_at_so_many_jobs_and_no_more(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    some = [sql.enqueue() for _ in range(10)]

    assert count(sql, {"state": "ready"}, most=7) == (7, False)
    assert count(sql, {"queue": "unheard"}, most=7) == (0, False)
    assert count(sql, {"ids": some}) == (10, True)
    assert count(sql, {"state": "running", "finished_after": "-1 h"}) == (0, True)
    assert sql.refusal("select count_jobs('{}', 0)").sqlstate == "PQ001"


INDEXES = [
    "create index on job using gin (args jsonb_path_ops)",
    "create index on job_history using gin (args jsonb_path_ops)",
    "create index on dead_letter using gin (args jsonb_path_ops)",
]


@pytest.mark.parametrize("filter", [{"args": {"customer": 5}}, {"args": {"customer": 5}, "state": ["succeeded", "failed"]}])
def test_with_an_index_on_arguments_only_jobs_that_have_them_are_looked_at(rolled_back_sql: Sql, filter: dict[str, Any]) -> None:
    sql = rolled_back_sql
    everywhere(sql)
    sql.rows(CROWD, 12_000)
    without, first = page(sql, filter)
    whole = all_pages(sql, {**filter, "args": {"customer": 1}}, None, 1000)

    for statement in INDEXES:
        sql.rows(statement)
    found, last = page(sql, filter)

    assert first["looked"] > 12_000
    assert (ids(found), last["looked"], last["next"]) == (ids(without), len(found), None)
    assert all_pages(sql, filter, None, 1) == ids(found)
    assert count(sql, filter) == (len(found), True)
    assert sql.value("select ids from matching_ids(%s, 0, null, 100)", json.dumps(filter)) == sorted(ids(found))
    assert all_pages(sql, {**filter, "args": {"customer": 1}}, None, 1000) == whole
    assert page(sql, {**filter, "args": {"customer": 77}})[1]["looked"] == 0


def test_an_index_on_one_table_does_not_stand_for_the_others(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    jobs = everywhere(sql)
    sql.rows(INDEXES[1])

    assert ids(page(sql, {"args": {"customer": 5}})[0]) == [jobs["ready"], jobs["failed"], jobs["succeeded"]]
