"""ended: which of many jobs are over, in one call."""

from .conftest import Sql
from .plan import buffers_of, plans_of
from .test_extend_result import succeeded


def test_ended_are_those_that_are_not_live_any_more(sql: Sql) -> None:
    done, (dead, token), cancelled = succeeded(sql), sql.running(), sql.enqueue()
    sql.finish(token, {"id": dead, "state": "failed", "final": True, "error": {"type": "E", "message": "m"}})
    sql.value("select cancel(%s)", cancelled)
    live = [sql.enqueue(), sql.enqueue(run_after="1 h"), sql.running()[0]]

    rows = sql.rows("select ended(%s) as id", [live[0], done, dead, *live[1:], cancelled, 4711])

    assert {row["id"] for row in rows} == {done, dead, cancelled, 4711}


def test_nothing_of_nothing_has_ended(sql: Sql) -> None:
    assert sql.rows("select ended('{}')") == []


def test_ended_looks_by_primary_key_whatever_it_was_planned_for(sql: Sql) -> None:
    sql.rows("analyze job")
    query = "select * from ended((select array_agg(n) from generate_series(1, 1000) n))"
    plans = plans_of(sql, query)
    sql.rows("select enqueue_many('noop', (select jsonb_agg('{}'::jsonb) from generate_series(1, 50000)))")

    assert plans.indexes(sql.connection) == {"job_pkey"}
    assert not plans.nodes("SEQSCAN", "HASHJOIN", "BITMAPHEAPSCAN")
    assert buffers_of(sql, query) < 6000
