"""A producer routes the results of others to a task of its choice: its jobs may wait behind any job, and get nothing of it."""

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest
from psycopg import Connection
from psycopg.rows import dict_row

from tests.roles.conftest import Install

SECRET = {"password": "xyzzy"}
Rows = list[dict[str, Any]]


class Stage:
    """Connections of the logins, and what a worker does."""

    def __init__(self, install: Install, stack: ExitStack) -> None:
        self._install, self._stack = install, stack
        self._open: dict[str | None, Connection[Any]] = {}
        self._worker = uuid.uuid4()
        self.value("worker", "select register_worker(%s, 'w', 'host', 1, '0', '{default}', 10, '1 h')", self._worker)

    def of(self, login: str | None) -> Connection[Any]:
        """A connection of this login."""
        if login not in self._open:
            self._open[login] = self._stack.enter_context(self._install.as_login(login))
        return self._open[login]

    def value(self, login: str | None, query: str, *params: Any) -> Any:
        """What a function returns to this login."""
        row = self.of(login).execute(query, params).fetchone()
        return None if row is None else row[0]

    def workflow(self, login: str | None, *nodes: dict[str, Any]) -> tuple[int, list[int]]:
        """A workflow of this login."""
        row = self.of(login).execute("select workflow_id, job_ids from enqueue_workflow(%s)", [json.dumps(nodes)]).fetchone()
        assert row is not None
        return row[0], row[1]

    def extend(self, login: str, flow: int, *nodes: dict[str, Any]) -> list[int]:
        """Nodes that this login adds to a workflow."""
        ids: list[int] = self.value(login, "select extend_workflow(%s, %s)", flow, json.dumps(nodes))
        return ids

    def run(self, id: int, result: Any = None, nodes: list[dict[str, Any]] | None = None) -> None:
        """A worker claims this job and ends it."""
        token = uuid.uuid4()
        rows = self.of("worker").execute("select id from claim_jobs(%s, %s, %s)", [self._worker, token, [id]]).fetchall()
        assert rows == [(id,)]
        outcome = [{"id": id, "token": str(token), "state": "succeeded", "result": result}]
        added = None if nodes is None else json.dumps([{"id": id, "nodes": nodes}])
        assert self.of("worker").execute("select * from finish(%s, %s)", [json.dumps(outcome), added]).fetchall() == []

    def parents(self, child: int) -> Rows:
        """What a worker is told of the parents of a job."""
        with self.of("worker").cursor(row_factory=dict_row) as cursor:
            return cursor.execute("select state, result, error, expired, withheld from parents(%s)", [[child]]).fetchall()


@pytest.fixture
def stage(install: Install) -> Iterator[Stage]:
    with ExitStack() as stack:
        yield Stage(install, stack)


@pytest.fixture
def other(install: Install) -> str:
    """Another login that is a producer."""
    name = f"p{uuid.uuid4().hex[:8]}"
    install.new_login(name)
    install.on_server("grant {} to {}", install.role("producer"), install.login(name))
    return name


WITHHELD = [{"state": "succeeded", "result": None, "error": None, "expired": False, "withheld": True}]
KNOWN = [{"state": "succeeded", "result": SECRET, "error": None, "expired": False, "withheld": False}]


@pytest.mark.parametrize("when", ["before it has ended", "after that"])
@pytest.mark.parametrize("owner", [None, "worker", "producer"])
def test_a_node_that_a_producer_adds_to_the_workflow_of_another_gets_no_result(
    stage: Stage, other: str, owner: str | None, when: str
) -> None:
    flow, (job,) = stage.workflow(owner, {"task": "theirs"})
    if when == "after that":
        stage.run(job, SECRET)

    (child,) = stage.extend(other, flow, {"task": "send", "takes": "text", "after": [{"job": job}]})

    if when != "after that":
        stage.run(job, SECRET)
    assert stage.parents(child) == WITHHELD
    stage.run(child)  # it waits, as any job may


