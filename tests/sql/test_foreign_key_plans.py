"""Foreign keys are checked and cascade by key, whatever the size of the tables was when a session first met them."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from .conftest import Sql
from .workflow_steps import Node, node

TABLES = ("job", "workflow", "workflow_node", "workflow_edge")
SIZE = 500
ROWS_PER_NODE = 20  # of all tables and indexes; reading the whole workflow for each edge costs hundreds


def star(size: int) -> list[Node]:
    """One parent of all others."""
    return [node("head"), *(node(f"n{place}", "head") for place in range(size - 1))]


def submit(sql: Sql, size: int) -> int:
    """A new star: its id."""
    return int(sql.value("select workflow_id from enqueue_workflow(%s)", json.dumps(star(size))))


@contextmanager
def reading_at_most(sql: Sql, rows: int) -> Iterator[None]:
    """The block reads no more rows of our tables and indexes."""
    count = "select sum(pg_stat_get_xact_tuples_returned(oid)) from pg_class where relnamespace = 'pgqueue'::regnamespace"
    with sql.connection.transaction():  # whose counters nobody else adds to
        before = sql.value(count)
        yield
        read = sql.value(count) - before
    assert read < rows, f"{read} rows were read, at most {rows} were expected"


@pytest.fixture(params=["never analyzed", "analyzed while empty"])
def fresh(request: pytest.FixtureRequest, sql: Sql, another_sql: Callable[[], Sql]) -> Sql:
    """A session in an install that autovacuum has not visited yet. It has met small workflows only, and keeps its plans."""
    for table in TABLES:
        sql.rows(f"alter table {table} set (autovacuum_enabled = false)")
    if request.param == "analyzed while empty":
        sql.rows("analyze")
    session = another_sql()
    for _ in range(10):
        flow = submit(session, 20)
        session.rows("delete from job where workflow_id = %s", flow)
        session.rows("delete from workflow where id = %s", flow)
    return session


def test_adding_an_edge_does_not_read_the_nodes_of_its_workflow(fresh: Sql) -> None:
    with reading_at_most(fresh, SIZE * ROWS_PER_NODE):
        submit(fresh, SIZE)


def test_deleting_a_workflow_finds_the_edges_of_each_node_by_key(fresh: Sql) -> None:
    flow = submit(fresh, SIZE)
    fresh.rows("delete from job where workflow_id = %s", flow)

    with reading_at_most(fresh, SIZE * ROWS_PER_NODE):
        fresh.rows("delete from workflow where id = %s", flow)

    assert fresh.value("select count(*) from workflow_edge") == 0


def test_a_node_of_another_workflow_is_still_refused_as_a_parent(sql: Sql) -> None:
    first, second = submit(sql, 2), submit(sql, 2)

    error = sql.refusal(
        """insert into workflow_edge (workflow_id, parent_id, child_id, run_if, position)
           select %s, min(job_id) filter (where workflow_id = %s), min(job_id) filter (where workflow_id = %s), 'finished', 1
             from workflow_node""",
        first, first, second,
    )  # fmt: skip

    assert error.sqlstate == "23503"
