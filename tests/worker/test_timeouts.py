"""Timeouts of runs: the watcher is driven by hand, so no test waits for a clock."""

import asyncio
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from pgqueue import Cancel, JobContext, PgQueue, Retry, Timeout
from pgqueue.worker.execute import execute
from pgqueue.worker.outcome import spent
from pgqueue.worker.timeouts import COMMIT_WITHIN, Timeouts
from tests.waiting import auntil
from tests.worker.jobs import job, limited_job, said, timed_job
from tests.worker.timed import GRACE, Stubborn, Timed, timed


async def _sleep() -> None:
    await asyncio.sleep(3600)


async def _started(slots: Timed, *jobs: JobContext) -> None:
    slots.start(*jobs)
    await auntil(lambda: all(job.id in slots.slots.running for job in jobs), "the handlers")
    await asyncio.sleep(0)


async def test_a_handler_that_ends_in_time_knows_nothing_of_its_timeout() -> None:
    left: list[float | None] = []

    async def handler(ctx: JobContext) -> str:
        left.append(ctx.time_left())
        return "done"

    async with timed(handler) as slots:
        slots.start(timed_job(1, timeout=60))
        assert (await slots.outcome())["result"] == "done"
        await slots.free()
        slots.pass_by(600)
        slots.start(timed_job(2, schedule="nightly"), job(3))
        await auntil(lambda: len(slots.outcomes) == 3, "the others")
    assert left[0] is not None
    assert 0 < left[0] <= 60
    assert left[1:] == [None, None]


async def test_the_attempt_fails_with_its_timeout_and_how_long_it_took() -> None:
    async with timed(_sleep) as slots:
        await _started(slots, timed_job(timeout=60))
        slots.pass_by(59)
        assert slots.slots.running
        slots.pass_by(2)
        outcome = await slots.outcome()
        await slots.free()
    assert (outcome["state"], outcome["reason"], outcome.get("final")) == ("failed", "timeout", None)
    assert outcome["error"]["type"] == "pgqueue.errors.Timeout"
    assert "pgqueue.errors.PgQueueError" in outcome["error"]["types"]
    assert outcome["error"]["message"].startswith("the handler ran for ")
    assert outcome["error"]["message"].endswith(" s; its timeout is 60 s")
    assert "in _sleep" in outcome["error"]["traceback"], "it shows where the handler was"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(1e-6, "1 µs"), (4.6e-05, "46 µs"), (0.0123, "0.012 s"), (0.1, "0.1 s"), (60.004, "60 s"), (3e10, "30000000000 s")],
)
def test_a_brief_timeout_does_not_read_as_none(seconds: float, text: str) -> None:
    assert spent(seconds) == text


async def test_the_wait_for_a_process_is_no_time_in_the_handler() -> None:
    async def surrounded(job: JobContext, task: object, threads: object) -> None:
        job.started -= 1000
        job.clock_at = time.perf_counter()
        job.timed_out = True
        raise asyncio.CancelledError

    app = PgQueue("postgresql://nobody@localhost:1/nothing")
    app.task(name="handler")(_sleep)
    with ThreadPoolExecutor(1) as threads:
        outcome = await execute(timed_job(timeout=60), app.tasks["handler"], threads, surrounded)
    assert outcome.elapsed < 100


@pytest.mark.parametrize("times", [1, 3])
async def test_a_handler_that_swallows_its_cancellation_is_cancelled_again(times: int) -> None:
    handler = Stubborn(times)
    async with timed(handler) as slots:
        await _started(slots, timed_job(timeout=60))
        slots.pass_by(61)
        for count in range(1, times + 1):
            await auntil(lambda count=count: handler.swallowed == count, "the cancellation")  # type: ignore[misc]
            slots.pass_by(0.1)
            await asyncio.sleep(0)
            assert handler.swallowed == count, "not at once, and not without end"
            slots.pass_by(0.5)
        assert (await slots.outcome())["reason"] == "timeout"
        await slots.free()
        assert slots.worn_out == []


async def test_a_cancellation_that_wait_for_swallows_comes_again() -> None:
    """In Python 3.11 wait_for returns the result of what it waited for, if that has ended in the same moment."""
    turns: list[int] = []
    arrived: list[asyncio.Future[None]] = []

    async def handler() -> None:
        while len(turns) < 100:
            turns.append(1)
            arrived.append(asyncio.get_running_loop().create_future())
            await asyncio.wait_for(arrived[-1], 3600)

    async with timed(handler) as slots:
        await _started(slots, timed_job(timeout=60))
        await auntil(lambda: arrived, "the handler")
        arrived[-1].set_result(None)
        slots.pass_by(61)
        await auntil(lambda: len(turns) == 2 or slots.outcomes, "the next turn")
        slots.pass_by(0.6)
        assert (await slots.outcome())["reason"] == "timeout"
        await slots.free()


