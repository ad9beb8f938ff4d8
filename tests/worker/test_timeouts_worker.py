"""Timeouts in a whole worker: what becomes of the jobs, and of the worker."""

import asyncio
import json
import threading
import time
from typing import Any, LiteralString

import pytest

from pgqueue import JobContext, LeaseLost, PgQueue, Retry, Timeout
from pgqueue.database.calls import workers as worker_calls
from pgqueue.terms import Terms
from pgqueue.worker import Worker
from pgqueue.workflow.canvas import chunk_signature
from tests.looking import Look
from tests.waiting import auntil, until
from tests.worker.blocks import Register, held_commit, written_by
from tests.worker.conftest import ENDS_WITHIN, burst, new_worker, working
from tests.worker.timed import time_out, watched

AT_ONCE = Retry(1, backoff="fixed", delay=0, jitter=False)
BRIEF: LiteralString = """update job set terms = '{"timeout": 0.2}'"""
LONG: LiteralString = """update job set terms = '{"timeout": 3600}'"""


@pytest.mark.parametrize(
    ("retry", "state", "attempts"),
    [(AT_ONCE, "succeeded", 2), (Retry(3, never=[Timeout]), "failed", 1), (Retry(0), "failed", 1)],
    ids=["retried", "never", "no retries"],
)
async def test_a_timeout_is_a_failure_of_the_attempt_and_the_policy_decides(
    async_app: PgQueue, look: Look, retry: Retry, state: str, attempts: int
) -> None:
    @async_app.task(retry=retry)
    async def work(ctx: JobContext) -> None:
        if ctx.attempt == 1:
            await asyncio.sleep(3600)

    job = work.enqueue()
    look.rows(BRIEF)
    await burst(async_app)
    row = look.job(job.id)
    assert (row["state"], row["attempt"]) == (state, attempts)
    assert row["reason"] == ("timeout" if state == "failed" else None)
    assert row["errors"][0]["type"] == "pgqueue.errors.Timeout"
    assert "its timeout is 0.2 s" in row["errors"][0]["message"]


async def test_the_deadline_of_all_attempts_leaves_no_retry(async_app: PgQueue, look: Look) -> None:
    @async_app.task(retry=3)
    async def work() -> None:
        await asyncio.sleep(3600)

    job = work.enqueue()
    look.rows("""update job set terms = '{"total_timeout": 3600}', deadline_at = clock_timestamp() + interval '1 hour'""")
    async with working(async_app) as worker:
        await auntil(lambda: hasattr(worker, "_parts") and watched(worker._parts.slots.timeouts), "the run")
        (run,) = watched(worker._parts.slots.timeouts)
        assert 3000 < run.timeout_at - run.started <= 3600
        look.rows("update job set deadline_at = clock_timestamp()")  # the database decides whether it runs again
        time_out(worker._parts.slots.timeouts)
        await auntil(lambda: look.state(job.id) == "failed", "the outcome")
    assert (look.job(job.id)["reason"], look.job(job.id)["attempt"]) == ("timeout", 1)


async def test_the_retry_of_a_thread_waits_for_the_grace(async_app: PgQueue, look: Look) -> None:
    """The handler may still run: T21."""
    may_end = threading.Event()

    @async_app.task(retry=AT_ONCE)
    def work() -> None:
        may_end.wait(60)

    job = work.enqueue()
    look.rows(BRIEF)
    async with working(async_app, timeout_grace=300, concurrency=8) as worker:
        await auntil(lambda: look.state(job.id) == "scheduled", "the retry")
        waits: float = look.value("select extract(epoch from run_at - clock_timestamp()) from job")
        assert 240 < waits <= 300
        assert worker._parts.slots.running == {}
        assert len(worker._parts.slots.abandoned._slots) == 1
        may_end.set()
        await auntil(lambda: not worker._parts.slots.abandoned._slots, "the thread")
    assert look.state(job.id) == "scheduled", "the late end of the thread changes nothing"


