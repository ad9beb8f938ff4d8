"""Claims under limits find lanes, keys and places by their indexes, whatever the statistics say and however many are shut.

`empty`: every plan was made while the tables were empty; `mixed`: analyzed when full.
"""

import uuid
from collections.abc import Iterator
from typing import NamedTuple
from uuid import UUID

import psycopg
import pytest

from tests.postgres import new_database

from .conftest import Sql
from .limit_steps import add, claimed, finish_all, look_everywhere, set_limit
from .plan import buffers_of, plans_of

pytestmark = pytest.mark.one_postgres
LANES, SHUT, BACKLOG = 5000, 4900, 50_000
CLAIM = "select * from claim(%s, %s, '{default}', %s)"

# 5,000 lanes of two jobs each, and one lane whose key is shut with a long backlog; plain jobs in another queue.
FILL = f"""
    insert into job (run_at, created_at, state, task, limits, lane_id)
    select clock_timestamp(), clock_timestamp(), 'ready', 'noop', keys, lane_of('default', keys)
      from generate_series(1, {LANES}) n, generate_series(1, 2), lateral (select array['tenant:' || n] as keys) k;
    insert into job (run_at, created_at, state, task, limits, lane_id)
    select clock_timestamp() - interval '1 h', clock_timestamp(), 'ready', 'noop', '{{shut}}', lane_of('default', '{{shut}}')
      from generate_series(1, {BACKLOG});
    insert into job (run_at, created_at, state, queue, task, worker_id, claim_token, claimed_at, attempt, limits, lane_id,
                     holds_place)
    select clock_timestamp(), clock_timestamp(), 'running', 'other', 'noop', md5('worker')::uuid, md5('token' || n % 500)::uuid,
           clock_timestamp(), 1, '{{busy}}', lane_of('other', '{{busy}}'), true
      from generate_series(1, 20000) n;
    insert into turn (queue, lane_id, keys, due_at, key)
    select 'default', lane_id, limits, clock_timestamp(),
           case when limits[1] = 'shut' or substr(limits[1], 8)::int <= {SHUT} then limits[1] end
      from (select distinct lane_id, limits from job where queue = 'default') l;
    insert into turn (queue, key, due_at)
    select 'default', key, clock_timestamp() + interval '1 h' from turn where key is not null;
    insert into bucket (key, tokens, refilled_at)
    select distinct limits[1], case when key is null then 5 else 0 end, clock_timestamp() from job join turn using (lane_id);
    insert into permit (key, claimed_at, claim_token, lane_id)
    select distinct 'tenant:' || n, clock_timestamp(), md5('token' || n % 500)::uuid, md5('lane' || n)::uuid
      from generate_series(1, {LANES}) n;
"""


class Full(NamedTuple):
    """A full database, a connection on which every function ran while it was empty, and a worker."""

    url: str
    early: Sql
    worker: UUID


@pytest.fixture(scope="module", params=["empty", "mixed"])
def full(request: pytest.FixtureRequest, server_url: str, template: str) -> Iterator[Full]:
    with (
        new_database(server_url, template) as url,
        psycopg.connect(url, options="-c search_path=pgqueue", autocommit=True) as connection,
    ):
        sql = Sql(connection)
        worker = sql.worker()
        for table in ("job", "turn", "bucket", "permit", "parking"):
            sql.rows(f"alter table {table} set (autovacuum_enabled = false)")
        sql.rows("analyze")
        set_limit(sql, "tenant", rate=1, per="1 h", burst=5, max_running=3)
        set_limit(sql, "shut", rate=1, per="1 h")
        set_limit(sql, "busy", max_running=30_000)
        for n in range(8):  # so often that PostgreSQL keeps the plans
            add(sql, 2, f"tenant:{n % 2}")
            claimed(sql, worker)
            finish_all(sql, state=("succeeded", "failed")[n % 2], delay=0)
            sql.value("select repaired from sweep_lanes()")
        for table in ("job", "turn", "bucket", "permit", "line_start", "job_history"):
            sql.rows(f"delete from {table}")
        connection.execute(FILL)
        if request.param == "mixed":
            sql.rows("vacuum analyze")
        yield Full(url, sql, worker)


