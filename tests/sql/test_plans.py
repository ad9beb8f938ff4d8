"""Claim, finish and the others find their rows by the right index, whatever the statistics say.

`empty`: analyzed while the table was empty, then filled, as after a first start; `mixed`: analyzed when full.
"""

import json
import uuid
from collections.abc import Iterator
from typing import LiteralString, NamedTuple
from uuid import UUID

import psycopg
import pytest

from tests.postgres import new_database

from .conftest import Sql
from .plan import buffers_of, plans_of

ROWS = 200_000

FILL = """
    insert into job (run_at, created_at, state, priority, queue, task, rescues, attempt, worker_id, claim_token, claimed_at,
                     unique_key)
    select clock_timestamp() + make_interval(secs => case when state = 'scheduled' then 3600 else -3600 end + n * 0.001),
           clock_timestamp(), state::job_state, n % 5 - 2, case when n % 3 = 0 then 'default' else 'other' end, 'noop',
           case when n % 10000 = 0 then 2 else 0 end, (state = 'running')::int,
           case when state = 'running' then md5('worker' || n % 50)::uuid end,
           case when state = 'running' then md5('token' || n % 500)::uuid end,
           case when state = 'running' then clock_timestamp() end,
           case when n % 4 = 0 then unique_digest('noop', jsonb_build_object('n', n), null) end
      from (select n, case when n % 20 < 8 then 'ready' when n % 20 < 10 then 'running' else 'scheduled' end as state
              from generate_series(1, %s) n) mixed
"""

HOLDS = """
    insert into unique_hold (unique_key, job_id, expires_at)
    select unique_digest('noop', jsonb_build_object('n', n), null), n, clock_timestamp() + interval '1 h'
      from generate_series(1, %s) n
"""

# Calls that find a job by its key: the parameter is the arguments.
BY_KEY: dict[str, LiteralString] = {
    "until_done": "enqueue('noop', %s, unique_mode => 'until_done')",
    "replace": "enqueue('noop', %s, unique_mode => 'replace')",
    "period": "enqueue('noop', %s, unique_mode => 'period', unique_period => '1 h')",
    "enqueue_select": "enqueue_select('noop', array[%s::jsonb], unique_mode => 'replace')",
    "find_duplicate": "find_duplicate('noop', %s)",
}

CLAIM = "select * from claim(%s, %s, '{default,other}', %s)"
UNIQUE = '{"n": 420}'  # ready, in the queue default
RESUME = json.dumps([{"queue": "default", "priority": priority, "run_at": "2020-01-01"} for priority in range(-2, 3)])


class Full(NamedTuple):
    """A full database, a connection on which every function ran while it was empty, and a worker."""

    url: str
    early: Sql
    worker: UUID


def outcomes(sql: Sql, count: int) -> str:
    """Outcomes of all kinds for running jobs."""
    kinds = ["succeeded", "failed", "cancelled", "snoozed", "unknown_task"]
    rows = sql.rows("select id, claim_token from job where state = 'running' order by id limit %s", count)
    return json.dumps(
        [{"id": row["id"], "token": str(row["claim_token"]), "state": kinds[n % 5], "result": 1} for n, row in enumerate(rows)]
    )


@pytest.fixture(scope="module", params=["empty", "mixed"])
def full(request: pytest.FixtureRequest, server_url: str, template: str) -> Iterator[Full]:
    with (
        new_database(server_url, template) as url,
        psycopg.connect(url, options="-c search_path=pgqueue", autocommit=True) as connection,
    ):
        sql = Sql(connection)
        worker = sql.worker()
        sql.rows("alter table job set (autovacuum_enabled = false)")
        sql.rows("alter table unique_hold set (autovacuum_enabled = false)")
        sql.rows("analyze")
        token, _ = sql.claim(worker)
        sql.claim(worker, resume_at=RESUME)
        sql.finish(token, {"id": 1, "state": "succeeded"})
        sql.finish_json(token, {"id": 1, "state": "succeeded"})
        sql.value("select promote()")
        sql.rows("select give_back(%s, '{1}')", token)
        for force in (False, True):
            asked = sql.enqueue()
            sql.claim(worker)
            sql.value("select cancel(%s, force => %s)", asked, force)
            sql.value("select cancel(%s)", sql.enqueue())
        for n in range(16):  # so often that PostgreSQL keeps the plans, those for new keys and for known ones
            for verb in BY_KEY:
                sql.rows(f"select {BY_KEY[verb]}", f'{{"early": {n // 8}}}')
            sql.refusal("select update(0, priority => 1)")
            sql.refusal("select id from retry(0)")
            sql.refusal("select cancel(0)")
            sql.rows("select * from cancel_requests(%s, %s, true)", worker, [n])
        sql.rows("delete from job")
        sql.rows("delete from unique_hold")
        connection.execute(FILL.replace("%s", str(ROWS)))
        connection.execute(HOLDS.replace("%s", str(ROWS)))
        if request.param == "mixed":
            sql.rows("vacuum analyze job, unique_hold")
        yield Full(url, sql, worker)


