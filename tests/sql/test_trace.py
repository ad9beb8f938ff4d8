"""The trace of a job: how it is given, what is refused, and that it stays with the job."""

import json
from typing import Any

import psycopg
import pytest

from .conftest import Sql
from .flows import node, start
from .test_terms import WAYS

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TRACE = {"traceparent": PARENT, "tracestate": "vendor=1", "request_id": "r-1"}


@pytest.mark.parametrize("add", WAYS)
def test_a_trace_is_stored_with_the_job_and_told_by_its_claim(sql: Sql, add: Any) -> None:
    id = add(sql, {"trace": json.dumps(TRACE) if add.__name__ not in ("by_json", "by_node") else TRACE, "timeout": "60 s"})

    assert sql.job(id)["terms"] == {"timeout": 60, "trace": TRACE}
    _, (claimed,) = sql.claim(sql.worker())
    assert claimed["terms"]["trace"] == TRACE


@pytest.mark.parametrize("trace", ["{}", "null"])
def test_an_empty_trace_is_none(sql: Sql, trace: str) -> None:
    assert sql.job(sql.enqueue(trace=trace))["terms"] is None


@pytest.mark.parametrize(
    ("trace", "remedy"),
    [
        ("[1]", "give an object"),
        ('{"span": "x"}', "use traceparent, tracestate and request_id"),
        ('{"request_id": 7}', "use a text of at most 1000 characters"),
        (json.dumps({"tracestate": "x" * 1001}), "use a text of at most 1000 characters"),
    ],
)
def test_a_trace_with_anything_else_is_refused(sql: Sql, trace: str, remedy: str) -> None:
    for add in (lambda: sql.enqueue(trace=trace), lambda: sql.value("select enqueue_workflow(%s, trace => %s)", "[]", trace)):
        with pytest.raises(psycopg.Error, match=remedy) as caught, sql.connection.transaction():
            add()
        assert (caught.value.sqlstate, caught.value.diag.column_name) == ("PQ001", "trace")


def test_a_workflow_gives_its_trace_to_all_jobs_that_have_none_of_their_own(sql: Sql) -> None:
    own = {"request_id": "own"}
    nodes = json.dumps([node("a"), node("b", "a"), {**node("c"), "trace": own}])
    call = "select * from enqueue_workflow(%s, on_success => %s, trace => %s)"
    (added,) = sql.rows(call, nodes, '{"task": "after"}', json.dumps(TRACE))
    traces = [sql.job(id)["terms"]["trace"] for id in added["job_ids"]]

    assert traces == [TRACE, TRACE, own]
    assert sql.value("select on_success->'trace' from workflow") == TRACE


def test_a_trace_stays_with_a_job_that_runs_again(sql: Sql) -> None:
    id, token = sql.running(trace=json.dumps(TRACE))
    sql.finish(token, {"id": id, "state": "failed", "delay": 0})
    assert sql.job(id)["terms"]["trace"] == TRACE

    token, _ = sql.claim(sql.worker(), queues=(sql.job(id)["queue"],))
    sql.finish(token, {"id": id, "state": "failed", "final": True})
    sql.value("select id from retry(%s)", id)
    assert sql.job(id)["terms"]["trace"] == TRACE


def test_a_job_that_has_succeeded_runs_again_as_a_job_with_its_trace(sql: Sql) -> None:
    id, token = sql.running(trace=json.dumps(TRACE))
    sql.finish(token, {"id": id, "state": "succeeded"})

    assert sql.job(sql.value("select id from retry(%s)", id))["terms"] == {"trace": TRACE}


def test_a_node_that_is_retried_with_its_workflow_keeps_its_trace(sql: Sql) -> None:
    flow = start(sql, {**node("a"), "trace": TRACE}, {**node("b", "a"), "trace": TRACE})
    flow.run("a", "failed")
    assert flow.states()["b"] == "skipped"
    sql.value("select retry_workflow(%s)", flow.id)
    flow.run("a")

    assert sql.job(flow["b"])["terms"]["trace"] == TRACE