async def test_a_worker_that_loses_its_slots_ends_gracefully_and_says_so(
    async_app: PgQueue, look: Look, caplog: pytest.LogCaptureFixture
) -> None:
    may_end, gate = threading.Event(), asyncio.Event()

    @async_app.task
    def hang() -> None:
        may_end.wait(60)

    @async_app.task
    async def other() -> str:
        await gate.wait()
        return "done"

    jobs = [hang.enqueue().id, other.enqueue().id]
    look.rows("""update job set terms = '{"timeout": 0.2}' where task = 'hang'""")
    worker = new_worker(async_app, concurrency=3, grace=30.0)
    assert not worker.is_recycled
    run = asyncio.create_task(worker.run())
    await auntil(lambda: worker.is_recycled, "the end of the worker")
    await auntil(lambda: worker._parts.slots._stopping, "its last moments")
    later = hang.enqueue()
    gate.set()
    async with asyncio.timeout(ENDS_WITHIN):
        await run
    assert "ends, so that another one can take its place: 1 of 3 slots abandoned" in caplog.text
    assert [look.state(job) for job in (*jobs, later.id)] == ["scheduled", "succeeded", "ready"]
    assert look.rows("select * from worker") == []
    may_end.set()


async def test_a_worker_that_was_stopped_before_it_loses_its_slots_does_not_ask_for_another_one(
    async_app: PgQueue, look: Look
) -> None:
    may_end = threading.Event()

    @async_app.task(retry=0)
    def hang() -> None:
        may_end.wait(60)

    job = hang.enqueue()
    look.rows(LONG)
    worker = new_worker(async_app, concurrency=1, grace=60.0)
    run = asyncio.create_task(worker.run())
    await auntil(lambda: hasattr(worker, "_parts") and watched(worker._parts.slots.timeouts), "the run")
    worker.stop()
    await auntil(lambda: worker._parts.slots._stopping, "the stop")
    time_out(worker._parts.slots.timeouts)
    async with asyncio.timeout(ENDS_WITHIN):
        await run
    assert (look.state(job.id), look.job(job.id)["reason"]) == ("failed", "timeout")
    assert not worker.is_recycled
    may_end.set()


@pytest.mark.parametrize("kind", ["thread", "async"])
async def test_a_burst_ends_although_a_handler_does_not(async_app: PgQueue, look: Look, kind: str) -> None:
    may_end = threading.Event()

    def hang() -> None:
        may_end.wait(60)

    async def ahang() -> None:
        while not may_end.is_set():
            try:
                await asyncio.sleep(0.05)
            except asyncio.CancelledError:
                continue

    async_app.task(name="hang", retry=0)(hang if kind == "thread" else ahang).enqueue()
    look.rows(BRIEF)
    worker = await burst(async_app, concurrency=8, timeout_grace=0.1)
    assert look.count("failed") == 1
    assert not worker.is_recycled
    may_end.set()


async def test_the_timeouts_of_a_stopping_worker_still_end_its_runs(async_app: PgQueue, look: Look) -> None:
    @async_app.task(retry=0)
    async def work() -> None:
        await asyncio.sleep(3600)

    job = work.enqueue()
    look.rows(LONG)
    worker = new_worker(async_app, grace=60.0)
    run = asyncio.create_task(worker.run())
    await auntil(lambda: hasattr(worker, "_parts") and watched(worker._parts.slots.timeouts), "the run")
    worker.stop()
    await auntil(lambda: worker._parts.slots._stopping, "the stop")
    await asyncio.sleep(0)
    (stopped,) = watched(worker._parts.slots.timeouts)
    stopped.timeout_at = stopped.next_at = time.perf_counter() + 0.1
    stopped.job.terms = Terms.from_json('{"timeout": 0.1}')
    worker._parts.slots.timeouts.start(stopped.job, time.perf_counter())
    async with asyncio.timeout(ENDS_WITHIN):
        await run
    assert (look.state(job.id), look.job(job.id)["reason"]) == ("failed", "timeout")