@pytest.fixture
def fresh(full: Full) -> Iterator[Sql]:
    """A new connection to the full database, in a transaction that is rolled back."""
    with (
        psycopg.connect(full.url, options="-c search_path=pgqueue", autocommit=True) as connection,
        connection.transaction(force_rollback=True),
    ):
        yield Sql(connection)


def call(verb: str, sql: Sql, worker: UUID, count: int) -> tuple[str, tuple[object, ...]]:
    """The statement that lets a verb handle so many jobs."""
    match verb:
        case "claim":
            return CLAIM, (worker, uuid.uuid4(), count)
        case "claim from a cursor":
            return CLAIM[:-1] + ", resume_at => %s)", (worker, uuid.uuid4(), count, RESUME)
        case "finish":
            return "select * from finish(%s)", (outcomes(sql, count),)
        case "finish plain":
            rows = sql.rows("select id, claim_token from job where state = 'running' order by id limit %s", count)
            tokens = [row["claim_token"] for row in rows]
            return "select * from finish(null, null, %s, %s, %s::real[])", ([row["id"] for row in rows], tokens, [0.1] * count)
        case "promote":
            sql.rows(
                """update job set run_at = clock_timestamp() - interval '1 s'
                    where id in (select id from job where state = 'scheduled' order by run_at limit %s)""",
                count,
            )
            return "select * from promote(%s)", (count,)
        case "give_back":
            rows = sql.rows("select id, claim_token from job where claim_token = md5('token8')::uuid limit %s", count)
            return "select give_back(%s, %s)", (rows[0]["claim_token"], [row["id"] for row in rows])
        case "reconcile":
            return "select reconcile(md5('worker8')::uuid, '{}', '0 s')", ()
        case "rescue":
            return "select rescue(%s)", (count,)
        case "cancel":
            return "select cancel(%s)", (sql.value("select id from job where state = 'ready' limit 1"),)
        case "cancel running" | "cancel by force":
            running = sql.value("select id from job where state = 'running' limit 1")
            return "select cancel(%s, force => %s)", (running, verb == "cancel by force")
        case "cancel requests":
            rows = sql.rows("select id from job where state = 'running' limit %s", count)
            return "select * from cancel_requests(%s, %s, true)", (worker, [row["id"] for row in rows])
        case "retry":
            return "select id from retry(%s)", (sql.value("select id from job where state = 'scheduled' limit 1"),)
        case "update":
            return "select update(%s, priority => 1)", (sql.value("select id from job where state = 'scheduled' limit 1"),)
        case "claim_jobs":
            ids = [row["id"] for row in sql.rows("select id from job where state = 'ready' limit %s", count)]
            return "select * from claim_jobs(%s, %s, %s)", (worker, uuid.uuid4(), ids)
    return f"select {BY_KEY[verb]}", (UNIQUE,)


# Part of the plan, and looked at for nodes of workflows alone: see test_workflow_plans.py.
OF_NODES = {"workflow_node_pkey", "workflow_pkey"}
GATES = {"pause_pkey", "queue_pkey", "limit_def_pkey"}  # of empty tables, in most installs
INDEXES = {
    "claim": {"worker_pkey", "job_suspect", "job_ready", "job_pkey", *GATES, *OF_NODES},
    "claim from a cursor": {"worker_pkey", "job_suspect", "job_ready", "job_pkey", *GATES, *OF_NODES},
    "finish": {"job_pkey", "queue_pkey", "bucket_key"},
    "finish plain": {"job_pkey", "queue_pkey"},
    "promote": {"job_scheduled", "job_pkey", "job_ends", "forced_cancel_at", "schedule_look_at"},
    "give_back": {"job_pkey", "bucket_key"},
    "reconcile": {"job_running", "job_pkey", "bucket_key"},
    "rescue": {"job_running", "worker_pkey", "job_pkey"},
    "claim_jobs": {"worker_pkey", "job_pkey", *OF_NODES},
    "cancel running": {"job_pkey"},
    "cancel by force": {"job_pkey", "queue_pkey"},
    "until_done": {"job_unique"},
    "replace": {"job_unique"},
    "period": {"unique_hold_pkey"},
    "enqueue_select": {"job_unique"},
    "find_duplicate": {"job_unique"},
}


