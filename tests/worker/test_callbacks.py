"""Callbacks: told after the end is committed, once, for what was ours; whatever they do changes nothing for the job."""

import asyncio
import logging
import threading
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from pgqueue import Cancel, JobContext, JobEvent, PgQueue, Retry, RetryIn, Snooze
from pgqueue.database.calls.run import Verdict
from pgqueue.errors import ConfigurationError
from pgqueue.hooks import Callback, Callbacks, Kind
from pgqueue.worker.callbacks import MOST_WAITING, CallbackRunner
from pgqueue.worker.outcome import Outcome, outcome
from pgqueue.worker.pace import Pace
from pgqueue.worker.summary import counted
from tests.looking import Look
from tests.waiting import auntil
from tests.worker.conftest import burst, new_worker, working
from tests.worker.jobs import job

AT_ONCE = Retry(1, backoff="fixed", delay=0, jitter=False)
Told = list[tuple[str, JobEvent]]


def _listen(app: PgQueue) -> Told:
    """Remembers everything, in order; half of the callbacks are async."""
    told: Told = []

    @app.on_success
    async def success(event: JobEvent) -> None:
        told.append(("success", event))

    @app.on_failure
    def failure(event: JobEvent) -> None:
        told.append(("failure", event))

    @app.on_retry
    async def retry(event: JobEvent) -> None:
        told.append(("retry", event))

    @app.on_dead
    def dead(event: JobEvent) -> None:
        told.append(("dead", event))

    return told


@asynccontextmanager
async def _telling(*others: Callback) -> AsyncIterator[tuple[CallbackRunner, list[tuple[str, int]], Counter[str]]]:
    """A runner of its own, what its callbacks were told (kind and job), and its counts; others are told of successes first."""
    told: list[tuple[str, int]] = []
    callbacks, counts = Callbacks(), Counter[str]()
    for other in others:
        callbacks.add("success", other, None)
    kinds: tuple[Kind, ...] = ("success", "failure", "retry", "dead")
    for kind in kinds:
        callbacks.add(kind, lambda event, kind=kind: told.append((kind, event.job.id)), None)  # type: ignore[misc]
    runner = CallbackRunner(callbacks, counts, lambda: None)
    telling = asyncio.create_task(runner.run())
    await asyncio.sleep(0)
    yield runner, told, counts
    runner.stop()
    telling.cancel()
    await asyncio.wait({telling}, timeout=5)
    assert telling.done()
    runner.close()


async def test_a_success_is_told_with_its_result_once_it_is_committed(async_app: PgQueue, look: Look) -> None:
    seen: list[Any] = []

    @async_app.on_success
    def note(event: JobEvent) -> None:
        seen.append((look.state(event.job.id), event.result, event.error, event.run_at, event.job.args))
        seen.append(threading.current_thread() is threading.main_thread())

    @async_app.task
    async def double(n: int) -> int:
        return 2 * n

    double.enqueue(4)
    await burst(async_app)
    assert seen == [("succeeded", 8, None, None, {"n": 4}), False]


async def test_a_failure_is_told_and_what_becomes_of_the_job(async_app: PgQueue, look: Look) -> None:
    told = _listen(async_app)

    @async_app.task(retry=AT_ONCE)
    async def work(ctx: JobContext) -> None:
        raise ValueError(f"at attempt {ctx.attempt}")

    job = work.enqueue()
    await burst(async_app)
    assert [kind for kind, _ in told] == ["failure", "retry", "failure", "dead"]
    assert {event.job.id for _, event in told} == {job.id}
    first, again, _, dead = [event for _, event in told]
    assert first.run_at == again.run_at, "a failure that is followed by another run says when, too"
    assert again.run_at is not None
    assert abs((datetime.now(UTC) - again.run_at).total_seconds()) < 60
    assert dead.run_at is None
    assert dead.error is not None
    assert (dead.error.type, dead.error.types[1], dead.error.message) == ("ValueError", "Exception", "at attempt 2")
    assert "raise ValueError" in str(dead.error.traceback)
    assert [event.job.attempt for _, event in told] == [1, 1, 2, 2]


