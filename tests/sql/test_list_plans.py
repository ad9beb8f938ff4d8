"""Lists and bulk verbs read off an index what their filter asks for, whatever the statistics say.

`empty`: analyzed while the tables were empty, then filled; `full`: analyzed when full.
"""

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tests.postgres import new_database

from .conftest import Sql
from .plan import buffers_of, plans_of
from .test_plans import FILL

LIST = "select * from list_jobs(%s, %s)"
HISTORY = """
    insert into job_history (id, run_at, created_at, finished_at, state, priority, attempt, max_attempts, rescues, queue, task,
                             args)
    select -n, at, at, at, (array['succeeded', 'cancelled'])[1 + n %% 2]::job_state, 0, 1, 4, 0, 'default',
           case when n %% 40000 = 0 then 'rare' else 'noop' end, jsonb_build_object('n', n)
      from generate_series(1, %s) n, lateral (select clock_timestamp() - n * interval '1 s' as at) as a
"""
DEAD = """
    insert into dead_letter (id, run_at, created_at, finished_at, reason, priority, attempt, max_attempts, rescues, queue, task,
                             args)
    select -1000000 - n, at, at, at, 'error', 0, 1, 4, 0, 'default', 'noop', '{}'
      from generate_series(1, %s) n, lateral (select clock_timestamp() - n * interval '10 s' as at) as a
"""


@pytest.fixture(scope="module", params=["empty", "full"])
def listing(request: pytest.FixtureRequest, server_url: str, template: str) -> Iterator[Sql]:
    with (
        new_database(server_url, template) as url,
        psycopg.connect(url, options="-c search_path=pgqueue", autocommit=True) as connection,
    ):
        sql = Sql(connection)
        for back in range(2):
            sql.value("select make_partition((clock_timestamp() at time zone 'UTC')::date - %s)", back)
        sql.rows("analyze")
        sql.rows("alter table job set (autovacuum_enabled = off)")
        sql.rows(FILL.replace("%", "%%").replace("%%s", "%s"), 200_000)
        sql.rows(HISTORY, 100_000)
        sql.rows(DEAD, 10_000)
        if request.param == "full":
            sql.rows("vacuum analyze")
        yield sql


FILTERS: list[tuple[dict[str, Any], str | None, int]] = [
    ({}, None, 1500),
    ({"state": "ready"}, None, 2500),
    ({"state": "ready", "queue": "default"}, None, 2500),
    ({"state": "ready"}, "id", 1500),
    ({"state": "scheduled"}, None, 2500),
    ({"state": "scheduled", "run_at_after": "+61 minutes"}, None, 2500),
    ({"state": "failed"}, None, 500),
    ({"state": ["succeeded", "cancelled"]}, None, 500),
    ({"finished_after": "-2 hours"}, None, 500),
    ({"finished_before": "-2 hours"}, None, 500),
    ({"state": ["succeeded", "cancelled"], "task": "noop"}, None, 500),
    ({"task": "noop"}, None, 1500),
    ({"args": {"n": 5}, "finished_after": "-2 hours"}, None, 9000),
    ({"ids": [5, 70, 7000000]}, None, 500),
]


@pytest.mark.parametrize(("filter", "order_by", "most"), FILTERS, ids=lambda value: json.dumps(value))
def test_a_first_page_is_read_off_an_index(listing: Sql, filter: dict[str, Any], order_by: str | None, most: int) -> None:
    """The tables have 10,000 pages; a walk of 1,000 jobs reads one for each at worst."""
    text = json.dumps(filter)

    assert buffers_of(listing, LIST, text, order_by) < most
    plans = plans_of(listing, LIST, text, order_by)
    bitmaps = [] if "args" in filter else plans.nodes("BITMAPHEAPSCAN")  # with arguments it looks into the catalog for an index
    assert plans.nodes("HASHJOIN", "MERGEJOIN") + bitmaps == []
    assert [sort for sort in plans.sorted_tables() if not sort.startswith("{INCREMENTALSORT")] == []


def test_running_jobs_are_read_by_their_index_and_not_by_the_primary_key(listing: Sql) -> None:
    """There are 20,000 among 200,000, in the order of their workers."""
    plans = plans_of(listing, LIST, '{"state": "running"}', None)

    assert "job_running" in plans.indexes(listing.connection)


def test_a_page_without_hits_reads_each_job_that_it_looks_at_once(listing: Sql) -> None:
    rare = listing.rows("select * from list_jobs(%s)", '{"task": "rare", "finished_after": "-7 days"}')
    none = listing.rows("select * from list_jobs(%s)", '{"state": "failed", "queue": "unheard"}')

    assert ([row["id"] for row in rare], rare[-1]["looked"]) == ([-40_000, -80_000, None], 100_000)
    assert (len(none), none[-1]["looked"], none[-1]["next"]) == (1, 10_000, None)
    assert buffers_of(listing, LIST, '{"state": "failed", "queue": "unheard"}', None) < 3000


@pytest.mark.parametrize("filter", [{}, {"state": "ready"}, {"queue": "unheard"}, {"state": "failed"}], ids=json.dumps)
def test_a_chunk_of_a_bulk_verb_reads_20_000_jobs_at_most(listing: Sql, filter: dict[str, Any]) -> None:
    query = "select * from matching_ids(%s, 0, null, 1000)"

    plans = plans_of(listing, query, json.dumps(filter))

    assert plans.nodes("BITMAPHEAPSCAN", "HASHJOIN", "MERGEJOIN") == []
    assert plans.sorted_tables() == []


@pytest.mark.parametrize("query", [LIST, "select * from matching_ids(%s, 0, null, %s::int)"], ids=["list", "bulk verb"])
def test_many_ids_are_not_compared_one_by_one_with_each_job(listing: Sql, query: str) -> None:
    """100,000 of them in 20,000 jobs took 10 s."""
    plans = plans_of(listing, query, json.dumps({"ids": list(range(1, 2001))}), None)

    assert any(":useHashTable true" in tree for tree in plans.trees)
