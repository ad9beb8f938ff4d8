"""A draining worker claims nothing more, gives back what has not started, and waits for its handlers as long as they take."""

import asyncio
import threading

from pgqueue import PgQueue
from pgqueue.worker.status import Status
from tests.looking import Look
from tests.waiting import auntil
from tests.worker.conftest import ENDS_WITHIN, new_worker, working


async def test_it_ends_when_its_handlers_have_whatever_the_grace_and_gives_the_rest_back(async_app: PgQueue, look: Look) -> None:
    gate, started = asyncio.Event(), asyncio.Event()

    @async_app.task
    async def work() -> str:
        started.set()
        await gate.wait()
        return "done"

    worker = new_worker(async_app, concurrency=1, grace=0.0)
    run = asyncio.create_task(worker.run())
    first, *others = work.enqueue_many([()] * 3)
    await started.wait()

    threading.Thread(target=worker.drain).start()

    await auntil(lambda: worker.status().state == "draining", "the drain")
    await auntil(lambda: look.count("running") == 1, "what has not started is given back")
    before = look.value("select heartbeat_at from worker")
    await auntil(lambda: look.value("select heartbeat_at from worker") > before, "another heartbeat: it goes on")
    assert not worker._stop.is_set()
    assert worker.status().running == (first.id,)
    gate.set()
    async with asyncio.timeout(ENDS_WITHIN):
        await run
    assert look.state(first.id) == "succeeded"
    assert {look.state(job.id) for job in others} == {"ready"}
    assert look.value("select sum(attempt) from job") == 0
    assert not worker.is_recycled


async def test_what_it_has_fetched_ahead_does_not_start_when_a_handler_ends_and_is_given_back(
    async_app: PgQueue, look: Look
) -> None:
    gate = asyncio.Event()
    started: list[int] = []

    @async_app.task
    async def work(n: int) -> None:
        started.append(n)
        if n >= 200:
            await gate.wait()

    work.enqueue_many([(n,) for n in range(200)])  # fast ones, so that the worker fetches ahead
    late = work.enqueue_many([(n,) for n in range(200, 204)])
    worker = new_worker(async_app, concurrency=1)
    run = asyncio.create_task(worker.run())
    await auntil(lambda: 200 in started and len(worker._parts.slots.waiting) == 3, "jobs that were fetched ahead")

    worker.drain()

    await auntil(lambda: worker.status().state == "draining", "the drain")
    gate.set()
    async with asyncio.timeout(ENDS_WITHIN):
        await run
    assert max(started) == 200
    assert [look.state(job.id) for job in late] == ["succeeded", *["ready"] * 3]


async def test_it_keeps_its_lease_meanwhile(async_app: PgQueue, look: Look) -> None:
    gate, started = asyncio.Event(), asyncio.Event()

    @async_app.task
    async def work() -> None:
        started.set()
        await gate.wait()

    async with working(async_app) as worker:
        job = work.enqueue()
        await started.wait()
        worker.drain()
        await auntil(lambda: worker.status().state == "draining", "the drain")
        look.rows("update worker set heartbeat_at = heartbeat_at - interval '1 s'")
        before = look.value("select heartbeat_at from worker")
        await auntil(lambda: look.value("select heartbeat_at from worker") > before, "another heartbeat")
        gate.set()
    assert look.state(job.id) == "succeeded"


async def test_one_that_is_to_start_again_says_so_and_a_stop_ends_the_drain(async_app: PgQueue, look: Look) -> None:
    started = asyncio.Event()

    @async_app.task
    async def work() -> None:
        started.set()
        await asyncio.sleep(60)

    worker = new_worker(async_app, grace=0.1)
    run = asyncio.create_task(worker.run())
    job = work.enqueue()
    await started.wait()
    worker.drain(restart=True)
    await auntil(lambda: worker.status().restart, "the drain")
    worker.stop()
    async with asyncio.timeout(ENDS_WITHIN):
        await run
    assert look.state(job.id) == "ready"
    assert worker.is_recycled


async def test_one_that_has_not_begun_ends_at_once(async_app: PgQueue) -> None:
    @async_app.task
    async def work() -> None:
        pass

    worker = new_worker(async_app)
    worker.drain()
    async with asyncio.timeout(ENDS_WITHIN):
        await worker.run()


async def test_a_status_tells_what_the_worker_has_done(async_app: PgQueue, look: Look) -> None:
    @async_app.task(retry=0)
    async def work(ok: bool) -> None:
        if not ok:
            raise ValueError("the mail\x00server is away " + "x" * 1000)

    idle = new_worker(async_app)
    assert idle.status() == Status()
    async with working(async_app) as worker:
        work.enqueue_many([(True,), (True,), (False,)])
        await auntil(lambda: (worker.status().done, worker.status().failed) == (2, 1), "the outcomes")
        await auntil(lambda: worker.status().connected, "the connection of the heartbeat")
        status = worker.status()
    assert status.worker == str(worker._parts.membership.id)
    assert status.state == "ready"
    assert status.last_error is not None
    assert status.last_error.startswith("ValueError: the mail")
    assert len(status.last_error) == 500
    assert (status.running, status.restart) == ((), False)
    assert Status.from_json(status.to_json()) == status
    assert Status.from_json(b'{"state": "ready", "of_a_later_version": 1, "running": [7]}') == Status("ready", running=(7,))
    assert worker.status().state == "draining"


async def test_a_blocked_event_loop_shows_and_a_claim_loop_that_waits_for_a_free_slot_does_not(async_app: PgQueue) -> None:
    started, release = threading.Event(), threading.Event()

    @async_app.task
    async def block() -> None:
        started.set()
        release.wait(30)

    @async_app.task
    async def wait() -> None:
        await asyncio.Event().wait()

    seen: list[Status] = []
    async with working(async_app, concurrency=1, grace=0.0) as worker:

        def look_on() -> None:
            started.wait(30)
            worker.status()
            while worker.status().turned < 0.2 and not release.wait(0.01):
                pass
            seen.append(worker.status())
            release.set()

        watching = asyncio.create_task(asyncio.to_thread(look_on))
        block.enqueue()
        await watching
        assert seen[0].turned >= 0.2
        wait.enqueue()
        await auntil(lambda: worker.status().running and worker.status().turned < 0.2, "the loop turns again")
        await auntil(lambda: worker.status().claimed == 0.0, "it waits for a slot")
