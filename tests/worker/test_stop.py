"""A graceful stop: what has not started goes back, what runs may end, and no attempt is lost."""

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from pgqueue import JobContext, PgQueue
from pgqueue.database import Link
from pgqueue.worker.liveness import Liveness
from pgqueue.worker.pace import Pace
from tests.looking import Look
from tests.waiting import auntil, until
from tests.worker.conftest import burst, new_worker, working


async def test_unstarted_jobs_are_given_back_and_running_ones_end(async_app: PgQueue, look: Look) -> None:
    started: list[int] = []
    gate = asyncio.Event()

    @async_app.task
    async def work(n: int) -> int:
        started.append(n)
        if n >= 200:
            await gate.wait()
        return n

    fast = work.enqueue_many([(n,) for n in range(200)])  # so many fast ones that the worker fetches ahead
    slow = work.enqueue_many([(n,) for n in range(200, 300)])
    async with working(async_app, concurrency=2) as worker:
        await auntil(
            lambda: look.value("select count(*) from job where state = 'running'") > 2 and 201 in started, "prefetched jobs"
        )
        worker.stop()
        asyncio.get_running_loop().call_later(0.2, gate.set)
    assert look.count("running") == 0
    assert look.count("succeeded") == len(fast) + 2
    waiting = look.rows("select attempt, claim_token, worker_id from job")
    assert waiting == [{"attempt": 0, "claim_token": None, "worker_id": None}] * (len(slow) - 2)
    assert started == list(range(202))


async def test_after_the_grace_a_running_job_is_given_back_without_losing_its_attempt(async_app: PgQueue, look: Look) -> None:
    started, ended = [], []

    @async_app.task
    async def work(ctx: JobContext) -> str:
        started.append(ctx.attempt)
        if len(started) == 1:
            try:
                await asyncio.sleep(60)
            finally:
                ended.append("cancelled")
        return f"attempt {ctx.attempt}"

    job = work.enqueue()
    worker = new_worker(async_app, grace=0.1)
    run = asyncio.create_task(worker.run())
    await auntil(lambda: started, "the job")
    began = time.monotonic()
    worker.stop()
    await run
    assert time.monotonic() - began < 5
    assert ended == ["cancelled"]
    row = look.job(job.id)
    assert (row["state"], row["attempt"], row["rescues"]) == ("ready", 0, 0)
    await burst(async_app)
    assert await job.aresult(timeout=0) == "attempt 1"


async def test_a_handler_in_a_thread_does_not_hold_up_a_stop(async_app: PgQueue, look: Look) -> None:
    started, release = threading.Event(), threading.Event()

    @async_app.task
    def work() -> None:
        started.set()
        release.wait(30)

    job = work.enqueue()
    worker = new_worker(async_app, grace=0.1)
    run = asyncio.create_task(worker.run())
    await auntil(started.is_set, "the job")
    worker.stop()
    async with asyncio.timeout(10):
        await run
    assert (look.job(job.id)["state"], look.job(job.id)["attempt"]) == ("ready", 0)
    release.set()


async def test_outcomes_of_the_last_moment_are_handed_in(async_app: PgQueue, look: Look) -> None:
    gate = asyncio.Event()
    started: list[int] = []

    @async_app.task
    async def work(n: int) -> str:
        started.append(n)
        await gate.wait()
        return "done"

    jobs = work.enqueue_many([(n,) for n in range(50)])
    async with working(async_app, concurrency=50) as worker:
        await auntil(lambda: len(started) == 50, "the jobs")
        gate.set()
        worker.stop()
    assert [look.state(job.id) for job in jobs] == ["succeeded"] * 50


async def test_a_worker_stopped_before_it_started_claims_nothing(async_app: PgQueue, look: Look) -> None:
    async_app.task(name="nothing")(lambda: None).enqueue()
    worker = new_worker(async_app)
    worker.stop()
    await worker.run()
    assert look.count("ready") == 1
    assert look.rows("select * from worker") == []


async def test_prefetched_jobs_start_elsewhere_while_the_stopped_worker_still_waits_for_its_handler(
    async_app: PgQueue, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FAULTS 13."""
    monkeypatch.setattr(Pace, "prefetch", lambda self: 5)
    release = asyncio.Event()

    @async_app.task
    async def work() -> None:
        await release.wait()

    other_app = PgQueue(async_app.url)
    other_app.task(name="work")(lambda: None)
    work.enqueue_many([()] * 6)
    async with working(async_app, concurrency=1, grace=30.0) as first:
        await auntil(lambda: look.count("running") > 1, "one job that runs, and more that were fetched ahead")
        async with working(other_app):
            await auntil(lambda: look.value("select count(*) from worker where wake_mode = 'notify'") == 2, "both")
            first.stop()
            await auntil(lambda: look.count("succeeded") == 5, "the others, elsewhere", within=20)  # less than the grace
            assert look.count("running") == 1
            release.set()
    assert look.count("succeeded") == 6


async def test_a_cancelled_run_closes_its_connections(async_app: PgQueue, look: Look) -> None:
    async_app.task(name="nothing")(lambda: None)
    run = asyncio.create_task(new_worker(async_app).run())
    await auntil(lambda: look.value("select count(*) from worker where wake_mode = 'notify'"), "the worker")
    run.cancel()
    await asyncio.wait({run})
    assert run.cancelled()
    ours = "select count(*) from pg_stat_activity where application_name like 'pgqueue %%' and datname = current_database()"
    await auntil(lambda: look.connection.execute(ours.replace("%%", "%").encode()).fetchone() == (0,), "the end")


async def test_a_worker_that_is_stopped_while_it_registers_leaves_nothing(
    async_app: PgQueue, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    async_app.task(name="work")(lambda: None)
    run = Link.run

    async def unanswered(link: Link, call: Any, **options: Any) -> Any:
        answer = await run(link, call, **options)
        built = call() if callable(call) else call
        if "register_worker" in built.statement:
            await asyncio.Event().wait()  # the reply never arrives
        return answer

    monkeypatch.setattr(Link, "run", unanswered)
    async with working(async_app) as worker:
        await auntil(lambda: look.value("select count(*) from worker") == 1, "it is registered")
        worker.stop()
    assert look.value("select count(*) from worker") == 0


async def test_a_heartbeat_that_finds_its_worker_gone_does_not_bring_it_back(
    async_app: PgQueue,
    look: Look,
    connect: Callable[..., psycopg.Connection[Any]],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The heartbeat waits behind the statement by which the worker leaves."""

    def waiting() -> int:
        return int(look.value("select count(*) from pg_stat_activity where wait_event_type = 'Lock'"))

    beat = Liveness._beat
    async_app.task(name="work")(lambda: None)
    worker = new_worker(async_app)
    run = asyncio.create_task(worker.run())
    await auntil(lambda: look.value("select wake_mode <> 'starting' from worker"), "the first heartbeat")
    monkeypatch.setattr(Liveness, "_beat", lambda *given: (until(waiting, "the worker leaves"), beat(*given)))
    with connect(autocommit=False) as holder:
        holder.execute("select from worker for update")
        worker.stop()
        await auntil(lambda: waiting() == 2, "the heartbeat behind it")
        holder.commit()
    await run
    assert "lost its lease" not in caplog.text
    assert look.value("select count(*) from worker") == 0
