"""Handles: looking at a job and waiting for its result. What a worker does is done in SQL here."""

import asyncio
import json
import pickle
import threading
import time
import uuid
from datetime import UTC, datetime, timedelta
from math import inf, nan
from typing import Any

import pytest

from pgqueue import PgQueue, Task
from pgqueue.database import Call
from pgqueue.errors import InvalidArgument, JobCancelled, JobFailed, JobNotFound, ResultExpired, ResultTimeout, WrongState
from pgqueue.job import Job
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
    with pytest.raises(ResultTimeout, match=f"job {job.id} did not end within 0.1 s; it was not cancelled"):
        job.result(timeout=0.1)
    with pytest.raises(TimeoutError):
        await job.aresult(timeout=0.1)
    assert time.monotonic() - started >= 0.2
    assert look.state(job.id) == "ready"


@pytest.mark.parametrize("flavour", ["sync", "async"])
async def test_a_timeout_says_in_which_state_the_job_is_and_why(
    async_app: PgQueue, welcome: Task[[int], str], look: Look, flavour: str
) -> None:
    async def late(job: Job[Any], timeout: float = 0.05) -> ResultTimeout:
        with pytest.raises(ResultTimeout) as raised:
            await (job.aresult(timeout) if flavour == "async" else asyncio.to_thread(job.result, timeout))
        return raised.value

    unserved = welcome.using(queue="mial").enqueue(1)
    error = await late(unserved)
    assert str(error) == (
        f"job {unserved.id} did not end within 0.05 s; it was not cancelled; "
        "it is ready: no worker is alive that serves queue 'mial'; start one with pgqueue worker"
    )
    assert (error.state, error.cause) == ("ready", "no_worker")
    later = await late(welcome.using(run_after=3600).enqueue(1))
    assert (later.state, later.cause) == ("scheduled", "later")
    assert "; it is scheduled: it waits for its time, until 2" in str(later)
    child = await late(welcome.using(depends_on=unserved).enqueue(1))
    assert (child.state, child.cause) == ("blocked", "parents")
    assert f"it waits for 1 parent to end: {unserved.id} 'welcome' is ready; job {unserved.id}: no worker" in str(child)
    running = welcome.enqueue(1)
    worker = look.value("select register_worker(gen_random_uuid(), 'desk', 'host', 7, '0', '{default}', 1, '30 s')::text")
    assert worker is not None
    look.rows("select * from claim((select id from worker), gen_random_uuid(), '{default}', 1)")
    runs = await late(running)
    assert (runs.state, runs.cause) == ("running", "running")
    assert "; it is running: worker 'desk' (process 7 on host) has been running it since 2" in str(runs)


