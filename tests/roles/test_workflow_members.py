"""A workflow from its submission to its end, each verb called by the role it is for: no right is missing on the way."""

import json
import uuid
from typing import Any

import psycopg
import pytest

from .conftest import Install

CHAIN = [{"task": "a", "name": "a", "queue": "flow"}, {"task": "b", "name": "b", "after": ["a"], "queue": "flow"}]


def call(install: Install, login: str, query: str, *params: Any) -> Any:
    """The first column of the first row, as this login."""
    with install.as_login(login) as connection:
        row = connection.execute(query, params).fetchone()
    return row[0] if row else None


def run(install: Install, state: str, nodes: list[dict[str, Any]] | None = None) -> int:
    """A worker claims the job of queue flow that is ready and ends it so; its id."""
    worker, token = uuid.uuid4(), uuid.uuid4()
    with install.as_login("worker") as connection:
        connection.execute("select register_worker(%s, 'w', 'h', 1, '0', '{flow}', 1, '30 s')", [worker])
        ((id, _),) = connection.execute("select id, node from claim(%s, %s, '{flow}', 10)", [worker, token]).fetchall()
        outcome = {"id": id, "token": str(token), "state": state, "final": True, "result": 1}
        additions = [{"id": id, "nodes": nodes}] if nodes else None
        connection.execute("select finish(%s, %s)", [json.dumps([outcome]), json.dumps(additions) if additions else None])
        connection.execute("select * from parents(%s)", [[id]])
        connection.execute("select * from cancel_requests(%s)", [worker])
    return int(id)


def states(install: Install, flow: int) -> list[str]:
    """The states of its nodes, as a viewer sees them."""
    with install.as_login("viewer") as connection:
        rows = connection.execute("select state from workflow_nodes where workflow_id = %s order by job_id", [flow]).fetchall()
        connection.execute("select * from workflow_progress")
    return [row[0] for row in rows]


def test_a_workflow_lives_with_no_more_than_the_roles(install: Install) -> None:
    told = json.dumps({"task": "told"})
    query = "select workflow_id from enqueue_workflow(%s, 'w', %s, %s)"
    flow = call(install, "producer", query, json.dumps(CHAIN), told, told)
    call(
        install, "producer", "select extend_workflow(%s, %s)", flow, json.dumps([{"task": "c", "after": ["b"], "queue": "flow"}])
    )

    run(install, "failed")
    assert states(install, flow) == ["failed", "skipped", "skipped"]
    assert call(install, "operator", "select retry_workflow(%s)", flow) == 1
    run(install, "succeeded", [{"task": "d", "before": ["b"], "queue": "flow"}])
    run(install, "succeeded")
    assert states(install, flow) == ["succeeded", "ready", "blocked", "succeeded"]
    assert call(install, "operator", "select cancel_workflow(%s)", flow) == 2
    call(install, "operator", "select repair_workflows()")
    assert call(install, "worker", "select maintain()") is True
    assert states(install, flow) == ["succeeded", "cancelled", "cancelled", "succeeded"]
    assert install.rows("select * from workflow_drift()") == []
    assert install.rows("select count(*) from job where task = 'told'") == [(1,)]


def test_a_producer_makes_jobs_wait_for_others(install: Install) -> None:
    parent = call(install, "producer", "select enqueue('p', queue => 'flow')")
    child = call(install, "producer", "select enqueue('c', queue => 'flow', depends_on => %s)", [parent])

    assert run(install, "succeeded") == parent
    assert run(install, "succeeded") == child
    assert install.rows("select * from workflow_drift()") == []


@pytest.mark.parametrize("verb", ["cancel_workflow", "retry_workflow"])
def test_a_producer_neither_cancels_nor_retries(install: Install, verb: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        call(install, "producer", f"select {verb}(1)")
