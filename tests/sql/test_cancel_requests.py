"""cancel_requests: the jobs that a worker should stop because their workflow was cancelled."""

import uuid
from uuid import UUID

from .conftest import Sql
from .flows import Flow, node, start


def requests(sql: Sql, worker: UUID) -> list[int]:
    return [row["cancel_requests"] for row in sql.rows("select * from cancel_requests(%s) order by 1", worker)]


def running(sql: Sql) -> tuple[Flow, UUID, UUID]:
    """A workflow with two nodes that run and one that waits, their worker and the token of its claim."""
    flow, worker = start(sql, node("a"), node("b"), node("c", "a")), sql.worker()
    token, rows = sql.claim(worker)
    assert len(rows) == 2
    return flow, worker, token


def test_the_running_nodes_of_a_cancelled_workflow_are_asked_of_their_own_worker(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    flow, worker, _ = running(sql)
    _, other, _ = running(sql)
    assert requests(sql, worker) == []

    sql.value("select cancel_workflow(%s)", flow.id)

    assert requests(sql, worker) == [flow["a"], flow["b"]]
    assert requests(sql, other) == requests(sql, uuid.uuid4()) == []


def test_a_job_that_has_stopped_is_not_asked_again(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    flow, worker, token = running(sql)
    sql.value("select cancel_workflow(%s)", flow.id)

    sql.finish(token, {"id": flow["a"], "state": "cancelled"})
    assert requests(sql, worker) == [flow["b"]]

    sql.finish(token, {"id": flow["b"], "state": "failed"})
    assert requests(sql, worker) == []
    assert flow.status == "failed"


def test_plain_jobs_and_other_workflows_of_the_worker_run_on(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    flow, other, worker = start(sql, node("a")), start(sql, node("a")), sql.worker()
    sql.enqueue()
    sql.claim(worker)

    sql.value("select cancel_workflow(%s)", flow.id)

    assert requests(sql, worker) == [flow["a"]]
    assert other.status == "running"


def test_what_ran_when_a_workflow_was_cancelled_is_asked_to_stop_though_that_is_retried_meanwhile(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    flow, worker, token = running(sql)
    sql.value("select cancel_workflow(%s)", flow.id)
    sql.finish(token, {"id": flow["a"], "state": "failed"})

    sql.value("select retry_workflow(%s)", flow.id)

    assert requests(sql, worker) == [flow["b"]]
    assert flow.states() == {"a": "ready", "b": "running", "c": "cancelled"}

    sql.finish(token, {"id": flow["b"], "state": "failed"})
    sql.value("select retry_workflow(%s)", flow.id)
    sql.claim(worker)
    assert requests(sql, worker) == [], "a job that is retried itself need not stop"