@pytest.fixture
def fresh(full: Full) -> Iterator[Sql]:
    """A new connection to the full database, in a transaction that is rolled back."""
    with (
        psycopg.connect(full.url, options="-c search_path=pgqueue", autocommit=True) as connection,
        connection.transaction(force_rollback=True),
    ):
        yield Sql(connection)


@pytest.fixture(params=["fresh", "early"])
def either(request: pytest.FixtureRequest, full: Full) -> Iterator[Sql]:
    """Plans made now, and plans that were made while the tables were empty."""
    if request.param == "fresh":
        yield request.getfixturevalue("fresh")
    else:
        with full.early.connection.transaction(force_rollback=True):
            yield full.early


def test_a_claim_walks_the_indexes_of_limits_and_scans_no_table(full: Full, fresh: Sql) -> None:
    plans = plans_of(fresh, CLAIM, full.worker, uuid.uuid4(), 10)

    used = plans.indexes(fresh.connection)
    assert {"turn_line", "turn_key", "turn_lane", "bucket_key", "permit_key", "job_place", "job_lane", "parking_key"} <= used
    assert "job_running" not in used
    assert plans.nodes("SEQSCAN", "BITMAPHEAPSCAN") == []


def test_a_claim_beside_4900_shut_lanes_and_a_long_backlog_touches_few_pages(full: Full, either: Sql) -> None:
    query, params = CLAIM, (full.worker, uuid.uuid4(), 10)

    touched = buffers_of(either, query, *params)

    assert touched < 2500  # the tables have tens of thousands


def test_a_claim_that_finds_all_lanes_shut_touches_next_to_nothing(full: Full, either: Sql) -> None:
    either.rows("delete from turn where key is null and lane_id is not null")

    assert buffers_of(either, CLAIM, full.worker, uuid.uuid4(), 10) < 250


def test_plain_jobs_are_claimed_for_next_to_nothing_beside_a_shut_key_with_50000_jobs(full: Full, either: Sql) -> None:
    either.rows("delete from turn where key is null and lane_id is not null")
    jobs = add(either, 10)

    touched = buffers_of(either, CLAIM, full.worker, uuid.uuid4(), 10)

    assert touched < 500
    assert {either.state(id) for id in jobs} == {"running"}


def test_a_job_with_limits_is_enqueued_and_ends_for_few_pages(full: Full, either: Sql) -> None:
    assert buffers_of(either, "select enqueue('noop', limits => '{shut}')") < 150
    (row,) = either.rows("select id, claim_token from job where state = 'running' limit 1")
    outcome = f'[{{"id": {row["id"]}, "token": "{row["claim_token"]}", "state": "failed", "delay": 0}}]'

    assert buffers_of(either, "select * from finish(%s)", outcome) < 200


def test_turns_of_jobs_are_taken_by_their_ids(full: Full, fresh: Sql) -> None:
    """give_back, promote and finish of one job do not walk all that wait for limits."""
    plans = plans_of(fresh, "select take_turns(array[1]::bigint[])")

    assert "job_lane" not in plans.indexes(fresh.connection)
    assert "job_pkey" in plans.indexes(fresh.connection)


def test_many_places_are_counted_by_their_claims_alone(full: Full, either: Sql) -> None:
    """A lane whose claims hold places does not read what else runs."""
    set_limit(either, "few", max_running=2)
    add(either, 3, "few", queue="third")
    query = "select * from claim(%s, %s, '{third}', 1)"
    either.rows(query, full.worker, uuid.uuid4())
    look_everywhere(either)

    assert buffers_of(either, query, full.worker, uuid.uuid4()) < 200