async def test_a_handler_that_blocks_the_loop_is_still_reported(
    async_app: PgQueue, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[list[dict[str, Any]]] = []
    may_end = threading.Event()
    heartbeat = worker_calls.heartbeat

    def beat(worker: Any, started: list[int], wake_mode: str, timed: str | None = None, *measured: Any) -> Any:
        if timed is not None:
            told.append(json.loads(timed))
            if told[-1][0]["seconds"] >= 1:
                may_end.set()
        return heartbeat(worker, started, wake_mode, timed, *measured)

    monkeypatch.setattr(worker_calls, "heartbeat", beat)

    @async_app.task
    async def block() -> None:
        until(may_end.is_set, "heartbeats while the loop stands still")

    @async_app.task
    async def plain() -> None: ...

    job = block.enqueue()
    plain.enqueue()
    look.rows("""update job set terms = '{"timeout": 3600}' where task = 'block'""")
    await burst(async_app)
    assert look.state(job.id) == "succeeded"
    assert [run["id"] for beats in told for run in beats] == [job.id] * len(told)
    assert told[-1][0]["seconds"] >= 1


def _late(ctx: JobContext, tx: Any) -> None:
    ctx.clock_at = -1e9


async def test_a_transaction_that_ends_after_the_timeout_is_rolled_back(
    async_app: PgQueue, look: Look, handler: Register
) -> None:
    job = handler(async_app, _late).enqueue()
    look.rows(LONG)
    await burst(async_app)
    row = look.job(job.id)
    assert (row["state"], row["reason"]) == ("failed", "timeout")
    assert row["errors"][0]["type"] == "pgqueue.errors.Timeout"
    assert "LeaseLost: job" in row["errors"][0]["traceback"]
    assert written_by(look) == []


async def test_the_handler_gets_lease_lost_and_cannot_turn_it_into_a_success(
    async_app: PgQueue, look: Look, written: None
) -> None:
    caught: list[str] = []

    @async_app.task(retry=0)
    async def work(ctx: JobContext) -> str:
        try:
            async with ctx.transaction() as tx:
                await tx.connection.execute("insert into public.written (job_id) values (1)")
                _late(ctx, tx)
        except LeaseLost as error:
            caught.append(str(error))
        return "nevertheless"

    job = work.enqueue()
    look.rows(LONG)
    await burst(async_app)
    assert caught == [f"job {job.id} has passed its timeout; what its transaction wrote is rolled back"]
    assert (look.state(job.id), look.job(job.id)["reason"]) == ("failed", "timeout")
    assert written_by(look) == []


async def test_a_transaction_that_has_committed_wins_over_the_timeout(async_app: PgQueue, look: Look, handler: Register) -> None:
    workers: list[Worker] = []
    loop = asyncio.get_running_loop()

    def after(ctx: JobContext) -> None:
        done = threading.Event()

        def pass_by() -> None:
            time_out(workers[0]._parts.slots.timeouts)
            done.set()

        loop.call_soon_threadsafe(pass_by)
        if threading.current_thread() is not threading.main_thread():
            done.wait(30)

    job = handler(async_app, lambda ctx, tx: None, after).enqueue()
    look.rows(LONG)
    async with working(async_app, concurrency=8) as worker:
        workers.append(worker)
        await auntil(lambda: look.state(job.id) == "succeeded", "the outcome")
    assert written_by(look) == [job.id]
    assert worker._parts.finisher.counts == {"succeeded": 1}


async def test_a_commit_that_is_under_way_decides_and_the_timeout_waits(
    async_app: PgQueue, look: Look, handler: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The timeout passes while COMMIT runs: its outcome counts, whichever it is."""
    job = handler(async_app, lambda ctx, tx: None).enqueue()
    look.rows(LONG)
    release = held_commit(look)
    async with working(async_app, concurrency=8, timeout_grace=0.0) as worker:
        commits: LiteralString = "select count(*) from pg_stat_activity where query ilike 'commit%%' and wait_event_type = 'Lock'"
        await auntil(lambda: look.connection.execute(commits.replace("%%", "%").encode()).fetchone() == (1,), "the commit")
        for _ in range(10):
            time_out(worker._parts.slots.timeouts)
            await asyncio.sleep(0.01)
        assert worker._parts.finisher.counts == {}
        release()
        await auntil(lambda: look.state(job.id) == "succeeded", "the outcome")
        await auntil(lambda: worker._parts.finisher.counts, "the count")
    assert worker._parts.finisher.counts == {"succeeded": 1}
    assert written_by(look) == [job.id]


async def test_a_chunk_keeps_its_slot_while_a_call_runs_in_a_thread(async_app: PgQueue, look: Look) -> None:
    may_end = threading.Event()
    started = threading.Event()
    left: list[float | None] = []

    @async_app.task
    def work(ctx: JobContext, n: int) -> None:
        left.append(ctx.time_left())
        started.set()
        may_end.wait(60)

    (job,) = await async_app.aenqueue_many([chunk_signature(work, [{"n": 1}, {"n": 2}])])
    look.rows(LONG)
    async with working(async_app, concurrency=8, timeout_grace=0.0) as worker:
        await auntil(started.is_set, "the thread")
        time_out(worker._parts.slots.timeouts)
        await asyncio.sleep(0)
        time_out(worker._parts.slots.timeouts)
        await auntil(lambda: look.state(job.id) == "scheduled", "the outcome")
        assert len(worker._parts.slots.abandoned._slots) == 1
        may_end.set()
        await auntil(lambda: not worker._parts.slots.abandoned._slots, "the thread")
    assert len(left) == 1
    assert left[0] is not None
    assert left[0] > 3000