@pytest.mark.parametrize(
    ("returned", "kinds"),
    [(Snooze(60), []), (Cancel("no"), []), (RetryIn(60, "later"), ["failure", "retry"]), (None, ["success"])],
)
async def test_what_the_handler_returns_decides_what_is_told(async_app: PgQueue, returned: Any, kinds: list[str]) -> None:
    told = _listen(async_app)
    async_app.task(name="work")(lambda: returned).enqueue()
    await burst(async_app)
    assert [kind for kind, _ in told] == kinds
    if isinstance(returned, RetryIn):
        assert told[0][1].error is not None
        assert told[0][1].error.message == "later"


async def test_a_result_that_postgresql_refuses_is_told_as_dead(async_app: PgQueue) -> None:
    told = _listen(async_app)
    async_app.task(name="work")(lambda: "\x00").enqueue()
    await burst(async_app)
    assert [kind for kind, _ in told] == ["failure", "dead"]


async def test_callbacks_of_one_task_are_told_about_its_jobs_alone(async_app: PgQueue) -> None:
    told: list[str] = []
    one = async_app.task(name="one")(lambda: None)
    two = async_app.task(name="two")(lambda: None)

    @async_app.on_success(task=one)
    async def of_one(event: JobEvent) -> None:
        told.append(f"of one: {event.job.task}")

    @async_app.on_success
    async def of_all(event: JobEvent) -> None:
        told.append(f"of all: {event.job.task}")

    one.enqueue()
    two.enqueue()
    await burst(async_app, concurrency=1)
    assert told == ["of one: one", "of all: one", "of all: two"]


async def test_what_a_callback_raises_is_logged_and_counted_and_changes_nothing(
    async_app: PgQueue, look: Look, caplog: pytest.LogCaptureFixture
) -> None:
    after: list[int] = []

    @async_app.on_success
    async def broken(event: JobEvent) -> None:
        raise SystemExit("from a callback")

    @async_app.on_success
    def cancelled(event: JobEvent) -> None:
        raise asyncio.CancelledError

    @async_app.on_success
    async def fine(event: JobEvent) -> None:
        after.append(event.job.id)

    task = async_app.task(name="work")(lambda: "result")
    jobs = [task.enqueue(), task.enqueue()]
    worker = await burst(async_app)
    assert [await job.aresult(timeout=0) for job in jobs] == ["result"] * 2
    assert after == [job.id for job in jobs]
    assert worker._parts.finisher.counts["callback_errors"] == 4
    assert "4 callback_errors" in counted(worker._parts.finisher.counts)
    assert "broken failed" in caplog.text
    assert "from a callback" in caplog.text


async def test_what_a_callback_returns_is_awaited(async_app: PgQueue) -> None:
    told: list[tuple[str, Any]] = []

    async def notify(event: JobEvent) -> None:
        await asyncio.sleep(0)
        told.append(("function", event.result))

    class Notify:
        async def __call__(self, event: JobEvent) -> None:
            await notify(event)
            told.append(("object", event.result))

    async_app.on_success(lambda event: notify(event))
    async_app.on_success(Notify())
    async_app.task(name="work")(lambda: 1).enqueue()
    await burst(async_app)
    assert told == [("function", 1), ("function", 1), ("object", 1)]


@pytest.mark.parametrize("result", [2**70 + 1, 10**400], ids=["a float would hold almost", "a float would not hold"])
async def test_large_integers_are_told_exactly(async_app: PgQueue, result: int) -> None:
    told = _listen(async_app)
    async_app.task(name="work")(lambda: result).enqueue()
    await burst(async_app)
    assert [event.result for _, event in told] == [result]


async def test_a_result_that_cannot_be_read_back_is_a_callback_error_and_the_next_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with _telling() as (runner, told, counts):
        unreadable = Outcome(job(1), "succeeded", '{"result":' + "9" * 5000 + "}", 0.0)
        runner.note([unreadable, outcome(job(2), "succeeded", 0.0)], [])
        await runner.drain(5)
    assert told == [("success", 2)]
    assert counts["callback_errors"] == 1
    assert "failed" in caplog.text


async def test_nobody_waits_for_callbacks_that_are_not_called_any_more(caplog: pytest.LogCaptureFixture) -> None:
    async with _telling() as (runner, told, _):
        pass
    runner.note([outcome(job(1), "succeeded", 0.0)], [])
    async with asyncio.timeout(5):
        await runner.drain(60)
    assert told == []
    assert "the callbacks of 1 jobs did not run in time" in caplog.text


