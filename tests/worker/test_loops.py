"""A loop of a worker that ends unasked starts again, or the worker ends; it is never alive without working."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from pgqueue import JobEvent, PgQueue, Retry, chain, group
from pgqueue.errors import NotMigrated
from pgqueue.worker import loops as loops_module
from pgqueue.worker.liveness import Liveness
from pgqueue.worker.loops import MOST_ENDS, LoopEnded, Loops
from tests.looking import Look
from tests.waiting import auntil, until
from tests.worker.conftest import new_worker, working
from tests.worker.harm import Harm, cancel, let_raise, tasks_of

LISTENS = "select count(*) from worker where wake_mode = 'notify'"


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loops start again soon."""
    monkeypatch.setattr(loops_module, "FIRST_PAUSE", 0.001)


@pytest.fixture
def ends() -> list[str]:
    return []


@asynccontextmanager
async def _running(run: Callable[[], Any], ends: list[str]) -> AsyncIterator[Loops]:
    loops = Loops(on_failed=lambda: ends.append("failed"))
    loops.add("one", run)
    loops.start()
    yield loops
    if tasks := loops.cancel():
        await asyncio.wait(tasks)


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("how", ["returned", "was cancelled", "failed"])
async def test_a_loop_that_ends_starts_again_with_a_warning(ends: list[str], caplog: pytest.LogCaptureFixture, how: str) -> None:
    starts: list[int] = []

    async def run() -> None:
        starts.append(1)
        if len(starts) == 1:
            if how == "failed":
                raise SystemError("harm" * 100_000)
            if how == "was cancelled":
                raise asyncio.CancelledError
            return
        await asyncio.Event().wait()

    async with _running(run, ends) as loops:
        await auntil(lambda: len(starts) == 2, "its second start")
        assert (loops.error, ends) == (None, [])
        assert f"the loop 'one' of the worker {how}; it starts again in" in caplog.text
        assert len(caplog.text) < 16_000


@pytest.mark.usefixtures("soon")
async def test_a_loop_that_ends_again_and_again_is_given_up(ends: list[str]) -> None:
    starts: list[float] = []

    async def run() -> None:
        starts.append(time.monotonic())
        raise OSError("harm")

    async with _running(run, ends) as loops:
        await auntil(lambda: loops.error, "its end")
        assert isinstance(loops.error, LoopEnded)
        assert isinstance(loops.error.__cause__, OSError)
        assert str(loops.error).endswith("times in a row, the last time with OSError('harm')")
        assert loops.is_given_up("one")
    assert (len(starts), ends) == (MOST_ENDS, ["failed"])
    pauses = [after - before for before, after in pairwise(starts)]
    assert pauses[-1] > 4 * 0.001, "they grow"


@pytest.mark.usefixtures("soon")
async def test_a_loop_that_has_run_for_long_may_end_as_often_as_it_will(ends: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops_module, "STEADY_AFTER", 0.0)
    starts: list[int] = []

    async def run() -> None:
        starts.append(1)

    async with _running(run, ends) as loops:
        await auntil(lambda: len(starts) > 2 * MOST_ENDS, "many starts")
        assert loops.error is None


async def test_an_error_of_ours_says_what_is_wrong_and_ends_the_worker_at_once(ends: list[str]) -> None:
    async def run() -> None:
        raise NotMigrated("no schema")

    async with _running(run, ends) as loops:
        await auntil(lambda: ends, "the end")
        assert isinstance(loops.error, NotMigrated)


async def test_a_loop_that_is_asked_to_end_does_not_start_again(ends: list[str]) -> None:
    starts: list[int] = []

    async def run() -> None:
        starts.append(1)
        await asyncio.Event().wait()

    async with _running(run, ends) as loops:
        await asyncio.sleep(0)
        assert not loops.cancel("one")
        await asyncio.wait(loops.cancel())
        await asyncio.sleep(0.01)
        assert (starts, loops.longest_down()) == ([1], 0.0)


async def test_how_long_a_loop_has_been_down_is_known(ends: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops_module, "FIRST_PAUSE", 60.0)
    async with _running(lambda: asyncio.sleep(0), ends) as loops:
        assert loops.longest_down() == 0.0
        await auntil(lambda: loops.longest_down() > 0.02, "it is down", 5)