@pytest.mark.parametrize("owner", [None, "worker", "producer"])
def test_a_job_behind_a_plain_job_gets_no_result_of_it(stage: Stage, other: str, owner: str | None) -> None:
    job = stage.value(owner, "select enqueue('theirs')")
    child = stage.value(other, "select enqueue('send', depends_on => %s)", [job])
    many = stage.value(other, "select id from enqueue_many(%s)", json.dumps([{"task": "send", "depends_on": [job]}]))
    stage.run(job, SECRET)

    assert stage.parents(child) == stage.parents(many) == WITHHELD
    (again,) = stage.extend(
        other, stage.value(None, "select workflow_id from workflow_node where job_id = %s", job),
        {"task": "send", "takes": "text", "after": [{"job": job}]},
    )  # fmt: skip
    assert stage.parents(again) == WITHHELD


def test_the_error_of_a_job_of_another_is_not_told_either(stage: Stage, other: str) -> None:
    job = stage.value(None, "select enqueue('theirs', retries => 0)")
    child = stage.value(other, "select enqueue('send', depends_on => %s, run_if => 'finished')", [job])
    token = uuid.uuid4()
    stage.value("worker", "select id from claim_jobs(%s, %s, %s)", stage._worker, token, [job])
    error = {"type": "E", "message": "xyzzy"}
    stage.value("worker", "select finish(%s)", json.dumps([{"id": job, "token": str(token), "state": "failed", "error": error}]))

    assert stage.parents(child) == [{"state": "failed", "result": None, "error": None, "expired": False, "withheld": False}]


def test_the_nodes_of_its_own_workflow_give_a_producer_their_results(stage: Stage) -> None:
    flow, (first, second) = stage.workflow("producer", {"task": "a", "name": "a"}, {"task": "b", "takes": "x", "after": ["a"]})
    (third,) = stage.extend("producer", flow, {"task": "c", "takes": "x", "after": ["a"]})
    fourth = stage.value("producer", "select enqueue('d', depends_on => %s)", [first])
    stage.run(first, SECRET)

    assert stage.parents(second) == stage.parents(third) == stage.parents(fourth) == KNOWN


@pytest.mark.parametrize("login", [None, "worker", "admin"])
def test_whoever_may_read_results_gets_those_of_any_parent(stage: Stage, login: str | None) -> None:
    job = stage.value("producer", "select enqueue('theirs')")
    child = stage.value(login, "select enqueue('send', depends_on => %s)", [job])
    stage.run(job, SECRET)

    assert stage.parents(child) == KNOWN


def test_a_producer_that_is_a_viewer_too_gets_them(stage: Stage, install: Install, other: str) -> None:
    install.on_server("grant {} to {}", install.role("viewer"), install.login(other))
    job = stage.value(None, "select enqueue('theirs')")
    child = stage.value(other, "select enqueue('send', depends_on => %s)", [job])
    stage.run(job, SECRET)

    assert stage.parents(child) == KNOWN


def test_a_role_that_the_session_has_set_is_the_one_that_counts(stage: Stage, install: Install) -> None:
    job = stage.value(None, "select enqueue('theirs')")
    stage.value("admin", "select set_config('role', %s, false)", install.role("producer"))
    child = stage.value("admin", "select enqueue('send', depends_on => %s)", [job])
    stage.run(job, SECRET)

    assert stage.parents(child) == WITHHELD


def test_logins_that_set_the_same_role_get_no_results_of_each_other(stage: Stage, install: Install, other: str) -> None:
    for login in ("producer", other):
        stage.value(login, "select set_config('role', %s, false)", install.role("producer"))
    flow, (job,) = stage.workflow("producer", {"task": "a"})
    (mine,) = stage.extend("producer", flow, {"task": "b", "after": [{"job": job}]})
    (theirs,) = stage.extend(other, flow, {"task": "c", "after": [{"job": job}]})
    stage.run(job, SECRET)

    assert (stage.parents(mine), stage.parents(theirs)) == (KNOWN, WITHHELD)


def test_what_a_handler_adds_gets_the_result_of_its_job(stage: Stage) -> None:
    _, (job,) = stage.workflow("producer", {"task": "a", "name": "a"})
    stage.run(job, SECRET, nodes=[{"task": "b", "takes": "x", "after": [{"job": job}]}])

    assert stage.parents(stage.value(None, "select child_id from workflow_edge where parent_id = %s", job)) == KNOWN


