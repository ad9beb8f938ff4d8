"""job.watch(): what changes comes as it happens, and workers notify only while somebody watches."""

import asyncio
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from pgqueue import JobChange, JobContext, JobNotFound, PgQueue, ResultTimeout
from pgqueue.database.calls import logs as log_calls
from pgqueue.errors import InvalidArgument
from pgqueue.job import Job
from pgqueue.waiting import listener as _waiting
from pgqueue.watching import watch as _watch
from pgqueue.worker import job_logs
from tests.looking import Look
from tests.sql.conftest import Sql
from tests.waiting import auntil
from tests.worker.conftest import burst, working

from .test_waiting_results import _listening, _waiters

LONG = 60.0  # seconds; no test waits so long


class Changes:
    """A watch under way, in a thread or on the loop, and what has come."""

    def __init__(self, job: Job[Any], flavour: str, **options: Any) -> None:
        self.came: list[JobChange] = []
        self._job, self._options = job, {"timeout": LONG, **options}
        watching = self._awatch() if flavour == "async" else asyncio.to_thread(self._watch)
        self.end = asyncio.ensure_future(watching)

    def _watch(self) -> None:
        for change in self._job.watch(**self._options):
            self.came.append(change)

    async def _awatch(self) -> None:
        async for change in self._job.awatch(**self._options):
            self.came.append(change)

    def told(self) -> list[Any]:
        """What has come, in short."""
        return [_short(change) for change in self.came]


def _short(change: JobChange) -> Any:
    if change.kind == "log":
        return change.line and change.line.message
    return change.state if change.kind == "state" else change.progress and change.progress["done"]


