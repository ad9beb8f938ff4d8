"""A job that runs is cancelled: its handler is asked to stop where it can, and by force its run is over at once."""

import asyncio
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from pgqueue import JobContext, PgQueue
from pgqueue.database.calls import manage as manage_calls
from pgqueue.worker import cancels
from tests.looking import Look
from tests.waiting import auntil
from tests.worker import process_jobs
from tests.worker.conftest import new_worker, working
from tests.worker.processes import InProcess, runs


def _ended(look: Look, id: int) -> bool:
    return look.rows("select state::text, reason::text, control->'cancel'->>'by' as by from jobs where id = %s", id) == [
        {"state": "cancelled", "reason": "user_requested", "by": "ann"}
    ]


async def _heard(look: Look) -> None:
    await auntil(lambda: look.value("select count(*) from worker where wake_mode = 'notify'"), "it listens")


@pytest.mark.parametrize("is_heard", [True, False], ids=["heard", "unheard"])
async def test_an_async_handler_is_cancelled_and_a_retry_does_not_follow(
    async_app: PgQueue, look: Look, monkeypatch: pytest.MonkeyPatch, is_heard: bool
) -> None:
    """T24: without LISTEN too, within the second between two polls."""
    started: list[int] = []
    ended: list[bool] = []

    @async_app.task(retry=5)
    async def wait(ctx: JobContext) -> None:
        started.append(ctx.id)
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(ctx.cancelled and ctx.should_cancel())

    if not is_heard:
        monkeypatch.setattr("pgqueue.worker.liveness.hears", lambda *args: False)
    async with working(async_app):
        await auntil(lambda: look.value("select count(*) from worker where wake_mode <> 'starting'"), "it listens or polls")
        job = wait.enqueue()
        await auntil(lambda: started, "it runs")
        began = time.monotonic()
        assert await async_app.acancel(job.id, by="ann", note="wrong customer") == "asked"
        await auntil(lambda: _ended(look, job.id), "it is cancelled")
        assert time.monotonic() - began < (5 if is_heard else 8), "the lease alone would find it"
    assert (started, ended) == ([job.id], [True])


@pytest.mark.parametrize("ends", ["raises", "fails", "succeeds"])
async def test_a_handler_in_a_thread_is_asked_and_ends_as_it_does(async_app: PgQueue, look: Look, ends: str) -> None:
    runs = threading.Event()

    @async_app.task(retry=5)
    def work(ctx: JobContext) -> str:
        runs.set()
        while not ctx.should_cancel():
            time.sleep(0.005)
        try:
            if ends == "raises":
                ctx.raise_if_cancelled()
        except Exception:
            return "caught it"
        if ends == "fails":
            raise ValueError("cut off")
        return "done"

    async with working(async_app):
        job = work.enqueue()
        await auntil(runs.is_set, "it runs")
        await async_app.acancel(job.id, by="ann")
        if ends == "succeeds":
            await auntil(lambda: look.state(job.id) == "succeeded", "it ends")
            return
        await auntil(lambda: _ended(look, job.id), "it is cancelled")
    errors = look.job(job.id)["errors"]
    assert [error["message"] for error in errors or []] == (["cut off"] if ends == "fails" else [])


async def test_nothing_is_raised_where_nobody_has_asked(async_app: PgQueue, look: Look) -> None:
    @async_app.task
    def work(ctx: JobContext) -> bool:
        ctx.raise_if_cancelled()
        return ctx.should_cancel()

    async with working(async_app):
        job = work.enqueue()
        assert await job.aresult(timeout=20) is False


async def test_a_handler_in_a_process_is_told_and_its_process_lives_on(
    async_app: PgQueue, look: Look, in_process: InProcess, tmp_path: Path
) -> None:
    patient = in_process(async_app, process_jobs.patient)
    mark = tmp_path / "mark"
    async with working(async_app, concurrency=1):
        first, second = patient.enqueue(str(mark)), patient.enqueue(str(mark))
        for job in (first, second):
            await auntil(lambda: mark.exists() and mark.read_text(), "it runs")
            pid = mark.read_text()
            mark.unlink()
            await async_app.acancel(job.id, by="ann")
            await auntil(lambda job=job: _ended(look, job.id), "it is cancelled")  # type: ignore[misc]
        assert runs(int(pid))