@pytest.fixture
def short(database_url: str) -> Iterator[PgQueue]:
    """An app with the shortest lease there is."""
    app = PgQueue(database_url, lease=1)
    yield app
    app.close()


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("harm", [cancel, let_raise], ids=["cancelled", "raises"])
async def test_each_loop_of_a_worker_starts_again_and_does_its_work(short: PgQueue, look: Look, harm: Harm) -> None:
    """FAULTS 53, each loop once, at the await where it mostly sits."""
    told: list[int] = []
    stopped: list[bool] = []

    @short.on_success
    async def tell(event: JobEvent) -> None:
        told.append(event.job.id)

    @short.task
    async def add(a: int, b: int = 1) -> int:
        return a + b

    @short.task
    async def wait() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            stopped.append(True)

    async with working(short) as worker:
        await auntil(lambda: look.value(LISTENS), "the worker")
        for name in tasks_of(worker):
            before = tasks_of(worker)[name]
            while not before.done():
                harm(before)
                await asyncio.sleep(0.001)
            await auntil(lambda name=name, before=before: not tasks_of(worker)[name].done(), f"{name} is up", 5)  # type: ignore[misc]
            assert tasks_of(worker)[name] is not before
            flow = await chain(add.s(1), add.s(b=2)).aenqueue()  # claimed, its parents loaded, finished
            assert await flow.aresult(timeout=5) == 4, name
        later = await add.using(run_after=timedelta(seconds=0.2)).aenqueue(1)
        assert await later.aresult(timeout=5) == 2, "promote"
        await auntil(lambda: later.id in told, "callbacks", 5)
        orphan = _orphan(look)
        await auntil(lambda: look.state(orphan) == "succeeded", "rescue", 10)
        doomed = await group(wait.s()).aenqueue()
        await auntil(lambda: look.count("running") == 1 and worker._parts.slots.running, "it runs")
        await doomed.acancel()
        await auntil(lambda: stopped, "cancel", 5)
        beat = look.value("select max(heartbeat_at) from worker")
        await auntil(lambda: look.value("select max(heartbeat_at) from worker") > beat, "heartbeats", 5)
    assert worker._parts.loops.error is None
    await short.aclose()


def _orphan(look: Look) -> int:
    """A job that runs under a worker which is lost."""
    lost = look.value("select gen_random_uuid()")
    look.value("select register_worker(%s, 'lost', 'host', 1, '0', '{default}', 1, '1 hour')", lost)
    job = int(look.value("select enqueue('add', '{\"a\": 1}', queue => 'away', notify => false)"))
    look.value("select id from claim(%s, gen_random_uuid(), '{away}', 1)", lost)
    look.rows("update job set queue = 'default' where id = %s", job)
    look.rows("update worker set heartbeat_at = now() - interval '2 hours' where id = %s", lost)
    return job