def _rarely(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks alone would take longer than any test."""
    monkeypatch.setattr(_watch, "FIRST_PAUSE", LONG)
    monkeypatch.setattr(_watch, "LONGEST_PAUSE", LONG)


@pytest.mark.parametrize("flavour", ["sync", "async"])
async def test_every_change_comes_long_before_the_next_look(
    async_app: PgQueue, look: Look, monkeypatch: pytest.MonkeyPatch, flavour: str
) -> None:
    """Start, lines, progress and end; nothing but notifications makes the watch look."""
    said, reported, ends = asyncio.Event(), asyncio.Event(), asyncio.Event()

    @async_app.task
    async def work(ctx: JobContext) -> None:
        ctx.log("hello")
        await said.wait()
        await ctx.aprogress(1, 2)
        await reported.wait()
        await asyncio.to_thread(ctx.progress, 2, 2)
        await ends.wait()

    _rarely(monkeypatch)
    async with working(async_app) as worker:
        await auntil(lambda: _listening(look), "a worker that listens")
        job = work.using(run_after=3600).enqueue()
        watch = Changes(job, flavour)
        await auntil(worker._parts.waiters.is_watching, "a worker that knows")
        assert watch.told() == ["scheduled"]
        await asyncio.to_thread(async_app.retry, job.id)
        await auntil(lambda: watch.told()[-1] == "hello", "the line")
        assert watch.told() in (["scheduled", "running", "hello"], ["scheduled", "ready", "running", "hello"])
        for event, last in ((said, 1), (reported, 2)):
            event.set()
            await auntil(lambda last=last: watch.told()[-1] == last, "the progress")  # type: ignore[misc]
        ends.set()
        await asyncio.wait_for(watch.end, 20)
    assert watch.told()[-4:] == ["hello", 1, 2, "succeeded"]
    assert [change.attempt for change in watch.came][-1] == 1
    assert watch.came[-1].progress is None


@pytest.mark.parametrize("flavour", ["sync", "async"])
async def test_a_watch_without_notifications_sees_all_by_looking(
    async_app: PgQueue, look: Look, monkeypatch: pytest.MonkeyPatch, flavour: str
) -> None:
    @async_app.task(retry=0)
    async def work(ctx: JobContext) -> None:
        ctx.log("hello")
        raise ValueError

    monkeypatch.setattr(_waiting.Listener, "_start", lambda self: None)
    job = work.enqueue()
    watch = Changes(job, flavour)
    await auntil(lambda: watch.came, "the first look")
    await burst(async_app)
    await asyncio.wait_for(watch.end, 20)
    assert watch.told()[0] == "ready"
    assert watch.told()[-2:] == ["hello", "failed"]
    assert watch.came[-1].reason == "error"


async def test_a_job_that_is_over_gives_its_lines_and_its_end(async_app: PgQueue) -> None:
    @async_app.task
    async def work(ctx: JobContext) -> None:
        for n in range(3):
            ctx.log(f"line {n}")

    job = work.enqueue()
    await burst(async_app)
    assert [_short(change) for change in await asyncio.to_thread(list, job.watch())] == [
        "line 0", "line 1", "line 2", "succeeded",
    ]  # fmt: skip
    assert [_short(change) async for change in job.awatch(after=2)] == ["line 2", "succeeded"]


async def test_more_lines_than_one_look_brings_come_all(async_app: PgQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    @async_app.task
    async def work(ctx: JobContext) -> None:
        for n in range(10):
            ctx.log(f"line {n}")

    monkeypatch.setattr(_watch, "PAGE", 3)
    job = work.enqueue()
    await burst(async_app)
    assert [_short(change) async for change in job.awatch(timeout=0)] == [*(f"line {n}" for n in range(10)), "succeeded"]
    assert len(await asyncio.to_thread(job.logs)) == 10
    assert len(await job.alogs()) == 10


async def test_lines_that_are_stored_behind_the_outcome_come_before_the_end(
    async_app: PgQueue, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look in between sees the job over and no line."""
    monkeypatch.setattr(_watch, "LINGERS", 3.0)
    monkeypatch.setattr(job_logs.JobLogs, "before", lambda self, runs: asyncio.sleep(0))
    monkeypatch.setattr(job_logs, "EVERY", 0.5)
    monkeypatch.setattr(job_logs, "WATCHED_EVERY", 0.5)

    @async_app.task
    async def work(ctx: JobContext) -> None:
        ctx.log("last words")

    async with working(async_app) as worker:
        await auntil(lambda: _listening(look), "a worker that listens")
        job = work.using(run_after=3600).enqueue()
        watch = Changes(job, "async")
        await auntil(worker._parts.waiters.is_watching, "a worker that knows")
        await asyncio.to_thread(async_app.retry, job.id)
        await asyncio.wait_for(watch.end, 20)
    assert watch.told()[-2:] == ["last words", "succeeded"]


async def test_a_watch_ends_at_its_timeout_and_the_job_goes_on(async_app: PgQueue) -> None:
    @async_app.task
    def noop() -> None: ...

    job = noop.enqueue()
    for flavour, timeout in (("sync", 0.1), ("async", 0)):
        watch = Changes(job, flavour, timeout=timeout)
        with pytest.raises(ResultTimeout, match=rf"^job {job.id} did not end within {timeout} s; it was not cancelled"):
            await watch.end
        assert watch.told() == ["ready"]
    assert job.refresh().status == "ready"
    assert _waiters(async_app) == 0


async def test_a_job_that_does_not_exist_is_told_as_such(async_app: PgQueue) -> None:
    job = async_app.job(1_000_000)
    for read in (job.logs, lambda: list(job.watch())):
        with pytest.raises(JobNotFound, match=r"^there is no job 1000000; "):
            await asyncio.to_thread(read)
    with pytest.raises(JobNotFound):
        await job.alogs()
    with pytest.raises(InvalidArgument, match=r"^timeout: nan is not valid"):
        list(job.watch(timeout=float("nan")))


@pytest.mark.parametrize("after", ["x", None, 1.5, True, -1, 2**63])
def test_lines_are_counted_in_whole_numbers(app: PgQueue, after: Any) -> None:
    for read in (lambda: app.job(1).logs(after), lambda: next(app.job(1).watch(after=after))):
        with pytest.raises(InvalidArgument, match=r"^after: .* is not valid; use the `seq` of a line, or 0$"):
            read()


async def test_a_watch_that_is_left_asks_no_more(async_app: PgQueue) -> None:
    @async_app.task
    def noop() -> None: ...

    job = noop.enqueue()
    async for _ in job.awatch():
        break
    for _ in job.watch():
        break
    assert _waiters(async_app) == 0


async def test_only_watched_jobs_are_told_and_nobody_is_told_otherwise(
    async_app: PgQueue, look: Look, connect: Callable[..., psycopg.Connection[Any]]
) -> None:
    """A worker sends one notification for the watched job, and none for 20 others that say and report as much."""
    gate = asyncio.Event()

    @async_app.task
    async def work(ctx: JobContext) -> None:
        ctx.log("hello")
        await ctx.aprogress(1, 1)
        await gate.wait()

    gate.set()
    ear = Sql(connect())
    ear.connection.execute(f"listen {ear.value('select channel()')}_done")
    async with working(async_app) as worker:
        await auntil(lambda: _listening(look), "a worker that listens")
        for _ in range(20):
            work.enqueue()
        await auntil(lambda: look.count("succeeded") == 20, "all jobs")
        watched = work.using(run_after=3600).enqueue()
        watch = Changes(watched, "async")
        await auntil(worker._parts.waiters.is_watching, "a worker that knows")
        others = [work.enqueue() for _ in range(20)]
        await auntil(lambda: look.count("succeeded") == 40, "all others")
        await asyncio.to_thread(async_app.retry, watched.id)
        await asyncio.wait_for(watch.end, 20)
    assert not worker._parts.waiters.is_asked()
    ids = {
        int(id) for note in ear.connection.notifies(timeout=0.5) if "echo" not in note.payload for id in note.payload.split(",")
    }
    assert ids == {watched.id}
    assert others


async def test_an_asking_lasts_for_a_while_and_is_repeated(
    async_app: PgQueue, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[int]] = []
    ask_watch = log_calls.ask_watch

    def noted(ids: list[int]) -> Any:
        asked.append(ids)
        return ask_watch(ids)

    monkeypatch.setattr(_waiting, "ASK_EVERY", 0.05)
    monkeypatch.setattr(_waiting, "LOOK_EVERY", 0.01)
    monkeypatch.setattr(log_calls, "ask_watch", noted)

    @async_app.task
    def noop() -> None: ...

    first, second = noop.enqueue(), noop.enqueue()
    watches = [Changes(job, "sync", timeout=30) for job in (first, second)]
    both = {first.id, second.id}
    await auntil(lambda: sum(set(ids) == both for ids in asked) > 2, "repeated askings")
    await burst(async_app)
    await asyncio.gather(*(watch.end for watch in watches))