async def test_a_handler_that_never_ends_loses_its_slot_and_its_run_is_over() -> None:
    handler = Stubborn(None)
    async with timed(handler) as slots:
        first = timed_job(7, timeout=60)
        await _started(slots, first)
        slots.pass_by(61)
        for _ in range(9):
            await asyncio.sleep(0)
            slots.pass_by(GRACE / 10)
        assert slots.outcomes == [], "it has its grace"
        slots.pass_by(GRACE)
        assert (await slots.outcome())["reason"] == "timeout"
        assert first.dropped
        assert slots.slots.running == {}
        assert (await slots.slots.room())[0] == 7, "the slot is not free"
        await asyncio.sleep(0)
        swallowed = handler.swallowed
        slots.pass_by(60)
        await asyncio.sleep(0)
        assert handler.swallowed == swallowed, "it is left alone"

        slots.start(timed_job(7, timeout=60))  # claimed again, by the same worker
        await auntil(lambda: 7 in slots.slots.running, "the second run")
        handler.may_end.set()
        await slots.free()
        assert [said(outcome)["state"] for outcome in slots.outcomes] == ["failed", "succeeded"]
        assert (await slots.slots.room())[0] == 8, "the slot is free again"


@pytest.mark.parametrize("raises", [False, True])
async def test_the_end_of_a_handler_whose_slot_was_abandoned_is_not_logged_as_another_failure(
    caplog: pytest.LogCaptureFixture, raises: bool
) -> None:
    gate = threading.Event()

    def handler() -> None:
        gate.wait(60)
        if raises:
            raise ValueError("late")

    async with timed(handler) as slots:
        await _started(slots, timed_job(timeout=60))
        slots.pass_by(61)
        assert (await slots.outcome())["reason"] == "timeout"
        gate.set()
        await slots.free()
    assert [record.getMessage().startswith("job 1 failed") for record in caplog.records].count(True) == 1


async def test_abandoned_slots_count_as_taken_for_jobs_with_limits_too() -> None:
    handler = Stubborn(None)
    first = limited_job(1)
    first.terms = timed_job(timeout=60).terms
    async with timed(handler) as slots:
        await _started(slots, first)
        slots.pass_by(61)
        slots.pass_by(2 * GRACE)
        await slots.outcome()
        assert await slots.slots.room() == (7, 7)
        assert slots.slots._room.limited_running == 0
        handler.may_end.set()
        await slots.free()
        assert await slots.slots.room() == (8, 8)
        assert slots.slots._room.limited_running == 0


async def test_a_thread_loses_its_run_at_once_and_keeps_its_slot() -> None:
    may_end, started, left = threading.Event(), threading.Event(), list[Any]()

    def handler(ctx: JobContext) -> None:
        started.set()
        may_end.wait(60)
        left.append((ctx.cancelled, ctx.timed_out))

    async with timed(handler) as slots:
        slots.start(timed_job(timeout=60))
        await auntil(started.is_set, "the thread")
        slots.pass_by(61)
        outcome = await slots.outcome()
        assert (outcome["reason"], outcome["not_before"]) == ("timeout", GRACE)
        assert (await slots.slots.room())[0] == 7
        may_end.set()
        await slots.free()
        assert (await slots.slots.room())[0] == 8
    assert left == [(False, True)]


@pytest.mark.parametrize(
    ("terms", "left", "passes", "message"),
    [
        ({"timeout": 60}, 600, 61, "its timeout is 60 s"),
        ({"timeout": 60, "total_timeout": 300}, 20, 21, "the total_timeout of the job, 300 s, is over"),
        ({"total_timeout": 300}, 20, 21, "the total_timeout of the job, 300 s, is over"),
    ],
)
async def test_a_run_ends_at_its_timeout_or_at_the_deadline_of_all_attempts(
    terms: dict[str, Any], left: float, passes: float, message: str
) -> None:
    async with timed(_sleep) as slots:
        await _started(slots, timed_job(**terms, left=left))
        slots.pass_by(passes)
        outcome = await slots.outcome()
    assert outcome["reason"] == "timeout"
    assert outcome["error"]["message"].endswith(message)


async def test_a_job_whose_deadline_has_passed_does_not_start() -> None:
    started: list[int] = []

    async def handler() -> None:
        started.append(1)

    async with timed(handler) as slots:
        slots.start(timed_job(total_timeout=300, left=-0.1))
        outcome = await slots.outcome()
        await slots.free()
    assert (outcome["reason"], started) == ("timeout", [])