@pytest.mark.usefixtures("soon")
async def test_a_finish_that_is_cut_off_is_handed_in_again(async_app: PgQueue, look: Look) -> None:
    """And none that was on its way to be loaded or tried again is lost with its loop."""
    runs: list[int] = []

    @async_app.task
    async def work(n: int) -> int:
        runs.append(n)
        return n

    async with working(async_app, concurrency=10) as worker:
        await auntil(lambda: look.value(LISTENS), "the worker")
        look.rows("begin")
        look.rows("lock table job_history in exclusive mode")
        flow = group(*(work.s(n) for n in range(5))).enqueue()
        work.enqueue_many([(n,) for n in range(10, 15)])
        await auntil(lambda: worker._parts.finisher._flushing, "a finish that waits")
        for name in ("finish", "finish held", "parents"):
            tasks_of(worker)[name].cancel()
        await auntil(lambda: worker._parts.finisher._flushing, "the same again")
        look.rows("commit")
        await auntil(lambda: look.count("succeeded") == 10, "the jobs")
    assert sorted(runs) == [*range(5), *range(10, 15)]
    assert worker._parts.finisher.counts["stale"] == 0
    assert flow.id is not None


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_a_heartbeat_thread_that_dies_is_replaced(
    short: PgQueue, look: Look, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    """FAULTS 53, the thread."""
    gate = asyncio.Event()
    runs: list[int] = []
    serve = Liveness._serve

    @short.task
    async def work() -> None:
        runs.append(1)
        await gate.wait()

    def once(*given: Any) -> None:
        monkeypatch.setattr(Liveness, "_serve", serve)
        raise error

    monkeypatch.setattr(Liveness, "_serve", once)
    async with working(short) as worker:
        job = work.enqueue()
        await auntil(lambda: runs, "the job")
        first = worker._parts.liveness
        await auntil(lambda: worker._parts.liveness is not first and worker._parts.liveness.is_alive(), "another thread")
        beat = look.value("select max(heartbeat_at) from worker")
        for _ in range(4):  # more than a lease
            await auntil(lambda beat=beat: look.value("select max(heartbeat_at) from worker") > beat, "heartbeats", 5)  # type: ignore[misc]
            beat = look.value("select max(heartbeat_at) from worker")
        gate.set()
        await auntil(lambda: look.state(job.id) == "succeeded", "its end")
    assert (runs, look.rows("select * from rescue_log")) == ([1], [])
    await short.aclose()


async def test_a_worker_whose_loop_ends_for_good_gives_everything_back_and_says_why(
    short: PgQueue, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loops_module, "FIRST_PAUSE", 0.001)

    @short.task
    async def work() -> None:
        await asyncio.sleep(60)

    worker = new_worker(short, grace=0.1)
    run = asyncio.create_task(worker.run())
    job = work.enqueue()
    await auntil(lambda: look.state(job.id) == "running" and worker._parts.slots.running, "the job")
    monkeypatch.setattr(worker._parts.finisher, "run", None)
    worker._parts.loops._loops["finish"].run = _returns
    tasks_of(worker)["finish"].cancel()
    with pytest.raises(LoopEnded, match="the loop 'finish' of the worker returned 5 times in a row"):
        async with asyncio.timeout(10):
            await run
    assert (look.job(job.id)["state"], look.job(job.id)["attempt"]) == ("ready", 0)
    assert look.rows("select * from worker") == []
    await short.aclose()


async def _returns() -> None: ...


async def test_a_worker_whose_loop_stays_down_ends(short: PgQueue, look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second line, should the supervisor of loops have a fault itself."""
    monkeypatch.setattr(loops_module, "FIRST_PAUSE", 3600.0)
    short.task(name="work")(lambda: None)
    worker = new_worker(short)
    run = asyncio.create_task(worker.run())
    await auntil(lambda: look.value(LISTENS), "the worker")
    tasks_of(worker)["claim"].cancel()
    with pytest.raises(LoopEnded, match="has been down for"):
        async with asyncio.timeout(10):
            await run
    await short.aclose()


async def test_a_worker_whose_loops_are_all_down_sends_no_heartbeat(
    short: PgQueue, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The third line: others take its jobs."""
    monkeypatch.setattr(loops_module, "FIRST_PAUSE", 3600.0)
    ran: list[str] = []

    @short.task(retry=Retry(3, delay=0, backoff="fixed"))
    async def work() -> None:
        ran.append("first")
        await asyncio.sleep(60)

    other = PgQueue(short.url, lease=1)
    other.task(name="work", retry=Retry(3, delay=0, backoff="fixed"))(lambda: ran.append("second"))
    dead = new_worker(short, grace=0.1)
    run = asyncio.create_task(dead.run())
    job = work.enqueue()
    await auntil(lambda: ran and look.value(LISTENS), "the job")
    for task in tasks_of(dead).values():
        task.cancel()
    async with working(other):
        await auntil(lambda: look.state(job.id) == "succeeded", "the job, elsewhere", 15)
    assert ran == ["first", "second"]
    dead.stop()
    async with asyncio.timeout(30):
        await run
    await short.aclose()
    await other.aclose()


def test_a_worker_whose_event_loop_does_not_run_sends_no_heartbeat(short: PgQueue, look: Look) -> None:
    """Such as in a notebook whose cell was interrupted; a blocked loop runs, and keeps its lease."""
    short.task(name="work")(lambda: None)
    loop = asyncio.new_event_loop()
    worker = new_worker(short)
    run = loop.create_task(worker.run())
    try:
        loop.run_until_complete(auntil(lambda: look.value(LISTENS), "the worker"))
        until(lambda: look.value("select mark_lost()"), "it is lost", 10)
    finally:
        worker.stop()
        loop.run_until_complete(asyncio.wait_for(run, 30))
        loop.run_until_complete(short.aclose())
        loop.close()


async def test_a_handler_that_cancels_all_tasks_stops_its_worker_gracefully(async_app: PgQueue, look: Look) -> None:
    started: list[int] = []

    @async_app.task(retry=0)
    async def cancel_all() -> None:
        for task in asyncio.all_tasks():
            if task is not test:
                task.cancel()
        await asyncio.sleep(60)

    @async_app.task
    async def other(n: int) -> None:
        started.append(n)

    test = asyncio.current_task()
    run = asyncio.create_task(new_worker(async_app).run())
    await auntil(lambda: look.value(LISTENS), "the worker")
    job = cancel_all.enqueue()
    async with asyncio.timeout(20):
        with suppress(asyncio.CancelledError):
            await run
    assert run.cancelled()
    assert look.state(job.id) == "failed"
    assert look.count("running") == 0
    assert look.rows("select * from worker") == []