def test_a_poll_tells_the_state_and_asks_nothing_more(
    app: PgQueue, welcome: Task[[int], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    job = welcome.enqueue(1)
    run, asked = app.database.run, list[str]()

    def counted(call: Call[Any], **options: Any) -> Any:
        asked.append(call.statement)
        return run(call, **options)

    monkeypatch.setattr(app.database, "run", counted)
    with pytest.raises(ResultTimeout, match=f"job {job.id} did not end within 0 s; it was not cancelled; it is ready$"):
        job.result(timeout=0)
    assert len(asked) == 1


def test_a_timeout_that_cannot_be_explained_in_time_is_a_timeout_all_the_same(
    app: PgQueue, welcome: Task[[int], str], look: Look
) -> None:
    job = welcome.enqueue(1)
    look.rows("alter function explain_each rename to explained")
    look.rows(
        "create function explain_each(bigint[]) returns table (job_id int, state text, cause text, says text) "
        "language plpgsql as $$ begin perform pg_sleep(60); end $$"
    )
    began = time.monotonic()
    with pytest.raises(ResultTimeout, match=r"it was not cancelled; it is ready$"):
        job.result(timeout=0.05)
    assert time.monotonic() - began < 2
    look.rows("drop function explain_each")
    with pytest.raises(ResultTimeout, match=r"it was not cancelled; it is ready$"):
        job.result(timeout=0.05)


def test_what_a_timeout_says_survives_a_copy() -> None:
    error = pickle.loads(pickle.dumps(ResultTimeout("late", "it is ready", "ready", "no_worker")))
    assert (str(error), error.why, error.state, error.cause) == ("late; it is ready", "it is ready", "ready", "no_worker")


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


def test_a_running_job_is_asked_to_stop_or_ended_by_force(app: PgQueue, welcome: Task[[int], str], look: Look) -> None:
    job = welcome.enqueue(1)
    worker = uuid.uuid4()
    look.value("select register_worker(%s, 'w', 'host', 1, '0', '{default}', 1, '30 s')", worker)
    look.value("select id from claim(%s, %s, '{default}', 1)", worker, uuid.uuid4())
    with pytest.raises(WrongState):
        app.retry(job.id)
    assert app.cancel(job.id, by="ann", note="wrong customer", force_after=timedelta(hours=1)) == "asked"
    assert job.refresh().status == "running"
    assert set(job.row["control"]["cancel"]) == {"by", "note", "at", "force_at"}
    assert app.cancel(job.id, force=True) == "fenced"
    with pytest.raises(JobCancelled, match=r"was cancelled \(user_requested\): by \w+: wrong customer"):
        job.result(timeout=0)
    with pytest.raises(WrongState, match=f"job {job.id} is cancelled; a job that is over cannot be cancelled"):
        app.cancel(job.id)


@pytest.mark.parametrize(
    "options",
    [
        {"by": ""}, {"by": "x" * 201}, {"by": 7}, {"by": "\x00"}, {"note": "x" * 1001}, {"note": 7}, {"force": 1},
        {"force_after": -1}, {"force_after": "1 s"}, {"force_after": 1e12}, {"force": True, "force_after": 1},
    ],
)  # fmt: skip
def test_wrong_options_of_cancel_are_named(app: PgQueue, welcome: Task[[int], str], options: dict[str, Any]) -> None:
    job = welcome.enqueue(1)
    with pytest.raises(InvalidArgument, match=f"^{[*options][-1]}: "):
        app.cancel(job.id, **options)
    assert job.status == "ready"


async def test_jobs_are_cancelled_from_async_code(app: PgQueue, welcome: Task[[int], str]) -> None:
    job = await welcome.aenqueue(1)
    assert await app.acancel(job.id, by="ann") == "cancelled"
    assert (await job.arefresh()).row["control"]["cancel"]["by"] == "ann"
    await app.aclose()


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


async def test_a_result_is_there_once_the_job_has_succeeded_and_says_how_long(
    async_app: PgQueue, welcome: Task[[int], str], look: Look
) -> None:
    job = welcome.using(result_ttl=3600).enqueue(1)
    assert (job.has_result(), job.result_ttl()) == (False, None)
    assert (await job.ahas_result(), await job.aresult_ttl()) == (False, None)
    _run(look, state="succeeded", result="hello")
    assert job.has_result()
    assert await job.ahas_result()
    for left in (job.result_ttl(), await job.aresult_ttl()):
        assert left is not None
        assert 3590 < left <= 3600


def test_a_handler_that_returned_none_has_a_result_too(welcome: Task[[int], str], look: Look) -> None:
    job = welcome.enqueue(1)
    _run(look, state="succeeded")
    assert job.has_result()
    job.delete_result()
    assert not job.has_result()
    with pytest.raises(ResultExpired):
        job.result()


@pytest.mark.parametrize("ending", ["failed", "cancelled"])
def test_a_job_that_has_not_succeeded_has_no_result(welcome: Task[[int], str], look: Look, ending: str) -> None:
    job = welcome.using(retry=0).enqueue(1)
    _run(look, state=ending)
    assert (job.has_result(), job.result_ttl()) == (False, None)
    for change in (lambda: job.extend_result(60), job.delete_result):
        with pytest.raises(WrongState, match=f"job {job.id} is {ending}"):
            change()


@pytest.mark.parametrize("ttl", [7200, 7200.0, timedelta(hours=2)])
async def test_an_extended_result_is_kept_until_then(
    async_app: PgQueue, welcome: Task[[int], str], look: Look, ttl: timedelta | float
) -> None:
    job = welcome.using(result_ttl=3600).enqueue(1)
    _run(look, state="succeeded", result="hello")
    for keep_until in (job.extend_result(ttl), await job.aextend_result(ttl)):
        assert 7190 < (keep_until - datetime.now(UTC)).total_seconds() <= 7201
        assert (job.result_ttl() or 0) > 7190
    look.value("update job_history set finished_at = finished_at - interval '2 hours'")
    assert job.result() == "hello"


@pytest.mark.parametrize(
    "ttl", [-1, float("inf"), float("nan"), 1e300, 10**400, 1e11, timedelta(seconds=-1), timedelta.max, "60", [60]]
)
async def test_a_ttl_out_of_range_is_refused(async_app: PgQueue, welcome: Task[[int], str], look: Look, ttl: Any) -> None:
    job = welcome.enqueue(1)
    _run(look, state="succeeded", result="hello")
    with pytest.raises(InvalidArgument, match=r"ttl: .* is not valid; use .* 0 to 1000 years"):
        job.extend_result(ttl)
    with pytest.raises(InvalidArgument, match=r"ttl: .* is not valid; use .* 0 to 1000 years"):
        await job.aextend_result(ttl)
    assert (job.result_ttl() or 0) > 86000


async def test_a_deleted_result_is_expired(async_app: PgQueue, welcome: Task[[int], str], look: Look) -> None:
    job, other = welcome.enqueue(1), welcome.enqueue(2)
    for _ in range(2):
        _run(look, state="succeeded", result="hello")
    job.delete_result()
    await other.adelete_result()
    await job.adelete_result()  # twice is no error
    for deleted in (job, other):
        assert (deleted.has_result(), deleted.result_ttl()) == (False, None)
        with pytest.raises(ResultExpired):
            deleted.result()
        with pytest.raises(WrongState, match="only a result that is still kept can be extended"):
            deleted.extend_result(60)
    assert look.value("select count(*) from job_result") == 0


async def test_the_result_of_a_job_that_never_was_is_not_found(async_app: PgQueue) -> None:
    job = async_app.job(4711)
    for ask in (job.has_result, job.result_ttl, lambda: job.extend_result(60), job.delete_result):
        with pytest.raises(JobNotFound, match="there is no job 4711"):
            ask()
    for aask in (job.ahas_result, job.aresult_ttl, lambda: job.aextend_result(60), job.adelete_result):
        with pytest.raises(JobNotFound, match="there is no job 4711"):
            await aask()


def test_the_duration_is_that_of_the_handler(welcome: Task[[int], str], look: Look) -> None:
    done, dead = welcome.enqueue(1), welcome.using(retry=0).enqueue(2)
    assert done.duration is None
    _run(look, state="succeeded", elapsed=1.5)
    assert done.duration is None
    assert done.refresh().duration == timedelta(seconds=1.5)
    _run(look, state="failed", elapsed=0.25)
    assert dead.duration == timedelta(seconds=0.25)


def test_the_ttl_of_the_job_wins_over_that_of_the_task_and_this_over_that_of_the_app(database_url: str, look: Look) -> None:
    with_ttl, without = PgQueue(database_url, result_ttl=100), PgQueue(database_url)

    def handler() -> None: ...

    of_app, of_task = with_ttl.task(name="a")(handler), with_ttl.task(name="b", result_ttl=200)(handler)
    jobs = [of_task.using(result_ttl=300).enqueue(), of_task.enqueue(), of_app.enqueue()]
    jobs.append(without.task(name="c")(handler).enqueue())
    for _ in jobs:
        _run(look, state="succeeded", result=1)
    assert [round(job.result_ttl() or 0, -2) for job in jobs] == [300, 200, 100, 86400]
    with_ttl.close()
    without.close()


def test_a_job_is_no_duplicate_unless_enqueue_says_so(app: PgQueue, welcome: Task[[int], str]) -> None:
    assert not welcome.enqueue(1).duplicate
    assert Job[str](app, 1, duplicate=True).duplicate


def test_a_value_is_loaded_as_its_registered_task_says(
    app: PgQueue, welcome: Task[[int], str], look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(welcome.parameters, "load_result", str.upper, raising=False)
    some, none, elsewhere = welcome.enqueue(1), welcome.enqueue(2), welcome.enqueue(3)
    for value in ("hello", None, "hello"):
        _run(look, state="succeeded", result=value)
    look.value("update job_history set task = 'not_here' where id = %s", elsewhere.id)
    assert [job.result() for job in (some, none, app.job(elsewhere.id))] == ["HELLO", None, "hello"]


@pytest.mark.parametrize("id", ["5", 5.0, True, None, [5], 2**63, -(2**63) - 1, 10**400])
def test_what_is_no_id_is_refused_where_it_is_given(app: PgQueue, id: Any) -> None:
    for call in (app.job, app.cancel, app.retry):
        with pytest.raises(InvalidArgument, match=r"^job_id: .+ is not valid; use an id, which is a whole number"):
            call(id)
    with pytest.raises(InvalidArgument, match=r"^workflow_id: .+ is not valid; use an id, which is a whole number"):
        app.get_workflow(id)


@pytest.mark.parametrize("timeout", ["5", timedelta(seconds=5), nan, [5]])
def test_a_timeout_that_is_no_number_is_refused(welcome: Task[[int], str], timeout: Any) -> None:
    with pytest.raises(InvalidArgument, match=r"^timeout: .+ is not valid; use a number of seconds, or None"):
        welcome.enqueue(1).result(timeout)


@pytest.mark.parametrize("timeout", [inf, 1e308, 10**400])
def test_a_timeout_may_be_longer_than_anybody_waits(welcome: Task[[int], str], look: Look, timeout: float) -> None:
    job = welcome.enqueue(1)
    _run(look, state="succeeded", result="hello")
    assert job.result(timeout) == "hello"