async def test_a_handler_that_returns_before_the_watcher_looks_has_succeeded() -> None:
    gate = asyncio.Event()

    async def handler() -> str:
        await gate.wait()
        return "done"

    async with timed(handler) as slots:
        await _started(slots, timed_job(timeout=60))
        gate.set()
        await slots.outcome()
        slots.pass_by(61)
        await slots.free()
        assert (await slots.outcome())["result"] == "done"


@pytest.mark.parametrize("returned", ["done", Cancel("no"), ValueError("wrong")], ids=["result", "cancel", "error"])
async def test_a_handler_that_would_go_on_when_the_watcher_looks_has_timed_out(returned: Any) -> None:
    gate = asyncio.Event()

    async def handler() -> Any:
        try:
            await gate.wait()
        except asyncio.CancelledError:  # the answer that it waited for is there, though
            if isinstance(returned, Exception):
                raise returned from None
            return returned

    async with timed(handler) as slots:
        await _started(slots, timed_job(timeout=60))
        gate.set()  # it goes on with the next turn of the loop
        slots.pass_by(61)
        await slots.free()
        outcome = await slots.outcome()
    assert (outcome["state"], outcome["reason"]) == ("failed", "timeout")
    assert "result" not in outcome


@pytest.mark.parametrize("first", ["handler", "watcher"])
async def test_a_thread_that_ends_in_the_moment_of_its_timeout_has_one_outcome(first: str) -> None:
    may_end, started = threading.Event(), threading.Event()

    def handler() -> str:
        started.set()
        may_end.wait(60)
        return "done"

    async with timed(handler) as slots:
        slots.start(timed_job(timeout=60))
        await auntil(started.is_set, "the thread")
        may_end.set()
        if first == "watcher":
            slots.pass_by(61)  # the thread may have ended, but the loop has not seen it
        await slots.free()
        slots.pass_by(61)
        outcome = await slots.outcome()
    assert outcome["state"] == ("succeeded" if first == "handler" else "failed")


@pytest.mark.parametrize("ends", [True, False], ids=["ends", "does not end"])
async def test_a_run_that_its_transaction_has_finished_has_succeeded_whatever_comes(ends: bool) -> None:
    handler = Stubborn(0 if ends else None)
    first = timed_job(timeout=60)
    async with timed(handler) as slots:
        await _started(slots, first)
        first.is_finished = True
        slots.pass_by(61)
        await asyncio.sleep(0)
        slots.pass_by(GRACE + 1)
        await auntil(lambda: slots.outcomes, "the outcome")
        assert [outcome.state for outcome in slots.outcomes] == ["committed"]
        handler.may_end.set()
        await slots.free()


@pytest.mark.parametrize("commits", [True, False])
async def test_a_transaction_that_is_just_committing_decides_first(commits: bool) -> None:
    started, may_end = threading.Event(), threading.Event()

    def handler(ctx: JobContext) -> None:
        ctx.is_finishing = True
        started.set()
        may_end.wait(60)
        ctx.is_finished, ctx.is_finishing = commits, False
        time.sleep(0.05)  # the watcher may look now

    async with timed(handler) as slots:
        slots.start(timed_job(timeout=60))
        await auntil(started.is_set, "the commit")
        slots.pass_by(61)
        slots.pass_by(60)
        assert slots.outcomes == []
        may_end.set()
        while not slots.outcomes:
            slots.pass_by(0.1)
            await asyncio.sleep(0.01)
        assert slots.outcomes[0].state == ("committed" if commits else "failed")
        await slots.free()


async def test_a_transaction_whose_commit_never_ends_does_not_hold_the_job_for_ever() -> None:
    started, may_end = threading.Event(), threading.Event()

    def handler(ctx: JobContext) -> None:
        ctx.is_finishing = True
        started.set()
        may_end.wait(60)

    async with timed(handler) as slots:
        slots.start(timed_job(timeout=60))
        await auntil(started.is_set, "the commit")
        slots.pass_by(61)
        slots.pass_by(COMMIT_WITHIN - 1)
        assert slots.outcomes == []
        slots.pass_by(2)
        assert [outcome.state for outcome in slots.outcomes] == ["failed"]
        may_end.set()
        await slots.free()


