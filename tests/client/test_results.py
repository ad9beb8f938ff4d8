"""as_completed: many jobs in the order in which they end. What a worker does is done in SQL here."""

import asyncio
import threading
from collections.abc import Iterable
from typing import Any

import pytest

from pgqueue import PgQueue, Task
from pgqueue.database.call import Call
from pgqueue.database.calls import results as result_calls
from pgqueue.errors import JobFailed, ResultTimeout
from pgqueue.job import Job
from pgqueue.waiting import as_completed as results
from pgqueue.waiting import listener as _waiting
from pgqueue.waiting import patience as _patience
from tests.looking import Look

from .test_job import _run


async def _ids(app: PgQueue, jobs: Iterable[Job[Any]], timeout: float | None, flavour: str) -> list[int]:
    """Ids in the order in which one of the two flavours gives them."""
    if flavour == "async":
        return [job.id async for job in app.as_completed(jobs, timeout)]
    return await asyncio.to_thread(lambda: [job.id for job in app.as_completed(jobs, timeout)])


flavours = pytest.mark.parametrize("flavour", ["sync", "async"])


@flavours
async def test_jobs_come_in_the_order_in_which_they_end(
    async_app: PgQueue, welcome: Task[[int], str], look: Look, flavour: str
) -> None:
    jobs = welcome.enqueue_many([(n,) for n in range(3)])
    for job, priority in zip(jobs, (1, 3, 2), strict=True):
        look.value("update job set priority = %s where id = %s", priority, job.id)
    ended: list[int] = []

    def note(ids: list[int]) -> list[int]:
        ended.extend(ids)
        if len(ended) < 3:
            _run(look, state="succeeded")
        return ids

    ask = result_calls.ended

    def end_one_after_each_look(ids: list[int]) -> Call[list[int]]:
        call = ask(ids)
        return Call(call.statement, call.params, lambda rows: note(call.read(rows)))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(result_calls, "ended", end_one_after_each_look)
        assert await _ids(async_app, jobs, 20, flavour) == [jobs[1].id, jobs[2].id, jobs[0].id]


@flavours
async def test_each_job_comes_once_however_it_ended_and_is_the_one_that_was_given(
    async_app: PgQueue, welcome: Task[[int], str], look: Look, flavour: str
) -> None:
    done = welcome.enqueue(1)
    _run(look, state="succeeded", result="hello")
    dead = welcome.using(retry=0).enqueue(2)
    _run(look, state="failed")
    cancelled = welcome.enqueue(3)
    async_app.cancel(cancelled.id)
    unknown = async_app.job(4711)
    jobs = [done, dead, cancelled, unknown, done]
    assert sorted(await _ids(async_app, jobs, 0, flavour)) == sorted([done.id, dead.id, cancelled.id, 4711])
    by_id = {job.id: job for job in async_app.as_completed(jobs)}
    assert by_id[done.id].result() == "hello"
    with pytest.raises(JobFailed):
        by_id[dead.id].result()
    assert by_id[4711] is unknown


@flavours
async def test_a_timeout_says_how_many_are_left(async_app: PgQueue, welcome: Task[[int], str], look: Look, flavour: str) -> None:
    jobs = welcome.enqueue_many([(n,) for n in range(3)])
    _run(look, state="succeeded")
    for timeout in (0, 0.1):
        with pytest.raises(ResultTimeout, match=f"2 of the jobs did not end within {timeout} s; they were not cancelled"):
            await _ids(async_app, jobs, timeout, flavour)
    assert look.live() == 2


@flavours
async def test_a_timeout_says_why_the_first_ones_have_not_ended(
    async_app: PgQueue, welcome: Task[[int], str], flavour: str
) -> None:
    jobs = [*welcome.enqueue_many([(n,) for n in range(3)]), welcome.using(run_after=3600).enqueue(3)]
    with pytest.raises(ResultTimeout) as raised:
        await _ids(async_app, jobs, 0.05, flavour)
    assert str(raised.value).startswith(
        "4 of the jobs did not end within 0.05 s; they were not cancelled; "
        f"job {jobs[0].id} is ready: no worker is alive that serves queue 'default'; start one with pgqueue worker "
        f"(so for 2 more); job {jobs[3].id} is scheduled: it waits for its time, until 2"
    )
    assert (raised.value.state, raised.value.cause) == ("ready", "no_worker")


@flavours
async def test_nothing_is_waited_for_without_jobs(async_app: PgQueue, flavour: str) -> None:
    assert await _ids(async_app, [], None, flavour) == []


def test_all_jobs_take_one_query_a_look(
    app: PgQueue, welcome: Task[[int], str], look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = welcome.enqueue_many([(n,) for n in range(50)])
    for _ in range(20):
        _run(look, state="succeeded")
    run, asked = app.database.run, []

    def counted(call: Call[Any], **options: Any) -> Any:
        asked.append(call.params)
        return run(call, **options)

    monkeypatch.setattr(app.database, "run", counted)
    with pytest.raises(ResultTimeout, match="30 of the jobs"):
        list(app.as_completed(jobs, timeout=0))
    assert [len(ids) for (ids,) in asked] == [50]


def test_what_was_heard_of_is_looked_at_without_the_others(
    app: PgQueue, welcome: Task[[int], str], look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = welcome.enqueue_many([(n,) for n in range(50)])
    waiter = _waiting.Waiter(_waiting.Listener(lambda: app.url, lambda: app.statements), [job.id for job in jobs])
    monkeypatch.setattr(app.waiting, "waiter", lambda ids: waiter)
    monkeypatch.setattr(_patience, "FIRST_PAUSE", 60.0)
    looks: list[list[int]] = []
    ask = result_calls.ended

    def one_ends(pause: float) -> None:
        look.value("delete from job where id = %s", jobs[7].id)
        waiter.hear([jobs[7].id, 4711, jobs[7].id])

    def counted(ids: list[int]) -> Call[list[int]]:
        looks.append(ids)
        return ask(ids)

    monkeypatch.setattr(waiter, "_join", one_ends)
    monkeypatch.setattr(result_calls, "ended", counted)
    assert next(iter(app.as_completed(jobs))).id == jobs[7].id
    assert looks == [[job.id for job in jobs], [jobs[7].id]]


def test_the_last_look_is_at_all_that_are_left(
    app: PgQueue, welcome: Task[[int], str], look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "LOOKED_AT", 0.001)
    jobs = welcome.enqueue_many([(1,), (2,)])
    monkeypatch.setattr(
        _waiting.Waiter, "_join", lambda self, pause: look.value("select cancel(min(id)) from job having count(*) > 1")
    )
    waits = iter(app.as_completed(jobs, timeout=0.1))
    assert next(waits).id == jobs[0].id
    with pytest.raises(ResultTimeout, match="1 of the jobs"):
        next(waits)


def test_an_abandoned_wait_leaves_nothing_behind(app: PgQueue, welcome: Task[[int], str], look: Look) -> None:
    jobs = welcome.enqueue_many([(1,), (2,)])
    waits = iter(app.as_completed(jobs, timeout=20))
    threading.Timer(0.2, _run, [look], {"state": "succeeded"}).start()
    next(waits)
    (listener,) = app.waiting._listeners.values()
    assert len(listener._waiters) == 2
    waits.close()  # type: ignore[attr-defined]
    assert not listener._waiters
