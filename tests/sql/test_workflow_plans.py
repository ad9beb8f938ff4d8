"""What moves workflows finds its rows by keys, whatever the statistics say; plain jobs do not look at workflows at all.

`empty`: analyzed while the tables were empty, then filled, as after a first start; `many`: analyzed when full.
"""

import json
from collections.abc import Iterator
from typing import NamedTuple

import psycopg
import pytest

from pgqueue.database.calls import workflows as calls
from tests.postgres import new_database

from .conftest import Sql
from .plan import buffers_of, plans_of
from .workflow_steps import DEAD, SUCCEEDED, Node, claim_all, finish, node, outcomes, submit

FLOWS, WIDTH = 400, 50  # 400 workflows of 50 parents, each with a child of its own, and one child of all
TABLES = ("job", "job_history", "job_result", "dead_letter", "workflow", "workflow_node", "workflow_edge")

FILL = f"""
    with flow as (insert into workflow (nodes, open)
                  select {2 * WIDTH + 1}, {2 * WIDTH + 1} from generate_series(1, {FLOWS}) returning id),
    place as (select id as flow, n, nextval('job_id_seq') as job_id from flow, generate_series(1, {2 * WIDTH + 1}) n),
    job as (insert into job (id, run_at, created_at, state, priority, queue, task, workflow_id) overriding system value
            select job_id, clock_timestamp(), clock_timestamp(),
                   (case when n > {WIDTH} then 'blocked' else 'ready' end)::job_state, 0, 'idle', 'noop', flow from place),
    node as (insert into workflow_node (job_id, workflow_id, state, pending_parents, task)
             select job_id, flow, (case when n > {WIDTH} then 'blocked' else 'live' end)::node_state,
                    case when n > 2 * {WIDTH} then {WIDTH} when n > {WIDTH} then 1 else 0 end, 'noop' from place)
    insert into workflow_edge (workflow_id, parent_id, child_id, run_if, position)
    select p.flow, p.job_id, c.job_id, 'succeeded', p.n from place p join place c
        on c.flow = p.flow and p.n <= {WIDTH} and (c.n = p.n + {WIDTH} or c.n = 2 * {WIDTH} + 1)
"""

PAGES = 400  # each table and each index that all would be read of has more
LIMITS = {
    "edges of a handle": 100,  # which reads nothing else: the table alone has less than PAGES
    "retry": 450,  # the catalogs of all that it may touch, on a new connection
    "retry_workflow": 450,  # the catalogs of all that a retry may touch, on a new connection
}

TREE: list[Node] = [node("a"), node("b"), node("c", "a", "b"), node("d", "c")]


class Full(NamedTuple):
    """A full database, and a connection on which every function ran while it was empty."""

    url: str
    early: Sql


def a_life(sql: Sql) -> None:
    """Every verb once."""
    flow = submit(sql, *TREE)
    token, claimed = claim_all(sql)
    finish(sql, token, claimed, DEAD)
    sql.value("select retry_workflow(%s)", flow.id)
    token, claimed = claim_all(sql)
    finish(sql, token, claimed)
    child = sql.enqueue(depends_on=flow.jobs[:1])
    sql.rows("select * from parents(%s)", [flow.jobs[2]])
    sql.value("select extend_workflow(%s, %s)", flow.id, json.dumps([node("x", "a", before=["d"])]))
    sql.value("select cancel(%s)", child)
    sql.value("select cancel_workflow(%s)", flow.id)
    finish(sql, *claim_all(sql))


@pytest.fixture(scope="module", params=["empty", "many"])
def full(request: pytest.FixtureRequest, server_url: str, template: str) -> Iterator[Full]:
    with (
        new_database(server_url, template) as url,
        psycopg.connect(url, options="-c search_path=pgqueue", autocommit=True) as connection,
    ):
        sql = Sql(connection)
        for table in TABLES:
            if table != "job_history":
                sql.rows(f"alter table {table} set (autovacuum_enabled = false)")
        sql.rows("analyze")
        for _ in range(8):  # so often that PostgreSQL keeps the plans
            a_life(sql)
        connection.execute(FILL.encode())
        if request.param == "many":
            sql.rows("vacuum analyze")
        yield Full(url, sql)


@pytest.fixture
def fresh(full: Full) -> Iterator[Sql]:
    """A new connection to the full database, in a transaction that is rolled back."""
    with (
        psycopg.connect(full.url, options="-c search_path=pgqueue", autocommit=True) as connection,
        connection.transaction(force_rollback=True),
    ):
        yield Sql(connection)