async def test_callbacks_run_one_after_the_other_and_hold_up_no_job(async_app: PgQueue, look: Look) -> None:
    running, most = 0, 0
    gate = asyncio.Event()

    @async_app.on_success
    async def slow(event: JobEvent) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await gate.wait()
        running -= 1

    task = async_app.task(name="work")(lambda: None)
    task.enqueue_many([()] * 50)
    async with working(async_app):
        await auntil(lambda: look.count("succeeded") == 50, "the jobs")
        await auntil(lambda: running, "the first callback: the worker hears of an end after everybody else can see it")
        assert running == 1
        gate.set()
    assert (running, most) == (0, 1)


async def test_a_graceful_stop_tells_what_is_left_within_the_grace(async_app: PgQueue, look: Look) -> None:
    told: list[int] = []
    gate = asyncio.Event()

    @async_app.on_success
    async def wait(event: JobEvent) -> None:
        await gate.wait()
        told.append(event.job.id)

    async_app.task(name="work")(lambda: None).enqueue_many([()] * 20)
    async with working(async_app) as worker:
        await auntil(lambda: look.count("succeeded") == 20, "the jobs")
        worker.stop()
        asyncio.get_running_loop().call_later(0.2, gate.set)
    assert len(told) == 20


@pytest.mark.parametrize("why", ["has run for 0.1 s", "blocks the worker"])
async def test_a_callback_that_hangs_is_named_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    if why.startswith("has run"):
        monkeypatch.setattr("pgqueue.worker.callbacks.SLOW", 0.1)
    else:
        monkeypatch.setattr("pgqueue.worker.callbacks.FULL_FOR", 0.1)
        monkeypatch.setattr("pgqueue.worker.callbacks.MOST_WAITING", 2)
    gate = asyncio.Event()

    async def hang(event: JobEvent) -> None:
        await gate.wait()
        await asyncio.sleep(0.3 if why.startswith("has run") else 0)

    async with _telling(hang) as (runner, told, _):
        runner.note([outcome(job(1), "succeeded", 0.0), outcome(job(2), "succeeded", 0.0)], [])
        await auntil(lambda: "hang" in caplog.text, "a warning")
        gate.set()
        await runner.drain(5)
    assert len(told) == 2
    (said,) = [record.getMessage() for record in caplog.records]
    assert f"hang {why}: 2 callbacks wait" in said


async def test_a_worker_whose_callback_hangs_gives_back_what_it_cannot_start(
    async_app: PgQueue, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pgqueue.worker.callbacks.MOST_WAITING", 5)
    monkeypatch.setattr(Pace, "prefetch", lambda self: 100)

    @async_app.on_success
    async def hang(event: JobEvent) -> None:
        await asyncio.Event().wait()

    @async_app.task
    async def work() -> None:
        await asyncio.sleep(0.01)

    work.enqueue_many([()] * 200)
    async with working(async_app, concurrency=1, grace=0.1) as worker:
        await auntil(lambda: hasattr(worker, "_parts") and worker._parts.callbacks.is_full(), "a full backlog")
        await auntil(lambda: look.count("running") == 0, "the return of the rest")
        assert look.count("ready") > 0


@pytest.mark.parametrize("then", ["returns", "raises"])
async def test_a_callback_that_swallows_its_cancellation_is_the_last(then: str) -> None:
    calls: list[int] = []

    async def stubborn(event: JobEvent) -> None:
        calls.append(event.job.id)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if then == "raises":
                raise ValueError from None

    async with _telling(stubborn, stubborn) as (runner, told, _):
        runner.note([outcome(job(1), "succeeded", 0.0), outcome(job(2), "succeeded", 0.0)], [])
        await auntil(lambda: calls, "the first callback")
    assert (calls, told) == ([1], [])


async def test_callbacks_have_a_second_even_when_handlers_used_up_the_grace(async_app: PgQueue, look: Look) -> None:
    told: list[int] = []
    started = asyncio.Event()

    @async_app.on_success
    async def short(event: JobEvent) -> None:
        await asyncio.sleep(0.6)
        told.append(event.job.id)

    @async_app.task
    async def work() -> None:
        started.set()
        await worker._stop.wait()

    job = work.enqueue()
    async with working(async_app, grace=0.4) as worker:
        await started.wait()
        worker.stop()
    assert told == [job.id]


async def test_a_worker_ends_after_its_callbacks_and_not_before(async_app: PgQueue, look: Look) -> None:
    happened: list[str] = []

    @async_app.on_success
    async def stubborn(event: JobEvent) -> None:
        happened.append("called")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0.3)
            happened.append("ended")

    async_app.task(name="work")(lambda: None).enqueue_many([()] * 3)
    async with working(async_app, grace=0.1) as worker:
        await auntil(lambda: look.count("succeeded") == 3 and happened, "the jobs")
        worker.stop()
    assert happened == ["called", "ended"]


