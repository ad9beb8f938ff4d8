"""connection=: a workflow, or a job that waits for others, is part of the application's transaction, whatever the library."""

from collections.abc import Iterator

import pytest

from pgqueue import Canvas, PgQueue, Task, Workflow, chain
from pgqueue.errors import InvalidArgument
from tests.looking import Look

from .kinds import AsyncKind, Kind
from .test_connection_kinds import KINDS

Welcome = Task[[int], str]
pytestmark = pytest.mark.usefixtures("no_drift")


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
def theirs(request: pytest.FixtureRequest, database_url: str) -> Iterator[Kind]:
    """A connection as an application has it."""
    kind: Kind = request.param(database_url)
    yield kind
    kind.close()


def enqueue(canvas: Canvas[str], theirs: Kind) -> Workflow[str]:
    if isinstance(theirs, AsyncKind):
        return theirs.wait(canvas.aenqueue(connection=theirs.given))
    return canvas.enqueue(connection=theirs.given)


def test_a_workflow_commits_with_the_callers_transaction(welcome: Welcome, theirs: Kind, look: Look) -> None:
    lost = enqueue(chain(welcome.si(1), welcome.si(2)), theirs)
    theirs.rollback()
    kept = enqueue(chain(welcome.si(1), welcome.si(2)), theirs)
    assert look.live() == 0
    theirs.commit()
    assert look.live() == 2
    assert [look.state(job.id) for job in kept.jobs.values()] == ["ready", "blocked"]
    assert not {job.id for job in lost.jobs.values()} & {job.id for job in kept.jobs.values()}


def test_a_job_waits_for_one_of_the_same_transaction(app: PgQueue, welcome: Welcome, theirs: Kind, look: Look) -> None:
    first = theirs.enqueue(welcome, 1)
    waiting = welcome.using(depends_on=first, run_if="finished")
    ids = [theirs.enqueue(waiting, 2).id, *(job.id for job in theirs.enqueue_many(waiting, [(3,), (4,)]))]
    theirs.commit()
    assert [look.state(id) for id in ids] == ["blocked"] * 3
    assert {row["run_if"] for row in look.rows("select run_if from workflow_edge")} == {"finished"}


def test_a_refusal_names_its_cause(welcome: Welcome, theirs: Kind) -> None:
    with pytest.raises(InvalidArgument, match="priority"):
        enqueue(chain(welcome.using(priority=500).si(1)), theirs)
    theirs.rollback()
