"""What runs in a workflow that is cancelled is stopped where it can be."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from pgqueue import JobContext, PgQueue, group
from pgqueue.worker.parents import ParentLoader
from pgqueue.worker.slots import Slots
from tests.looking import Look
from tests.waiting import auntil
from tests.worker import process_jobs
from tests.worker.conftest import working
from tests.worker.processes import InProcess


@pytest.fixture(autouse=True)
def _no_drift(look: Look) -> Any:
    yield
    assert look.rows("select * from workflow_drift()") == []


def _cancelled(look: Look, job_id: int) -> bool:
    return look.rows("select state::text, reason::text from jobs where id = %s", job_id) == [
        {"state": "cancelled", "reason": "user_requested"}
    ]


@pytest.mark.parametrize("is_heard", [True, False], ids=["heard", "unheard"])
async def test_async_handlers_are_cancelled(
    async_app: PgQueue, look: Look, monkeypatch: pytest.MonkeyPatch, is_heard: bool
) -> None:
    started: list[int] = []
    ended: list[tuple[str, bool]] = []
    gate = asyncio.Event()

    @async_app.task
    async def wait(ctx: JobContext) -> None:
        started.append(ctx.id)
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(("cancelled", ctx.cancelled))

    @async_app.task
    async def plain(ctx: JobContext) -> None:
        started.append(ctx.id)
        await gate.wait()

    if not is_heard:
        monkeypatch.setattr("pgqueue.worker.liveness.CANCEL_WANTED", "!nothing")
    async with working(async_app):
        other = plain.enqueue()
        flow = group(wait.s(), wait.s()).enqueue()
        await auntil(lambda: len(started) == 3, "all run")
        flow.cancel()
        await auntil(lambda: all(_cancelled(look, job.id) for job in flow.jobs.values()), "both are cancelled", 10)
        assert ended == [("cancelled", True)] * 2
        assert look.state(other.id) == "running"
        gate.set()
        await auntil(lambda: look.state(other.id) == "succeeded", "the other one goes on")
    assert look.value("select status from workflow_progress") == "cancelled"


async def test_a_handler_in_a_thread_is_asked_and_ends_as_it_will(async_app: PgQueue, look: Look) -> None:
    asked = threading.Event()

    @async_app.task
    def work(ctx: JobContext) -> str:
        while not ctx.cancelled:
            asked.wait(0.01)
        return "ended by itself"

    async with working(async_app) as worker:
        flow = group(work.s()).enqueue()
        await auntil(lambda: look.count("running") == 1 and worker._parts.slots.running, "it runs")
        flow.cancel()
        (job,) = flow.jobs.values()
        await auntil(lambda: look.state(job.id) == "succeeded", "it ends")


async def test_the_process_of_a_handler_is_killed(async_app: PgQueue, look: Look, in_process: InProcess, tmp_path: Path) -> None:
    slow = in_process(async_app, process_jobs.slow)
    mark = tmp_path / "mark"
    async with working(async_app):
        flow = group(slow.s(str(mark), 60.0)).enqueue()
        await auntil(lambda: mark.exists() and mark.read_text(), "it runs")
        pid = int(mark.read_text())
        flow.cancel()
        (job,) = flow.jobs.values()
        await auntil(lambda: _cancelled(look, job.id), "it is cancelled", 10)
        await auntil(
            lambda: not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text().split()[2], "it is dead"
        )


async def test_a_handler_that_takes_its_time_to_end_is_cancelled_once(async_app: PgQueue, look: Look) -> None:
    ended: list[str] = []
    gate = asyncio.Event()

    @async_app.task
    async def wait(ctx: JobContext) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await gate.wait()
            ended.append("tidy")

    async with working(async_app) as worker:
        flow = group(wait.s()).enqueue()
        await auntil(lambda: look.count("running") == 1 and worker._parts.slots.running, "it runs")
        flow.cancel()
        (job,) = flow.jobs.values()
        (slot,) = worker._parts.slots.running.values()
        await auntil(lambda: slot.cancelling() or worker._parts.slots._jobs[slot].cancelled, "it is asked")
        worker._parts.slots.cancel([job.id])
        worker._parts.slots.cancel([job.id])
        gate.set()
        await auntil(lambda: _cancelled(look, job.id), "it is cancelled")
    assert ended == ["tidy"]


async def test_what_was_claimed_and_has_not_started_does_not_start(async_app: PgQueue, look: Look) -> None:
    started: list[int] = []
    gate = asyncio.Event()

    @async_app.task
    async def wait(n: int) -> None:
        started.append(n)
        if n >= 200:
            await gate.wait()

    wait.enqueue_many([(n,) for n in range(200)])  # fast ones, so that the worker fetches ahead
    blocker = wait.enqueue(200)
    flow = group([wait.s(n) for n in range(300, 320)]).enqueue()
    async with working(async_app, concurrency=1) as worker:
        await auntil(lambda: 200 in started and worker._parts.slots.waiting, "prefetched jobs")
        flow.cancel()
        await auntil(lambda: all(_cancelled(look, job.id) for job in flow.jobs.values()), "all are cancelled", 10)
        gate.set()
        await auntil(lambda: look.state(blocker.id) == "succeeded", "the other one ends")
    assert max(started) == 200


async def test_a_job_that_is_cancelled_while_its_claim_is_on_its_way_is_stopped_soon(
    async_app: PgQueue, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[int]] = []
    gate, waiting = asyncio.Event(), asyncio.Event()
    add = ParentLoader.add

    @async_app.task
    async def wait() -> None:
        await asyncio.sleep(600)

    async def later(loader: ParentLoader, jobs: list[JobContext]) -> None:
        await gate.wait()
        add(loader, jobs)

    def adds(loader: ParentLoader, jobs: list[JobContext]) -> None:
        if jobs:
            waiting.set()
        tasks.append(asyncio.create_task(later(loader, jobs)))

    def cancels(slots: Slots, ids: list[int]) -> None:
        asked.append(ids)
        cancel(slots, ids)

    tasks: list[asyncio.Task[None]] = []
    cancel = Slots.cancel
    monkeypatch.setattr(ParentLoader, "add", adds)
    monkeypatch.setattr(Slots, "cancel", cancels)
    monkeypatch.setattr(async_app, "settings", async_app.settings.model_copy(update={"lease": 600.0}))
    async with working(async_app):
        await auntil(lambda: look.value("select count(*) from worker where wake_mode = 'notify'"), "it listens")
        flow = group(wait.s()).enqueue()
        await waiting.wait()
        flow.cancel()
        (job,) = flow.jobs.values()
        await auntil(lambda: [job.id] in asked, "it is asked for and not here")
        gate.set()
        await auntil(lambda: _cancelled(look, job.id), "it is cancelled", 10)