def test_a_node_that_is_put_before_one_of_another_takes_nothing_away_from_it(stage: Stage, other: str) -> None:
    flow, (_, child) = stage.workflow(
        None, {"task": "a", "name": "a"}, {"task": "b", "takes": "x", "takes_all": True, "after": ["a"]}
    )
    (mine,) = stage.extend(other, flow, {"task": "c", "before": [{"job": child}]})
    parents = stage.of(None).execute("select job_id from workflow_node where workflow_id = %s and name = 'a'", [flow]).fetchone()
    assert parents is not None
    stage.run(parents[0], SECRET)
    stage.run(mine, 1)

    assert [row["result"] for row in stage.parents(child)] == [SECRET, 1]


def test_a_key_of_the_api_that_may_not_read_results_gets_none_although_its_server_may(stage: Stage) -> None:
    job = stage.value("producer", "select enqueue('theirs')")
    with stage.of("admin").transaction():
        stage.value("admin", "select set_config('pgqueue.key', 'abc', true)")
        child = stage.value("admin", "select enqueue('send', depends_on => %s)", [job])
    stage.run(job, SECRET)

    assert stage.parents(child) == WITHHELD


def refusal(stage: Stage, login: str, query: str, *params: Any) -> str:
    with pytest.raises(psycopg.Error) as caught:
        stage.value(login, query, *params)
    return f"{caught.value.diag.message_primary} {caught.value.diag.message_detail} {caught.value.diag.context}"


def several(stage: Stage, flow: int, jobs: list[int]) -> tuple[str, Any]:
    _, (elsewhere,) = stage.workflow(None, {"task": "t", "name": "hidden elsewhere"})
    return "select enqueue('x', depends_on => %s)", [jobs[0], elsewhere]


def started(stage: Stage, flow: int, jobs: list[int]) -> tuple[str, Any]:
    stage.run(jobs[0])
    return f"select extend_workflow({flow}, %s)", json.dumps([{"task": "x", "before": [{"job": jobs[0]}]}])


def cycle(stage: Stage, flow: int, jobs: list[int]) -> tuple[str, Any]:
    node = {"task": "x", "after": [{"job": jobs[2]}], "before": [{"job": jobs[1]}]}
    return f"select extend_workflow({flow}, %s)", json.dumps([node])


def contradiction(stage: Stage, flow: int, jobs: list[int]) -> tuple[str, Any]:
    twice = [{"job": jobs[1]}, {"job": jobs[1], "when": "failed"}]
    return f"select extend_workflow({flow}, %s)", json.dumps([{"task": "x", "after": twice}])


def unknown(stage: Stage, flow: int, jobs: list[int]) -> tuple[str, Any]:
    return f"select extend_workflow({flow}, %s)", json.dumps([{"task": "x", "after": ["nowhere"]}])


def over(stage: Stage, flow: int, jobs: list[int]) -> tuple[str, Any]:
    stage.run(jobs[0])
    return "select signal(%s, 'go')", jobs[0]


@pytest.mark.parametrize("attempt", [several, started, cycle, contradiction, unknown, over])
def test_a_refusal_names_ids_and_neither_names_nor_states_of_the_workflows_of_others(
    stage: Stage, attempt: Callable[[Stage, int, list[int]], tuple[str, Any]]
) -> None:
    secret = [{"task": "secret task", "name": f"hidden {n}", "after": [f"hidden {n - 1}"] if n else []} for n in range(3)]
    row = (
        stage.of(None)
        .execute("select workflow_id, job_ids from enqueue_workflow(%s, 'hidden flow')", [json.dumps(secret)])
        .fetchone()
    )
    assert row is not None
    query, given = attempt(stage, *row)

    said = refusal(stage, "producer", query, given)

    for word in ("hidden", "secret", "succeeded", "blocked", "live"):
        assert word not in said.replace("use succeeded, finished or failed", "")
