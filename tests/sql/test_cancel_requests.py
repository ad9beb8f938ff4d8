"""cancel_requests: the runs that a worker should end: they, or their workflow, were cancelled."""

import uuid
from collections.abc import Callable
from uuid import UUID

from .conftest import Sql
from .flows import Flow, node, start


def requests(sql: Sql, worker: UUID) -> list[int]:
    return [row["job_id"] for row in sql.rows("select * from cancel_requests(%s) where not fenced order by 1", worker)]


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


def test_a_job_that_was_asked_to_stop_is_told_to_its_own_worker(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    asked, other, worker = sql.enqueue(), sql.enqueue(), sql.worker()
    sql.claim(worker)

    sql.value("select cancel(%s)", asked)

    told = [{"job_id": asked, "fenced": False}]
    assert sql.rows("select * from cancel_requests(%s)", worker) == told
    assert sql.rows("select * from cancel_requests(%s, %s, true)", worker, [other, asked]) == told
    assert sql.rows("select * from cancel_requests(%s, %s, true)", worker, [other]) == []
    assert sql.rows("select * from cancel_requests(%s, %s)", worker, [other]) == told, "its claim is on its way"
    assert sql.rows("select * from cancel_requests(%s)", sql.worker()) == []


def test_a_run_that_was_fenced_is_told_to_the_worker_that_holds_it(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    fenced, other, worker = sql.enqueue(), sql.enqueue(), sql.worker()
    sql.claim(worker)

    sql.value("select cancel(%s, force => true)", fenced)

    assert sql.rows("select * from cancel_requests(%s, %s)", worker, [other, fenced]) == [{"job_id": fenced, "fenced": True}]
    assert sql.rows("select * from cancel_requests(%s)", worker) == []


def test_a_run_of_which_another_worker_has_the_job_is_fenced(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    id, lost, worker = sql.enqueue(), sql.worker(), sql.worker()
    sql.claim(lost)
    sql.lose(lost)
    sql.value("select rescue()")
    sql.claim(worker)

    assert sql.rows("select * from cancel_requests(%s, %s)", lost, [id]) == [{"job_id": id, "fenced": True}]
    assert sql.rows("select * from cancel_requests(%s, %s)", worker, [id]) == []


def test_a_cancel_of_what_runs_wakes_the_workers_and_of_what_waits_none(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    other = another_sql()
    waiting, running = sql.enqueue(), sql.running()[0]
    sql.listen()

    other.value("select cancel(%s)", waiting)
    assert sql.wakes(other) == []
    other.value("select cancel(%s)", running)
    assert sql.wakes(other) == ["!cancel"]
    other.value("select cancel(%s, force => true)", running)
    assert sql.wakes(other) == ["!cancel"]
