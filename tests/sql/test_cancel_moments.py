"""A cancel at each moment of a give-back or a rescue: the job ends as cancelled, once. See test_cancel_races.py, too."""

from collections.abc import Callable
from uuid import UUID

import pytest

from .background import Background
from .conftest import Sql
from .flows import node, start
from .test_cancelled_nodes import come_back

OpenSql = Callable[[], Sql]
BACK = ["give_back", "reconcile", "retire", "rescue"]
pytestmark = pytest.mark.parametrize("back", BACK)


def _ended_once(sql: Sql, id: int) -> bool:
    rows = sql.rows("select state::text, reason::text from jobs where id = %s", id)
    sql.nothing_drifts()
    return rows == [{"state": "cancelled", "reason": "user_requested"}]


def _claimed(sql: Sql) -> tuple[UUID, UUID]:
    worker = sql.worker()
    token, _ = sql.claim(worker)
    return worker, token


def test_a_job_that_comes_back_is_cancelled_after_it_and_while_it_does(sql: Sql, another_sql: OpenSql, back: str) -> None:
    """FAULTS 62, a job."""
    id = sql.enqueue()
    worker, token = _claimed(sql)
    with sql.connection.transaction():
        come_back(sql, worker, token, id, back)
        cancel = Background(another_sql(), "select cancel(%s) as said", id)
        cancel.wait_until_blocked(another_sql())
    assert cancel.rows() == [{"said": "cancelled"}]
    assert _ended_once(sql, id)
    come_back(sql, worker, token, id, back)
    assert _ended_once(sql, id)


def test_a_job_that_is_being_cancelled_does_not_come_back(sql: Sql, another_sql: OpenSql, back: str) -> None:
    """It came back once, so it can be cancelled; a second owner of the same claim finds nothing."""
    id, user = sql.enqueue(), another_sql()
    worker, token = _claimed(sql)
    come_back(sql, worker, token, id, "give_back")
    with user.connection.transaction():
        user.value("select cancel(%s)", id)
        come_back(sql, worker, token, id, back)
    assert _ended_once(sql, id)


@pytest.mark.parametrize("then", ["maintain", "claim"])
def test_a_node_that_comes_back_while_its_workflow_is_cancelled_ends_as_cancelled(
    sql: Sql, another_sql: OpenSql, back: str, then: str
) -> None:
    """FAULTS 62, a workflow: neither of the two sees the other."""
    flow, user = start(sql, node("a")), another_sql()
    worker, token = _claimed(sql)
    with sql.connection.transaction():
        come_back(sql, worker, token, flow["a"], back)
        user.value("select cancel_workflow(%s)", flow.id)
    assert flow.states() == {"a": "ready"}
    if then == "maintain":
        sql.value("select maintain()")
    else:  # somebody else was faster: its worker is asked to stop it
        sql.rows("update job set run_at = now() - interval '1 s', state = 'ready' where id = %s", flow["a"])
        other = sql.worker()
        again, _ = sql.claim(other)
        assert sql.value("select job_id from cancel_requests(%s)", other) == flow["a"]
        sql.finish(again, {"id": flow["a"], "state": "cancelled"})
    assert _ended_once(sql, flow["a"])


def test_a_node_whose_workflow_is_being_cancelled_comes_back_and_ends_as_cancelled(
    sql: Sql, another_sql: OpenSql, back: str
) -> None:
    flow, user = start(sql, node("a")), another_sql()
    worker, token = _claimed(sql)
    with user.connection.transaction():
        user.value("select cancel_workflow(%s)", flow.id)
        come_back(sql, worker, token, flow["a"], back)
    sql.value("select maintain()")
    assert _ended_once(sql, flow["a"])