async def test_a_cancelled_job_stays_cancelled_and_one_that_was_dropped_has_no_outcome() -> None:
    handler = Stubborn(None)
    jobs = [timed_job(n, timeout=60) for n in range(3)]
    async with timed(handler) as slots:
        await _started(slots, *jobs)
        slots.slots.cancel([0])
        slots.slots._jobs[slots.slots.running[1]].dropped = True
        slots.pass_by(61)
        slots.slots.cancel([2])  # it has timed out before
        await asyncio.sleep(0)
        slots.pass_by(GRACE + 1)
        assert [(outcome.job.id, outcome.state) for outcome in slots.outcomes] == [(0, "cancelled"), (2, "failed")]
        handler.may_end.set()
        await auntil(lambda: not slots.slots.running, "their end")


async def test_a_cancelled_job_that_succeeds_after_its_timeout_nevertheless_has_succeeded() -> None:
    """The cancellation has come first, so the timeout decides nothing."""
    handler = Stubborn(None)
    async with timed(handler) as slots:
        await _started(slots, timed_job(timeout=60))
        slots.slots.cancel([1])
        slots.pass_by(61)
        await asyncio.sleep(0)
        handler.may_end.set()
        assert (await slots.outcome())["result"] == "ended"
        await slots.free()


@pytest.mark.parametrize(
    ("concurrency", "most"), [(1, 0), (2, 0), (3, 0), (4, 1), (7, 1), (8, 2), (100, 25)], ids=lambda value: str(value)
)
async def test_a_worker_is_worn_out_when_more_than_a_quarter_of_its_slots_is_abandoned(concurrency: int, most: int) -> None:
    handler = Stubborn(None)
    async with timed(handler, concurrency) as slots:
        for number in range(most + 1):
            assert slots.worn_out == []
            await _started(slots, timed_job(number, timeout=60))
            slots.pass_by(61)
            slots.pass_by(GRACE + 1)
        assert slots.worn_out == [1]
        handler.may_end.set()
        await slots.free()


async def test_the_heartbeat_tells_which_runs_have_a_timeout_and_for_how_long_they_run() -> None:
    async with timed(_sleep) as slots:
        assert slots.slots.timeouts.running() is None
        await _started(slots, job(1), timed_job(2, timeout=60), timed_job(3, soft_timeout=10), timed_job(4, left=60))
        slots._ahead += 5
        told = slots.slots.timeouts.running()
        assert told is not None
        runs = json.loads(told)
        assert [run["id"] for run in runs] == [2, 4]
        assert all(5 <= run["seconds"] < 30 for run in runs)
        assert runs[0]["token"] == timed_job().token


async def test_it_can_be_asked_from_another_thread_while_runs_come_and_go() -> None:
    async def handler() -> None: ...

    answers: list[str | None] = []
    failed: list[Exception] = []
    stop = threading.Event()

    async with timed(handler) as slots:

        def ask() -> None:
            while not stop.is_set():
                try:
                    answers.append(slots.slots.timeouts.running())
                except Exception as error:
                    failed.append(error)

        asking = threading.Thread(target=ask)
        asking.start()
        for start in range(0, 5000, 500):
            slots.start(*(timed_job(start + n, timeout=60) for n in range(500)))
            await auntil(lambda start=start: len(slots.outcomes) == start + 500, "the jobs")  # type: ignore[misc]
        stop.set()
        asking.join()
    assert failed == []
    assert answers


async def test_the_loop_sleeps_until_the_earliest_timeout_and_a_run_with_an_earlier_one_wakes_it() -> None:
    async with timed(_sleep) as slots:
        del slots.slots.timeouts._clock
        slots.slots.timeouts._clock = time.perf_counter
        watching = asyncio.create_task(slots.slots.timeouts.run())
        await _started(slots, timed_job(1, timeout=3600))
        await _started(slots, timed_job(2, timeout=0.2))
        outcome = await slots.outcome()
        assert (outcome["id"], outcome["reason"]) == (2, "timeout")
        assert outcome["elapsed"] >= 0.2
        watching.cancel()


async def test_a_batch_of_brief_jobs_does_not_wake_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[int] = []
    look = Timeouts.look

    def looked(timeouts: Timeouts) -> None:
        looks.append(1)
        look(timeouts)

    monkeypatch.setattr(Timeouts, "look", looked)

    async def handler() -> None: ...

    async with timed(handler) as slots:
        watching = asyncio.create_task(slots.slots.timeouts.run())
        for start in range(0, 2000, 100):
            slots.start(*(timed_job(start + n, timeout=600) for n in range(100)))
            await auntil(lambda start=start: len(slots.outcomes) == start + 100, "the jobs")  # type: ignore[misc]
        watching.cancel()
    assert looks == []


def test_the_error_can_be_named_in_a_retry_policy(app: PgQueue) -> None:
    assert Retry(never=[Timeout]).policy() == {"never": ["pgqueue.errors.Timeout"]}
