"""Jobs that wait for jobs that are there."""

from typing import Any

import psycopg
import pytest

from pgqueue import PgQueue, Task
from pgqueue.errors import InvalidArgument, JobCancelled, JobNotFound
from tests.client.manual_worker import ManualWorker
from tests.looking import Look

pytestmark = pytest.mark.usefixtures("no_drift")
Welcome = Task[[int], str]


def parents(look: Look, id: int) -> list[int]:
    rows = look.rows("select parent_id from workflow_edge where child_id = %s order by position", id)
    return [row["parent_id"] for row in rows]


def test_a_job_waits_for_another(welcome: Welcome, manual_worker: ManualWorker, look: Look) -> None:
    first = welcome.enqueue(1)
    second = welcome.using(depends_on=first).enqueue(2)
    assert second.status == "blocked"
    (running,) = manual_worker.claim()
    assert running["id"] == first.id
    manual_worker.finish(running)
    assert look.state(second.id) == "ready"


async def test_async_code_says_it_the_same_way(async_app: PgQueue, welcome: Welcome, look: Look) -> None:
    first = await welcome.aenqueue(1)
    second = await welcome.using(depends_on=first.id).aenqueue(2)
    assert parents(look, second.id) == [first.id]


def test_a_job_waits_for_several_in_the_order_given(welcome: Welcome, look: Look) -> None:
    a, b, c = welcome.enqueue_many([(1,), (2,), (3,)])
    child = welcome.using(depends_on=[c, a.id, b, c]).enqueue(4)
    assert parents(look, child.id) == [c.id, a.id, b.id]
    assert look.job(child.id)["workflow_id"] == look.job(a.id)["workflow_id"]


def test_many_wait_for_one(app: PgQueue, welcome: Welcome, look: Look) -> None:
    first = welcome.enqueue(1)
    waiting = welcome.using(depends_on=first)
    children = waiting.enqueue_many([(2,), (3,)])
    children += app.enqueue_many([waiting.s(4), welcome.s(5)])
    children.append(waiting.using(unique="until_done").enqueue(6))
    assert [look.state(job.id) for job in children] == ["blocked", "blocked", "blocked", "ready", "blocked"]


def test_the_rows_of_a_query_wait_too(welcome: Welcome, look: Look) -> None:
    first = welcome.enqueue(1)
    assert welcome.using(depends_on=first).enqueue_select("select n as user_id from generate_series(2, 4) n") == 3
    assert look.count("blocked") == 3


@pytest.mark.parametrize(
    ("run_if", "fails", "state"),
    [
        ("succeeded", False, "ready"),
        ("succeeded", True, "cancelled"),
        ("finished", False, "ready"),
        ("finished", True, "ready"),
        ("failed", False, "cancelled"),
        ("failed", True, "ready"),
    ],
)
def test_it_runs_if(welcome: Welcome, manual_worker: ManualWorker, look: Look, run_if: Any, fails: bool, state: str) -> None:
    first = welcome.enqueue(1)
    child = welcome.using(depends_on=first, run_if=run_if).enqueue(2)
    manual_worker.run(failing="welcome" if fails else "") if state == "cancelled" else _end(manual_worker, fails)
    assert look.state(child.id) == state
    if state == "cancelled":
        with pytest.raises(JobCancelled, match="dependency_failed"):
            child.result(timeout=0)


def _end(manual_worker: ManualWorker, fails: bool) -> None:
    (running,) = manual_worker.claim()
    (manual_worker.fail if fails else manual_worker.finish)(running)


def test_what_is_over_is_not_waited_for(welcome: Welcome, manual_worker: ManualWorker) -> None:
    first = welcome.enqueue(1)
    manual_worker.run()
    assert welcome.using(depends_on=first).enqueue(2).status == "ready"


@pytest.mark.parametrize("none", [[], ()], ids=["list", "tuple"])
def test_no_parents_are_refused(welcome: Welcome, none: Any) -> None:
    with pytest.raises(InvalidArgument, match=r"depends_on: .* is not valid; it is empty; leave it out"):
        welcome.using(depends_on=none)


def test_it_is_part_of_the_callers_transaction(welcome: Welcome, look: Look, database_url: str) -> None:
    with psycopg.connect(database_url) as theirs:
        first = welcome.using(connection=theirs).enqueue(1)
        second = welcome.using(connection=theirs, depends_on=first).enqueue(2)
        assert look.live() == 0
    assert parents(look, second.id) == [first.id]


def test_an_unknown_parent_is_not_found(welcome: Welcome, look: Look) -> None:
    with pytest.raises(JobNotFound, match="404"):
        welcome.using(depends_on=404).enqueue(1)
    assert look.live() == 0


def test_parents_of_two_workflows_are_refused(welcome: Welcome) -> None:
    a, b = welcome.enqueue(1), welcome.enqueue(2)
    welcome.using(depends_on=a).enqueue(3)
    welcome.using(depends_on=b).enqueue(4)
    with pytest.raises(InvalidArgument, match="workflow"):
        welcome.using(depends_on=[a, b]).enqueue(5)


@pytest.mark.parametrize("wrong", ["7", 0, -1, 2**63, True, 1.5, [None], [[1]]], ids=repr)
def test_what_is_no_job_is_refused(welcome: Welcome, wrong: Any) -> None:
    with pytest.raises(InvalidArgument, match=r"depends_on: .* is not valid; use a job, its id, or a list of those"):
        welcome.using(depends_on=wrong)


@pytest.mark.parametrize("wrong", ["", "later", 1, ["failed"]], ids=repr)
def test_a_policy_that_does_not_exist_is_refused(welcome: Welcome, wrong: Any) -> None:
    with pytest.raises(InvalidArgument, match=r"run_if: .* is not valid; use succeeded, finished, failed"):
        welcome.using(depends_on=1, run_if=wrong)
