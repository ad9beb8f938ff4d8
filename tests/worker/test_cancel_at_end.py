"""A workflow that is cancelled while its worker stops: what runs is stopped, and nothing of it runs again. FAULTS 62."""

import asyncio
import time
from typing import Any

import psycopg
import pytest

from pgqueue import PgQueue, group
from tests.looking import Look
from tests.waiting import auntil
from tests.worker.conftest import new_worker, working


@pytest.fixture(autouse=True)
def _no_drift(look: Look) -> Any:
    yield
    assert look.rows("select * from workflow_drift()") == []


def _cancelled_once(look: Look, id: int) -> bool:
    return look.rows("select state::text, reason::text from jobs where id = %s", id) == [
        {"state": "cancelled", "reason": "user_requested"}
    ]


@pytest.mark.parametrize("is_heard", [True, False], ids=["heard", "unheard"])
async def test_a_handler_whose_workflow_is_cancelled_during_a_stop_is_stopped(
    async_app: PgQueue, look: Look, monkeypatch: pytest.MonkeyPatch, is_heard: bool
) -> None:
    if not is_heard:
        monkeypatch.setattr("pgqueue.worker.liveness.CANCEL_WANTED", "!nothing")
    ended: list[str] = []

    @async_app.task
    async def wait() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("stopped")

    worker = new_worker(async_app, grace=30.0)
    run = asyncio.create_task(worker.run())
    flow = group(wait.s()).enqueue()
    (job,) = flow.jobs.values()
    await auntil(lambda: look.state(job.id) == "running" and worker._parts.slots.running, "it runs")
    await auntil(lambda: look.value("select count(*) from worker where wake_mode = 'notify'"), "it listens")
    worker.stop()
    await auntil(lambda: worker._parts.slots._stopping, "it stops")
    began = time.monotonic()
    flow.cancel()
    async with asyncio.timeout(25):
        await run
    assert time.monotonic() - began < 20
    assert ended == ["stopped"]
    assert _cancelled_once(look, job.id)


async def test_a_handler_that_is_dropped_when_the_grace_is_over_ends_as_cancelled_if_its_workflow_was(
    async_app: PgQueue, look: Look
) -> None:
    """The cancel comes after the last look for cancels, and before the worker has left."""
    dropped, gate = asyncio.Event(), asyncio.Event()
    runs: list[int] = []

    @async_app.task
    async def wait() -> None:
        runs.append(1)
        try:
            await asyncio.sleep(60)
        finally:
            dropped.set()
            await gate.wait()

    worker = new_worker(async_app, grace=0.1)
    run = asyncio.create_task(worker.run())
    flow = group(wait.s()).enqueue()
    (job,) = flow.jobs.values()
    await auntil(lambda: runs, "it runs")
    worker.stop()
    await dropped.wait()
    flow.cancel()
    gate.set()
    async with asyncio.timeout(20):
        await run
    assert _cancelled_once(look, job.id)
    async with working(async_app):  # nothing of it runs again
        await auntil(lambda: look.value("select count(*) from worker where wake_mode = 'notify'"), "another worker")
    assert runs == [1]


@pytest.mark.parametrize("moment", ["while it leaves", "when it has left"])
async def test_a_cancel_while_the_worker_gives_back_and_leaves_is_not_lost(
    async_app: PgQueue, look: Look, connect: Any, moment: str
) -> None:
    def waiting() -> int:
        return int(look.value("select count(*) from pg_stat_activity where wait_event_type = 'Lock'"))

    @async_app.task
    async def wait() -> None:
        await asyncio.sleep(60)

    worker = new_worker(async_app, grace=0.1)
    run = asyncio.create_task(worker.run())
    flow = group(wait.s()).enqueue()
    (job,) = flow.jobs.values()
    await auntil(lambda: look.state(job.id) == "running" and worker._parts.slots.running, "it runs")
    holder: psycopg.Connection[Any]
    with connect(autocommit=False) as holder:
        holder.execute("select from worker for update")  # retire_worker waits for it, after it has given the job back
        worker.stop()
        await auntil(lambda: worker._parts.slots._stopping and not worker._parts.slots.running and waiting(), "it leaves")
        if moment == "while it leaves":
            flow.cancel()
        holder.commit()
    async with asyncio.timeout(20):
        await run
    if moment == "when it has left":
        flow.cancel()
    look.value("select maintain()")  # as any worker does: neither of the two had seen the other
    assert _cancelled_once(look, job.id)


async def test_what_ends_by_itself_while_its_workflow_is_cancelled_has_ended_once(
    async_app: PgQueue, look: Look, connect: Any
) -> None:
    """The outcome is on its way when the cancel comes."""
    gate = asyncio.Event()

    @async_app.task
    async def wait() -> None:
        await gate.wait()

    worker = new_worker(async_app, grace=10.0)
    run = asyncio.create_task(worker.run())
    flow = group(wait.s()).enqueue()
    (job,) = flow.jobs.values()
    await auntil(lambda: look.state(job.id) == "running" and worker._parts.slots.running, "it runs")
    holder: psycopg.Connection[Any]
    with connect(autocommit=False) as holder:
        holder.execute("select from job where id = %s for update", (job.id,))
        worker.stop()
        gate.set()
        await auntil(lambda: worker._parts.finisher._busy, "the outcome waits")
        flow.cancel()
        holder.commit()
    async with asyncio.timeout(20):
        await run
    assert look.rows("select state::text from jobs where id = %s", job.id) == [{"state": "succeeded"}]
    assert worker._parts.finisher.counts["stale"] == 0


async def test_a_stop_that_finds_a_lost_lease_still_ends(async_app: PgQueue, look: Look) -> None:
    """The loops that a stop needs go on until it is over."""
    gate = asyncio.Event()
    runs: list[int] = []

    @async_app.task
    async def wait() -> None:
        runs.append(1)
        await gate.wait()

    worker = new_worker(async_app, grace=30.0)
    run = asyncio.create_task(worker.run())
    job = wait.enqueue()
    await auntil(lambda: runs, "it runs")
    worker.stop()
    await auntil(lambda: worker._parts.slots._stopping, "it stops")
    look.value("update worker set state = 'lost', heartbeat_at = now() - interval '1 hour'")
    worker._parts.membership.note_lost(worker._parts.membership.id)
    await auntil(lambda: not worker._parts.slots.running, "it drops the job")
    async with asyncio.timeout(20):
        await run
    assert look.state(job.id) in ("ready", "running")
    assert look.value("select count(*) from worker where state = 'active'") == 0