def call(sql: Sql, verb: str) -> tuple[str, tuple[object, ...]]:
    """The statement that lets a verb work on one small workflow beside the many."""
    flow = submit(sql, *TREE)
    token, claimed = claim_all(sql)
    match verb:
        case "finish":
            return "select * from finish(%s)", (outcomes(token, claimed, SUCCEEDED),)
        case "finish plain":
            given = (claimed, [token] * len(claimed), [0.1] * len(claimed))
            return "select * from finish(null, null, %s, %s, %s::real[])", given
        case "fail":
            return "select * from finish(%s)", (outcomes(token, claimed, DEAD),)
        case "end_nodes":
            return "select end_nodes(%s, '{succeeded}')", (claimed[:1],)
        case "node_of":
            return "select node_of(%s)", (flow.jobs[2],)
        case "edges of a handle":
            edges = calls.edges(flow.id)
            return edges.statement.replace("{schema}.", ""), edges.params
        case "last_nodes":
            return "select last_nodes(%s)", (flow.id,)
        case "workflow_shape":
            return "select * from workflow_shape(%s)", (flow.id,)
        case "nodes in a state":
            found = calls.nodes_in(flow.id, (None,), 51, "running", "noop")
            return found.statement.replace("{schema}.", ""), found.params
        case "large workflows":
            found = calls.workflows(None, (None,), 26, None, WIDTH)
            return found.statement.replace("{schema}.", ""), found.params
        case "parents":
            return "select * from parents(%s)", (flow.jobs[2:],)
        case "retry":
            finish(sql, token, claimed, DEAD)
            return "select id from retry(%s)", (claimed[0],)
        case "retry_workflow":
            finish(sql, token, claimed, DEAD)
            return "select retry_workflow(%s)", (flow.id,)
        case "extend_workflow":
            return "select extend_workflow(%s, %s)", (flow.id, json.dumps([node("x", "a", before=["d"])]))
        case "depends_on":
            return "select enqueue('noop', depends_on => %s)", (flow.jobs[:2],)
        case "cancel":
            return "select cancel(%s)", (flow.jobs[3],)
        case "cancel_workflow":
            return "select cancel_workflow(%s)", (flow.id,)
    return "select * from enqueue_workflow(%s)", (json.dumps(TREE),)


VERBS = [
    "finish", "finish plain", "fail", "end_nodes", "node_of", "parents", "retry", "retry_workflow", "extend_workflow",
    "depends_on", "cancel", "cancel_workflow", "enqueue_workflow", "last_nodes", "edges of a handle",
    "workflow_shape", "nodes in a state", "large workflows",
]  # fmt: skip


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_touches_few_pages_of_many_workflows(full: Full, fresh: Sql, verb: str) -> None:
    query, params = call(fresh, verb)

    touched = buffers_of(fresh, query, *params)

    assert touched < LIMITS.get(verb, PAGES), touched


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_touches_few_pages_by_plans_that_were_made_while_the_tables_were_empty(full: Full, verb: str) -> None:
    with full.early.connection.transaction(force_rollback=True):
        query, params = call(full.early, verb)

        touched = buffers_of(full.early, query, *params)

    assert touched < LIMITS.get(verb, PAGES), touched


def test_an_extension_does_not_look_at_the_nodes_it_does_not_name(fresh: Sql) -> None:
    flow = submit(fresh, *(node(f"n{place}") for place in range(20_000)))
    more = [node("x", "n5", {"job": flow.jobs[7]}), node("y", "x", "n9")]

    touched = buffers_of(fresh, "select extend_workflow(%s, %s)", flow.id, json.dumps(more))

    assert touched < PAGES, touched


@pytest.mark.parametrize("verb", ["finish", "finish plain", "fail", "node_of", "parents"])
def test_what_workers_call_scans_no_table(full: Full, fresh: Sql, verb: str) -> None:
    query, params = call(fresh, verb)

    plans = plans_of(fresh, query, *params)

    assert plans.nodes("SEQSCAN") == []


def test_claiming_and_finishing_plain_jobs_does_not_look_at_workflows(full: Full, fresh: Sql) -> None:
    fresh.enqueue()
    fresh.enqueue(retries=0)
    before = looked_at(fresh)

    token, (good, bad) = claim_all(fresh)
    said = [{"id": good, "token": str(token), **SUCCEEDED}, {"id": bad, "token": str(token), **DEAD}]
    fresh.rows("select * from finish(%s)", json.dumps(said))

    assert looked_at(fresh) == before


def looked_at(sql: Sql) -> list[dict[str, object]]:
    """How often this transaction has scanned the tables of workflows."""
    return sql.rows(
        """select relname, pg_stat_get_xact_numscans(oid) from pg_class
            where relname like 'workflow%%' and relkind in ('r', 'i') and relnamespace = 'pgqueue'::regnamespace order by 1"""
    )


def test_the_nodes_of_a_workflow_are_read_without_the_history_of_the_others(rolled_back_sql: Sql) -> None:
    """Joined to the history, 50,000 nodes beside ten million jobs took six seconds."""
    sql = rolled_back_sql
    sql.rows(
        """insert into job_history (id, run_at, created_at, finished_at, state, priority, attempt, max_attempts, rescues, queue,
                                    task, args)
           select 1000000 + n, now(), now(), now() - n * interval '1 s', 'succeeded', 0, 1, 4, 0, 'default', 'noop', '{}'
             from generate_series(1, 50000) n"""
    )
    flow = sql.value(
        """select workflow_id from enqueue_workflow((
               select jsonb_agg('{"task": "a"}'::jsonb) from generate_series(1, 2000)))"""
    )
    sql.rows("analyze")

    plans = plans_of(sql, "select * from workflow_nodes where workflow_id = %s", flow)

    assert plans.nodes("HASHJOIN", "MERGEJOIN") == []


def test_a_node_that_ended_on_another_day_than_its_job_shows_it(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    flow = sql.value("""select workflow_id from enqueue_workflow('[{"task": "a"}]')""")
    token, jobs = sql.claim(sql.worker())
    sql.finish(token, {"id": jobs[0]["id"], "state": "succeeded", "elapsed": 7})
    sql.rows("update workflow_node set ended_at = ended_at + interval '3 days'")

    (node,) = sql.rows("select * from workflow_nodes where workflow_id = %s", flow)

    assert (node["state"], node["elapsed"], node["queue"]) == ("succeeded", 7, "default")
