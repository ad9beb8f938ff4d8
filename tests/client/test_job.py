"""Handles: looking at a job and waiting for its result. What a worker does is done in SQL here."""

import json
import threading
import time
import uuid
from typing import Any

import pytest

from pgqueue import PgQueue, Task
from pgqueue.errors import JobCancelled, JobFailed, JobNotFound, ResultExpired, ResultTimeout, WrongState
from tests.looking import Look

LONG_AGO = "update job_result set expires_at = now() - interval '1 day'"


def _run(look: Look, **outcome: Any) -> int:
    """Be a worker: claim one job and finish it."""
    worker, token = uuid.uuid4(), uuid.uuid4()
    look.value("select register_worker(%s, 'w', 'host', 1, '0', '{default}', 1, '30 s')", worker)
    claimed = look.value("select id from claim(%s, %s, '{default}', 1)", worker, token)
    look.rows("select * from finish(%s)", json.dumps([{"id": claimed, "token": str(token), **outcome}]))
    return int(claimed)


def test_a_status_is_as_old_as_the_last_refresh(welcome: Task[[int], str], look: Look) -> None:
    job = welcome.enqueue(1)
    assert job.status == "ready"
    _run(look, state="succeeded", result="hello")
    assert job.status == "ready"
    assert job.refresh() is job
    assert job.status == "succeeded"
    assert job.row["attempt"] == 1


async def test_async_code_refreshes_with_arefresh(async_app: PgQueue, welcome: Task[[int], str], look: Look) -> None:
    job = await welcome.aenqueue(1)
    assert (await job.arefresh()).status == "ready"
    _run(look, state="succeeded")
    assert (await job.arefresh()).status == "succeeded"


@pytest.mark.parametrize("value", ["text", 0, False, {"a": [1, 2.5, None]}, [], ""])
async def test_a_result_is_what_the_handler_returned(
    async_app: PgQueue, welcome: Task[[int], str], look: Look, value: Any
) -> None:
    job = welcome.enqueue(1)
    _run(look, state="succeeded", result=value)
    assert job.result(timeout=0) == value
    assert await job.aresult(timeout=0) == value


def test_a_handler_without_a_result_returns_none(welcome: Task[[int], str], look: Look) -> None:
    job = welcome.enqueue(1)
    _run(look, state="succeeded")
    assert job.result(timeout=0) is None
    assert look.value("select count(*) from job_result") == 0


def test_a_result_comes_while_somebody_waits_for_it(welcome: Task[[int], str], look: Look) -> None:
    job = welcome.enqueue(1)
    got: list[str] = []
    waiter = threading.Thread(target=lambda: got.append(job.result(timeout=20)))
    waiter.start()
    _run(look, state="succeeded", result="hello")
    waiter.join(20)
    assert got == ["hello"]


async def test_a_timeout_ends_the_wait_and_not_the_job(async_app: PgQueue, welcome: Task[[int], str], look: Look) -> None:
    job = welcome.enqueue(1)
    started = time.monotonic()
    with pytest.raises(ResultTimeout, match=f"job {job.id} did not end within 0.1 s; it goes on"):
        job.result(timeout=0.1)
    with pytest.raises(TimeoutError):
        await job.aresult(timeout=0.1)
    assert time.monotonic() - started >= 0.2
    assert look.state(job.id) == "ready"


def test_a_job_that_failed_for_good_raises_with_the_remote_traceback(welcome: Task[[int], str], look: Look) -> None:
    job = welcome.using(retry=0).enqueue(1)
    error = {"type": "ValueError", "types": ["ValueError"], "message": "no such user", "traceback": "File jobs.py, line 3"}
    _run(look, state="failed", error=error)
    with pytest.raises(JobFailed, match=r"(?s)failed: ValueError: no such user.*In the worker:.*jobs\.py, line 3") as caught:
        job.result(timeout=0)
    assert (caught.value.job_id, caught.value.error_type) == (job.id, "ValueError")
    assert caught.value.traceback == "File jobs.py, line 3"


def test_a_job_that_will_be_retried_has_not_ended(welcome: Task[[int], str], look: Look) -> None:
    job = welcome.enqueue(1)
    _run(look, state="failed", error={"type": "ValueError", "types": [], "message": "", "traceback": None})
    assert job.refresh().status == "scheduled"
    with pytest.raises(ResultTimeout):
        job.result(timeout=0)


def test_a_cancelled_job_raises(app: PgQueue, welcome: Task[[int], str]) -> None:
    job = welcome.enqueue(1)
    app.cancel(job.id)
    assert job.status == "cancelled"
    with pytest.raises(JobCancelled, match=f"job {job.id} was cancelled \\(user_requested\\)"):
        job.result()


def test_a_result_that_is_not_kept_any_more_raises(welcome: Task[[int], str], look: Look) -> None:
    job = welcome.using(result_ttl=3600).enqueue(1)
    _run(look, state="succeeded", result="hello")
    look.value("update job_history set finished_at = finished_at - interval '2 hours'")
    look.value(LONG_AGO)
    with pytest.raises(ResultExpired, match="enqueue with a longer result_ttl"):
        job.result()


async def test_a_job_that_never_was_is_not_found(async_app: PgQueue) -> None:
    job = async_app.job(4711)
    for look_at in (lambda: job.status, job.refresh, lambda: job.result(timeout=0)):
        with pytest.raises(JobNotFound, match="there is no job 4711"):
            look_at()
    with pytest.raises(LookupError):
        await job.arefresh()
    with pytest.raises(JobNotFound):
        await job.aresult()


def test_a_handle_is_made_from_an_id(app: PgQueue, welcome: Task[[int], str]) -> None:
    job = app.job(welcome.enqueue(7).id)
    assert job.row["args"] == {"user_id": 7}


def test_a_running_job_is_not_cancelled(app: PgQueue, welcome: Task[[int], str], look: Look) -> None:
    job = welcome.enqueue(1)
    worker = uuid.uuid4()
    look.value("select register_worker(%s, 'w', 'host', 1, '0', '{default}', 1, '30 s')", worker)
    look.value("select id from claim(%s, %s, '{default}', 1)", worker, uuid.uuid4())
    with pytest.raises(WrongState, match=f"job {job.id} is running"):
        app.cancel(job.id)
    with pytest.raises(WrongState):
        app.retry(job.id)


def test_unknown_jobs_are_neither_cancelled_nor_retried(app: PgQueue) -> None:
    with pytest.raises(JobNotFound):
        app.cancel(4711)
    with pytest.raises(JobNotFound):
        app.retry(4711)


def test_a_dead_letter_runs_again_under_its_id_and_a_finished_job_under_a_new_one(
    app: PgQueue, welcome: Task[[int], str], look: Look
) -> None:
    dead, done = welcome.using(retry=0, priority=1).enqueue(1), welcome.enqueue(2)
    _run(look, state="failed", error={"type": "ValueError", "types": [], "message": "", "traceback": None})
    _run(look, state="succeeded")
    assert app.retry(dead.id).id == dead.id
    again = app.retry(done.id)
    assert again.id not in (dead.id, done.id)
    assert again.row["retry_of"] == done.id
    assert (dead.refresh().status, again.status, done.refresh().status) == ("ready", "ready", "succeeded")