@pytest.mark.parametrize("blocks", ["the loop's task", "a thread"])
async def test_a_callback_that_never_ends_does_not_hold_up_a_stop(
    async_app: PgQueue, look: Look, caplog: pytest.LogCaptureFixture, blocks: str
) -> None:
    release = threading.Event()

    async def on_loop(event: JobEvent) -> None:
        await asyncio.Event().wait()

    def in_thread(event: JobEvent) -> None:
        release.wait(30)

    async_app.on_success(in_thread if blocks == "a thread" else on_loop)
    async_app.task(name="work")(lambda: None).enqueue_many([()] * 3)
    worker = new_worker(async_app, grace=0.3)
    run = asyncio.create_task(worker.run())
    await auntil(lambda: look.count("succeeded") == 3, "the jobs")
    worker.stop()
    async with asyncio.timeout(10):
        await run
    assert "the callbacks of 3 jobs did not run in time" in caplog.text
    assert look.value("select count(*) from worker where state = 'active'") == 0
    release.set()


async def test_when_too_many_events_wait_nothing_more_starts_until_some_were_told(
    async_app: PgQueue, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pgqueue.worker.callbacks.MOST_WAITING", 5)
    gate = asyncio.Event()

    @async_app.on_success
    async def wait(event: JobEvent) -> None:
        await gate.wait()

    @async_app.task
    async def work() -> None:
        await asyncio.sleep(0.01)

    work.enqueue_many([()] * 200)
    async with working(async_app, concurrency=2) as worker:
        await auntil(lambda: hasattr(worker, "_parts") and worker._parts.callbacks.is_full(), "a full backlog")
        await auntil(lambda: not worker._parts.slots.running and not worker._parts.finisher.unflushed(), "what had started")
        done = look.count("succeeded")
        assert done < 200
        await asyncio.sleep(0.2)
        assert look.count("succeeded") == done
        gate.set()
        await auntil(lambda: look.count("succeeded") == 200, "the rest")


async def test_a_burst_ends_after_what_its_callbacks_enqueue(async_app: PgQueue, look: Look) -> None:
    @async_app.task
    async def follow_up(of: int) -> None: ...

    first = async_app.task(name="first")(lambda: None)

    @async_app.on_success(task=first)
    async def slow(event: JobEvent) -> None:
        await asyncio.sleep(0.3)
        await follow_up.aenqueue(event.job.id)

    first.enqueue()
    await burst(async_app)
    assert look.count("succeeded") == 2


@pytest.mark.parametrize("verdict", ["stale", "unconfirmed", "busy"])
async def test_what_was_not_ours_is_not_told(verdict: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    outcomes = [outcome(job(1), "succeeded", 0.0), outcome(job(2), "failed", 0.0), outcome(job(3), "succeeded", 0.0)]
    async with _telling() as (runner, told, _):
        runner.note(outcomes, [Verdict(1, verdict, None), Verdict(2, verdict, None)])
        await runner.drain(5)
    assert told == [("success", 3)]
    assert ("no callback runs for 2 jobs" in caplog.text) == (verdict == "unconfirmed")
    assert MOST_WAITING == 1000


async def test_an_app_without_callbacks_is_told_nothing(async_app: PgQueue) -> None:
    async_app.task(name="work")(lambda: None).enqueue()
    worker = await burst(async_app)
    assert worker._parts.finisher.on_finished is None


def test_what_is_no_function_is_refused(app: PgQueue) -> None:
    with pytest.raises(ConfigurationError, match="on_dead: 'text' is not a function; it must take one JobEvent"):
        app.on_dead("text")  # type: ignore[call-overload]


async def test_a_job_that_its_own_transaction_finished_is_told_with_the_result_of_the_block(
    async_app: PgQueue, look: Look
) -> None:
    told = _listen(async_app)

    @async_app.task
    async def work(ctx: JobContext) -> None:
        async with ctx.transaction() as tx:
            tx.result = {"rows": 3}

    work.enqueue()
    await burst(async_app)
    assert [(kind, event.result) for kind, event in told] == [("success", {"rows": 3})]
