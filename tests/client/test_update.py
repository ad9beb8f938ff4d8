"""job.update: a job that has not started is changed."""

from datetime import UTC, datetime

import pytest

from pgqueue import PgQueue, Task
from pgqueue.errors import InvalidArgument, JobNotFound, WrongState
from tests.looking import Look


def test_what_is_given_changes_and_the_rest_stays(welcome: Task[[int], str], look: Look) -> None:
    job = welcome.using(queue="mail", priority=3).enqueue(1)
    job.update(priority="low")
    job.update(args={"user_id": 2})
    row = look.job(job.id)
    assert (row["priority"], row["args"], row["queue"], row["state"]) == (-50, {"user_id": 2}, "mail", "ready")


def test_its_time_moves_it_between_ready_and_scheduled(welcome: Task[[int], str], look: Look) -> None:
    job = welcome.enqueue(1)
    job.update(run_at=datetime(2999, 1, 1, tzinfo=UTC))
    assert look.state(job.id) == "scheduled"
    job.update(run_after=0)
    assert look.state(job.id) == "ready"


async def test_async_code_does_it_too(async_app: PgQueue, welcome: Task[[int], str], look: Look) -> None:
    job = await welcome.aenqueue(1)
    await job.aupdate(run_after=60)
    assert look.state(job.id) == "scheduled"


def test_bad_values_are_named_and_nothing_changes(welcome: Task[[int], str], look: Look) -> None:
    job = welcome.enqueue(1)
    for bad, name in (({"priority": 500}, "priority"), ({"args": [1]}, "args"), ({"run_at": datetime(2999, 1, 1)}, "run_at")):
        with pytest.raises(InvalidArgument, match=name):
            job.update(**bad)
    assert (look.job(job.id)["priority"], look.state(job.id)) == (0, "ready")


def test_a_job_that_is_over_or_unknown_is_refused(app: PgQueue, welcome: Task[[int], str]) -> None:
    job = welcome.enqueue(1)
    app.cancel(job.id)
    with pytest.raises(WrongState, match="only a job that has not started can be changed"):
        job.update(priority=1)
    with pytest.raises(JobNotFound):
        app.job(999).update(priority=1)


@pytest.mark.parametrize("value", [datetime.now(), {1, 2}, float("nan"), "half \ud800", object()])
def test_arguments_that_are_no_json_are_refused_without_a_task_too(
    app: PgQueue, welcome: Task[[int], str], look: Look, value: object
) -> None:
    job = welcome.enqueue(1)
    with pytest.raises(InvalidArgument, match=r"^args: \{'user_id': .* is not valid; use JSON values: "):
        app.job(job.id).update(args={"user_id": value})
    assert look.job(job.id)["args"] == {"user_id": 1}


def test_a_handle_by_its_id_checks_the_hints_once_it_knows_the_task(app: PgQueue, welcome: Task[[int], str], look: Look) -> None:
    job = welcome.enqueue(1)
    with pytest.raises(InvalidArgument, match="task 'welcome' cannot take user_id = 'x'"):
        app.job(job.id).refresh().update(args={"user_id": "x"})
    app.job(job.id).update(args={"user_id": "unchecked"})
    assert look.job(job.id)["args"] == {"user_id": "unchecked"}


def test_a_handle_of_a_task_that_is_not_registered_here_checks_json_alone(
    app: PgQueue, welcome: Task[[int], str], database_url: str, look: Look
) -> None:
    elsewhere = PgQueue(database_url)
    elsewhere.job(welcome.enqueue(1).id).refresh().update(args={"user_id": "x"})
    elsewhere.close()
    assert look.rows("select args from job") == [{"args": {"user_id": "x"}}]
