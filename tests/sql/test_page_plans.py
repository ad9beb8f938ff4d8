"""What pages of the dashboard ask for is read off an index, or ends at its bound, whatever the statistics say.

`empty`: analyzed while the tables were empty, then filled; `full`: analyzed when full. Lists of jobs are in test_list_plans, dead
letters in test_dead_plans, workflows in test_workflow_plans.
"""

from collections.abc import Iterator

import psycopg
import pytest

from pgqueue.database.call import Call
from pgqueue.database.calls import operations
from tests.postgres import new_database

from .conftest import Sql
from .flows import node, start
from .plan import buffers_of

LANES, EACH = 10_001, 5  # one turn more than list_limits looks at is left over in the line
FILL = f"""
    insert into limit_def (name, max_running) values ('tenant', 1);
    insert into job (run_at, created_at, state, task, limits, lane_id)
    select clock_timestamp(), clock_timestamp(), 'ready', 'noop', keys, lane_of('default', keys)
      from generate_series(1, {LANES}) n, generate_series(1, 3), lateral (select array['tenant:' || n] as keys) k;
    insert into job (run_at, created_at, state, task)
    select clock_timestamp(), clock_timestamp(), 'ready', 'noop' from generate_series(1, 60000);
    insert into turn (queue, lane_id, keys, due_at)
    select 'default', lane_of('default', keys), keys, clock_timestamp()
      from generate_series(1, {LANES}) n, generate_series(1, {EACH}), lateral (select array['tenant:' || n] as keys) k;
    insert into operation (kind, filter, spec, asked_by, state, dry_run, upto_id, did, finished_at)
    select 'retry', '{{"task": ["app.send"]}}', '{{}}', 'ann', 'done', false, 100, '{{"retried": 50}}', clock_timestamp()
      from generate_series(1, 5000) g;
"""


@pytest.fixture(scope="module", params=["empty", "full"])
def full(request: pytest.FixtureRequest, server_url: str, template: str) -> Iterator[Sql]:
    with (
        new_database(server_url, template) as url,
        psycopg.connect(url, options="-c search_path=pgqueue", autocommit=True) as connection,
    ):
        sql = Sql(connection)
        for table in ("job", "turn", "operation"):
            sql.rows(f"alter table {table} set (autovacuum_enabled = false)")
        sql.rows("analyze")
        connection.execute(FILL.encode())
        if request.param == "full":
            sql.rows("vacuum analyze")
        yield sql


@pytest.mark.parametrize("size", [1, 1000], ids=["one key", "many keys"])
def test_a_page_of_limits_looks_at_50_000_places_in_line_once_and_says_so(full: Sql, size: int) -> None:
    """For each key again it took the square of their number: minutes here."""
    full.rows("set statement_timeout = '8 s'")
    found = full.rows("select key, waiting from list_limits('tenant:', null, %s, 1000)", size)
    touched = buffers_of(full, "select * from list_limits('tenant:', null, %s, 1000)", size)
    full.rows("reset statement_timeout")

    *page, last = found
    assert (len(page), {row["waiting"] for row in page}, last["key"]) == (size, {3}, None)
    assert touched < 2 * 50_000 + 10_000 * size / 100 + 5000


def test_a_limit_of_a_queue_does_not_look_at_the_line(full: Sql) -> None:
    assert full.rows("select key from list_limits('queue:default', null, 1, 1000)") == []
    assert buffers_of(full, "select * from list_limits('queue:default', null, 1, 1000)") < 300  # and its catalogs


def test_what_waits_for_a_key_is_found_without_a_look_at_what_waits_for_others(full: Sql) -> None:
    query = "select id, looked, next from list_jobs(%s)"
    wanted = '{"state": "ready", "limit": "tenant:7"}'

    *jobs, last = full.rows(query, wanted)

    assert (len(jobs), last["looked"], last["next"]) == (3, 3, None)
    assert buffers_of(full, query, wanted) < 55_000  # the line, and not 90,000 jobs one by one
    (counted,) = full.rows("select * from count_jobs(%s)", wanted)
    assert (counted["jobs"], counted["is_over"]) == (3, True)


def test_a_list_of_operations_puts_its_page_together_and_no_other_one(full: Sql) -> None:
    call: Call[list[operations.OperationStatus]] = operations.operations(limit=51)

    assert buffers_of(full, call.statement.replace("{schema}.", ""), *call.params) < 150  # 264 with the figures of all


@pytest.mark.parametrize("gap", [0, 1_000_000], ids=["one after the other", "added later"])
def test_edges_of_a_workflow_are_one_range_where_its_nodes_are(full: Sql, gap: int) -> None:
    with full.connection.transaction(force_rollback=True):
        middle = [f"m{n}" for n in range(1000)]
        flow = start(full, node("first"), *(node(one, "first") | {"task": "load"} for one in middle))
        full.value("select setval('job_id_seq', (select last_value from job_id_seq) + %s)", gap)
        full.value("select extend_workflow(%s, '[{\"task\": \"store\", \"name\": \"last\", \"after\": [\"m1\", \"m2\"]}]')::text",
                   flow.id)  # fmt: skip

        shape = full.rows("select nodes, edges from workflow_shape(%s)", flow.id)
        touched = buffers_of(full, "select * from workflow_shape(%s)", flow.id)

    assert [(row["nodes"], row["edges"]) for row in shape] == [(1, []), (998, [998]), (1, [1]), (1, [1]), (1, [1, 1])]
    assert touched < 1500 if gap == 0 else touched > 5000