@pytest.mark.parametrize("verb", INDEXES)
def test_a_verb_walks_its_index_and_neither_scans_nor_sorts_the_table(full: Full, fresh: Sql, verb: str) -> None:
    query, params = call(verb, fresh, full.worker, 10)

    plans = plans_of(fresh, query, *params)

    assert plans.indexes(fresh.connection) == INDEXES[verb]
    # rescue reads all workers, a row each, for those that are lost and for overdue runs; an enqueue looks whether queues have
    # settings.
    of_small_tables = {"rescue": 2, "until_done": 1, "replace": 1, "period": 1, "enqueue_select": 1}.get(verb, 0)
    assert len(plans.nodes("SEQSCAN", "BITMAPHEAPSCAN")) == of_small_tables
    if verb not in ("reconcile", "rescue"):  # these read all that runs under some workers, and may join and group it as they like
        of_the_batch = 1 if verb == "finish plain" else 0  # with a walk of the key for its ids
        assert (len(plans.nodes("HASHJOIN")), plans.nodes("MERGEJOIN")) == (of_the_batch, [])
        assert plans.sorted_tables() == []


@pytest.mark.parametrize(
    "verb", [verb for verb in INDEXES if verb != "reconcile"] + ["cancel", "cancel requests", "retry", "update"]
)
def test_a_verb_touches_few_pages_for_one_job(full: Full, fresh: Sql, verb: str) -> None:
    query, params = call(verb, fresh, full.worker, 1)

    assert buffers_of(fresh, query, *params) < 200


@pytest.mark.parametrize(
    "verb",
    [
        "claim", "claim from a cursor", "finish", "finish plain", "promote", "give_back", "cancel", "cancel running",
        "cancel by force", "cancel requests", "retry", "update", *BY_KEY,
    ],
)  # fmt: skip
def test_a_verb_touches_few_pages_by_plans_that_were_made_while_the_table_was_empty(full: Full, verb: str) -> None:
    with full.early.connection.transaction(force_rollback=True):
        query, params = call(verb, full.early, full.worker, 5)

        assert buffers_of(full.early, query, *params) < 500  # the table has thousands


@pytest.mark.parametrize("verb", ["claim", "finish", "finish plain"])
def test_the_pages_of_a_batch_grow_with_the_batch_only(full: Full, fresh: Sql, verb: str) -> None:
    query, params = call(verb, fresh, full.worker, 100)

    assert buffers_of(fresh, query, *params) < 100 * 60


def test_asking_for_work_in_an_empty_queue_does_not_walk_the_backlog_of_the_others(full: Full, fresh: Sql) -> None:
    plans = plans_of(fresh, "select has_work('{empty}')")

    assert plans.nodes("SEQSCAN") == []
    assert plans.indexes(fresh.connection) == {
        "job_ready",
        "job_suspect",
        "job_running",
        "job_lane",
        "job_scheduled",
        "pause_pkey",
    }
    assert fresh.value("select has_work('{empty}')") is False


def test_100_000_jobs_for_later_at_top_priority_do_not_delay_a_ready_one_at_the_bottom(sql: Sql) -> None:
    sql.rows(
        """insert into job (run_at, created_at, state, priority, task)
           select clock_timestamp() + interval '1 h', clock_timestamp(), 'scheduled', 100, 'noop'
             from generate_series(1, 100000)"""
    )
    low = sql.enqueue(priority=-100)
    worker = sql.worker()
    sql.value("select promote()")

    touched = buffers_of(sql, CLAIM, worker, uuid.uuid4(), 10)

    assert touched < 200
    assert sql.state(low) == "running"


def test_promoting_and_pruning_while_nothing_is_due_look_at_nothing(sql: Sql) -> None:
    sql.rows(
        """insert into job (run_at, created_at, state, task)
           select clock_timestamp() + interval '1 h', clock_timestamp(), 'scheduled', 'noop' from generate_series(1, 20000)"""
    )
    sql.rows("insert into job_result select n, '1', clock_timestamp() + interval '1 h' from generate_series(1, 20000) n")
    sql.rows(HOLDS, 20_000)
    sql.rows("analyze")

    assert buffers_of(sql, "select promote()") < 50
    pages = sql.value("select relpages from pg_class where oid = 'job_result'::regclass")
    assert buffers_of(sql, "select prune(7)") < pages


SUSPECTS = """
    insert into job (run_at, created_at, state, queue, task, rescues, lane_id)
    select clock_timestamp() + case when state = 'scheduled' then interval '1 h' else '-1 h' end, clock_timestamp(),
           state::job_state, queue, 'noop', 2, lane_id
      from (values ('ready', 'elsewhere', null), ('scheduled', 'default', null), ('ready', 'default', gen_random_uuid()))
           as kinds(state, queue, lane_id), generate_series(1, 5000)
"""


@pytest.mark.parametrize("analyzed", [False, True])
def test_thousands_of_suspects_that_cannot_be_taken_cost_a_claim_nothing(sql: Sql, analyzed: bool) -> None:
    sql.rows(SUSPECTS)
    sql.rows("insert into job (run_at, created_at, state, task, rescues) select now(), now(), 'ready', 'noop', 2")
    if analyzed:
        sql.rows("analyze job")
    worker = sql.worker()

    touched = buffers_of(sql, CLAIM, worker, uuid.uuid4(), 10)

    assert touched < 200  # one for each suspect, if they were read
    assert sql.value("select count(*) from job where state = 'running'") == 1