@pytest.mark.parametrize("force", [False, True], ids=["after the grace", "by force"])
async def test_a_process_that_does_not_listen_is_killed(
    async_app: PgQueue, look: Look, in_process: InProcess, tmp_path: Path, force: bool
) -> None:
    slow = in_process(async_app, process_jobs.slow)
    mark = tmp_path / "mark"
    async with working(async_app, timeout_grace=60.0 if force else 0.3) as worker:
        job = slow.enqueue(str(mark), 60.0)
        await auntil(lambda: mark.exists() and mark.read_text(), "it runs")
        await async_app.acancel(job.id, by="ann", force=force)
        await auntil(lambda: _ended(look, job.id), "it is cancelled")
        await auntil(lambda: not runs(int(mark.read_text())), "its process is dead")
        await auntil(lambda: not worker._parts.slots.running, "its slot is free")
        assert worker._parts.finisher.counts["stale"] == 0


async def test_a_job_that_waits_for_a_process_does_not_start(
    async_app: PgQueue, look: Look, in_process: InProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(async_app, "settings", async_app.settings.model_copy(update={"process_pool_size": 1}))
    patient = in_process(async_app, process_jobs.patient)
    marks = [tmp_path / "first", tmp_path / "second"]
    async with working(async_app, concurrency=2) as worker:
        first = patient.enqueue(str(marks[0]))
        await auntil(lambda: marks[0].exists(), "it runs")
        second = patient.enqueue(str(marks[1]))
        await auntil(lambda: len(worker._parts.slots.running) == 2, "the other one waits")
        await async_app.acancel(second.id, by="ann")
        await auntil(lambda: _ended(look, second.id), "it is cancelled")
        assert look.state(first.id) == "running"
        await async_app.acancel(first.id)
    assert not marks[1].exists()


async def test_by_force_a_job_is_over_although_its_handler_swallows_every_cancellation(async_app: PgQueue, look: Look) -> None:
    """T20, T25: its slot is abandoned after the grace, and nothing is handed in."""
    gate, cancelled = asyncio.Event(), list[float]()

    @async_app.task
    async def stubborn() -> str:
        while not gate.is_set():
            try:
                await gate.wait()
            except asyncio.CancelledError:
                cancelled.append(time.monotonic())
        return "at last"

    @async_app.task
    async def noop() -> None: ...

    async with working(async_app, concurrency=8, timeout_grace=1.2) as worker:
        await _heard(look)
        job = stubborn.enqueue()
        await auntil(lambda: worker._parts.slots.running, "it runs")
        assert await async_app.acancel(job.id, by="ann", force=True) == "fenced"
        assert _ended(look, job.id)
        await auntil(lambda: worker._parts.slots._room.concurrency == 7, "its slot is abandoned")
        assert len(cancelled) >= 2, "it was cancelled once"
        await noop.enqueue().aresult(timeout=20)
        gate.set()
        await auntil(lambda: worker._parts.slots._room.concurrency == 8, "its slot is back")
        assert worker._parts.finisher.counts["stale"] == 0
    assert _ended(look, job.id)


@pytest.mark.parametrize("asked_before", [False, True])
async def test_a_fenced_run_in_a_thread_hands_in_nothing(async_app: PgQueue, look: Look, asked_before: bool) -> None:
    gate, told = threading.Event(), list[bool]()

    @async_app.task
    def work(ctx: JobContext) -> str:
        while not ctx.dropped:
            time.sleep(0.005)
        told.append(ctx.should_cancel())
        gate.wait(20)
        ctx.raise_if_cancelled()
        return "went on"

    async with working(async_app) as worker:
        await _heard(look)
        job = work.enqueue()
        await auntil(lambda: worker._parts.slots.running, "it runs")
        if asked_before:
            await async_app.acancel(job.id)
            await auntil(lambda: next(iter(worker._parts.slots.held())).cancelled, "it is asked")
        await async_app.acancel(job.id, by="ann", force=True)
        await auntil(lambda: told, "it is told")
        gate.set()
        await auntil(lambda: not worker._parts.slots.running, "it ends")
        await asyncio.sleep(0)
        assert worker._parts.finisher.counts.total() == 0
    assert (told, _ended(look, job.id)) == ([True], True)


async def test_what_was_fetched_ahead_and_is_fenced_does_not_start(async_app: PgQueue, look: Look) -> None:
    started: list[int] = []
    gate = asyncio.Event()

    @async_app.task
    async def wait(n: int) -> None:
        started.append(n)
        if n >= 200:
            await gate.wait()

    wait.enqueue_many([(n,) for n in range(200)])  # fast ones, so that the worker fetches ahead
    wait.enqueue(200)
    (late,) = wait.enqueue_many([(201,)])
    async with working(async_app, concurrency=1) as worker:
        await auntil(lambda: 200 in started and worker._parts.slots.waiting, "prefetched jobs")
        await async_app.acancel(late.id, by="ann", force=True)
        await auntil(lambda: not worker._parts.slots.waiting, "it is forgotten")
        gate.set()
        await auntil(lambda: look.count("succeeded") == 201, "the others end")
    assert max(started) == 200
    assert _ended(look, late.id)


async def test_a_run_whose_transaction_has_finished_the_job_goes_on(async_app: PgQueue, look: Look, written: None) -> None:
    """Its job does not run under the worker any more, for a good reason."""
    gate, ended = asyncio.Event(), list[str]()

    @async_app.task
    async def charge(ctx: JobContext) -> None:
        async with ctx.transaction() as tx:
            await tx.connection.execute("insert into public.written values (%s)", [ctx.id])
        await gate.wait()
        ended.append("to its end")

    async with working(async_app) as worker:
        await _heard(look)
        job = charge.enqueue()
        await auntil(lambda: look.state(job.id) == "succeeded", "it is finished")
        looks: list[Any] = []
        fence = worker._parts.slots.fence
        worker._parts.slots.fence = lambda jobs: (looks.append(jobs), fence(jobs))[1]  # type: ignore[method-assign,func-returns-value]
        worker._parts.cancels.wanted()
        await auntil(lambda: any(looks), "it is looked at")
        gate.set()
        await auntil(lambda: ended, "it goes on")


async def test_by_force_the_transaction_of_the_handler_is_rolled_back(async_app: PgQueue, look: Look, written: None) -> None:
    inside, gate = threading.Event(), threading.Event()
    lost: list[str] = []

    @async_app.task
    def charge(ctx: JobContext) -> None:
        try:
            with ctx.transaction() as tx:
                tx.connection.execute("insert into public.written values (%s)", [ctx.id])
                inside.set()
                gate.wait(20)
        except Exception as error:
            lost.append(type(error).__name__)
            raise

    async with working(async_app):
        job = charge.enqueue()
        await auntil(inside.is_set, "it is inside")
        await async_app.acancel(job.id, by="ann", force=True)
        gate.set()
        await auntil(lambda: lost, "it ends")
    assert lost == ["LeaseLost"]
    assert look.rows("select * from public.written") == []
    assert _ended(look, job.id)


async def test_a_thousand_requests_in_a_second_leave_the_worker_serving(
    async_app: PgQueue, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T24: many lead to one look, and other jobs run meanwhile."""
    looks: list[float] = []
    ask = manage_calls.cancel_requests

    def asked(*args: Any) -> Any:
        looks.append(time.monotonic())
        return ask(*args)

    monkeypatch.setattr(manage_calls, "cancel_requests", asked)

    @async_app.task
    async def wait() -> None:
        await asyncio.sleep(60)

    @async_app.task
    async def noop() -> None: ...

    look.rows("select enqueue_many('noop', (select jsonb_agg('{}'::jsonb) from generate_series(1, 1000)), 'elsewhere')")
    look.value("select register_worker(gen_random_uuid(), 'w', 'h', 1, '0', '{elsewhere}', 1000, '600 s')")
    elsewhere = look.rows("select id from claim((select id from worker), gen_random_uuid(), '{elsewhere}', 1000)")
    async with working(async_app, concurrency=200):
        await _heard(look)
        mine = wait.enqueue_many([()] * 100)
        await auntil(lambda: look.count("running") == 1100, "they run")
        before = len(looks)

        def request() -> float:
            began = time.monotonic()
            for row in elsewhere:
                look.value("select cancel(%s)", row["id"])
            for job in mine[:50]:
                look.value("select cancel(%s)", job.id)
            return time.monotonic() - began

        requests = asyncio.create_task(asyncio.to_thread(request))
        served = 0
        while not requests.done():
            await noop.enqueue().aresult(timeout=20)
            served += 1
        took = await requests
        assert len(looks) - before <= took / cancels.SOONER_EVERY + 2
        assert served > 1
        stopped = "select count(*) from job_history where task = 'wait' and state = 'cancelled'"
        await auntil(lambda: look.value(stopped) == 50, "those that run here are cancelled")
        assert look.value("select count(*) from job where task = 'wait' and state = 'running'") == 50
        for job in mine[50:]:
            await async_app.acancel(job.id)


async def test_a_stop_that_cuts_a_handler_off_counts_that(async_app: PgQueue, look: Look) -> None:
    gate, runs = threading.Event(), threading.Event()

    @async_app.task
    def hang() -> None:
        runs.set()
        gate.wait(20)

    job = hang.enqueue()
    worker = new_worker(async_app, grace=0.1)
    run = asyncio.create_task(worker.run())
    await auntil(runs.is_set, "it runs")
    worker.stop()
    await run
    gate.set()

    its = look.job(job.id)
    assert (its["state"], its["attempt"], its["control"]) == ("ready", 0, {"interrupted": 1})
