"""FAULTS 18 and 51: the connections of a worker go silent in turn, without FIN or RST, while new ones work."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import psycopg
import pytest

from pgqueue import JobContext, PgQueue, Task, chain
from pgqueue.database import connection
from tests.apps import app_of
from tests.faults.proxy import Cut, Proxy
from tests.looking import Look
from tests.waiting import auntil
from tests.worker.blocks import BACKENDS, INSERT, written_by
from tests.worker.conftest import working

pytestmark = pytest.mark.alone

DEADLINE = 0.5  # seconds, instead of 8
NOTICED = 10.0  # seconds; below those after which psycopg, TCP or a lease would notice, which tests have shortened
LEASE = 6.0  # seconds: long enough that a busy machine does not lose it by itself


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Deadlines that a test can wait for."""
    monkeypatch.setattr(connection, "DEADLINE", DEADLINE)
    monkeypatch.setattr("pgqueue.worker.liveness.DEADLINE", DEADLINE)


@pytest.fixture
async def behind(proxy: Proxy, short: None) -> AsyncIterator[PgQueue]:
    """An app whose connections all go through the proxy."""
    app = PgQueue(proxy.url, lease=LEASE)
    yield app
    app.close()
    await app.aclose()


@pytest.fixture
def starts() -> list[int]:
    """The ids of the jobs that were started."""
    return []


@pytest.fixture
def gate() -> asyncio.Event:
    """Handlers wait for it."""
    gate = asyncio.Event()
    gate.set()
    return gate


@pytest.fixture
def work(behind: PgQueue, starts: list[int], gate: asyncio.Event) -> Task[..., int]:
    """A task that waits for the gate."""

    @behind.task(retry=0)
    async def work(ctx: JobContext, before: int = 0) -> int:
        starts.append(ctx.id)
        await gate.wait()
        return before + 1

    return work


async def _listening(look: Look) -> None:
    await auntil(lambda: look.value("select count(*) from worker where wake_mode = 'notify'"), "a worker that listens")


async def _succeeded(look: Look, id: int) -> None:
    await auntil(lambda: look.state(id) == "succeeded", "the job", within=NOTICED)


def _ended_once(look: Look, starts: list[int], jobs: list[int]) -> None:
    assert sorted(starts) == sorted(jobs), "a job started twice, or never"
    assert look.count("succeeded") == len(jobs)
    assert look.value("select max(attempt) from jobs") == 1
    assert look.value("select count(*) from rescue_log") == 0
    assert look.value("select count(*) from worker") <= 1, "a lease was lost"


async def test_a_silent_heartbeat_is_noticed_and_the_lease_is_kept(
    proxy: Proxy, work: Task[..., int], look: Look, starts: list[int], gate: asyncio.Event
) -> None:
    async with working(app_of(work)):
        await _listening(look)
        gate.clear()
        job = work.enqueue()
        await auntil(lambda: starts, "the job")
        assert proxy.silence("pgqueue liveness") == 1
        for _ in range(3):
            at = look.value("select max(heartbeat_at) from worker")
            await auntil(lambda at=at: look.value("select max(heartbeat_at) from worker") > at, "a heartbeat")  # type: ignore[misc]
        gate.set()
        await _succeeded(look, job.id)
        _ended_once(look, starts, [job.id])


async def test_a_worker_whose_listener_went_silent_is_woken_again(
    proxy: Proxy, work: Task[..., int], look: Look, starts: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pgqueue.worker.parts.BACKSTOP", 600.0)
    async with working(app_of(work)):
        await _listening(look)
        assert proxy.silence("pgqueue liveness") == 1
        job = work.enqueue()  # nothing but the claim after the next LISTEN finds it
        await _succeeded(look, job.id)
        job = work.enqueue()
        await _succeeded(look, job.id)


async def test_silent_connections_are_noticed_and_no_job_runs_twice(
    proxy: Proxy, work: Task[..., int], look: Look, starts: list[int], gate: asyncio.Event
) -> None:
    async with working(app_of(work)):
        await _listening(look)
        first = work.enqueue()
        await _succeeded(look, first.id)
        gate.clear()
        running = work.enqueue()
        await auntil(lambda: running.id in starts, "the job")
        assert proxy.silence("pgqueue worker") >= 1
        gate.set()
        later = work.using(run_after=0.1).enqueue()  # maintenance makes it ready
        for job in (running, later):
            await _succeeded(look, job.id)
        _ended_once(look, starts, [first.id, running.id, later.id])


async def test_connections_that_go_silent_before_parents_are_loaded_are_noticed(
    proxy: Proxy, work: Task[..., int], look: Look, starts: list[int]
) -> None:
    async with working(app_of(work)):
        ids: list[int] = []
        for _ in range(2):
            await auntil(lambda: proxy.silence("pgqueue worker") >= 1, "connections")
            flow = chain(work.s(), work.s()).enqueue()
            ids += [job.id for job in flow.jobs.values()]
            for job in flow.jobs.values():
                await _succeeded(look, job.id)
        _ended_once(look, starts, ids)


async def test_a_connection_that_goes_silent_while_an_outcome_is_held_is_noticed(
    proxy: Proxy,
    work: Task[..., int],
    look: Look,
    starts: list[int],
    connect: Callable[..., psycopg.Connection[Any]],
    gate: asyncio.Event,
) -> None:
    holder = connect(autocommit=False)
    gate.clear()
    flow = chain(work.s(), work.s()).enqueue()
    first, second = (job.id for job in flow.jobs.values())
    async with working(app_of(work)) as worker:
        await auntil(lambda: starts, "the first")
        holder.execute("select from workflow for update")
        gate.set()
        await auntil(lambda: len(worker._parts.finisher._held), "what is held")
        assert proxy.silence("pgqueue worker") >= 1
        holder.commit()
        await _succeeded(look, second)
        _ended_once(look, starts, [first, second])


async def test_a_worker_whose_connections_are_all_silent_stops_within_its_grace(
    proxy: Proxy, work: Task[..., int], look: Look, starts: list[int]
) -> None:
    async with working(app_of(work)):
        await _listening(look)
        proxy.silence()
        began = time.monotonic()
    assert time.monotonic() - began < NOTICED
    assert look.value("select count(*) from worker") == 0, "it did not leave"


@pytest.fixture(params=["async", "thread"])
def block(request: pytest.FixtureRequest, behind: PgQueue, look: Look, starts: list[int]) -> Callable[..., Task[..., Any]]:
    """Makes a task whose handler writes in ctx.transaction(), and calls `inside` there."""
    look.rows("create table public.written (job_id bigint)")

    def make(inside: Callable[[], object] = lambda: None, statement: str = "select 1", retry: int = 0) -> Task[..., Any]:
        async def in_loop(ctx: JobContext) -> None:
            starts.append(ctx.id)
            async with ctx.transaction() as tx:
                await tx.connection.execute(INSERT, (ctx.id,))
                await tx.connection.execute(statement.encode())
                inside()

        def in_thread(ctx: JobContext) -> None:
            starts.append(ctx.id)
            with ctx.transaction() as tx:
                tx.connection.execute(INSERT, (ctx.id,))
                tx.connection.execute(statement.encode())
                inside()

        return behind.task(name="block", retry=retry)(in_loop if request.param == "async" else in_thread)

    return make


async def test_a_block_whose_connection_went_silent_in_the_pool_gets_another(
    proxy: Proxy, block: Callable[..., Task[..., Any]], behind: PgQueue, look: Look, starts: list[int]
) -> None:
    task, ids = block(), []
    async with working(behind):
        for silenced in (0, 1):
            assert proxy.silence("pgqueue transaction") == silenced
            ids.append(task.enqueue().id)
            await _succeeded(look, ids[-1])
        _ended_once(look, starts, ids)
    assert written_by(look) == ids


def _silent_once(proxy: Proxy, statement: bytes, how: Cut = "silent") -> None:
    """The first request with this statement is the last that its connection sends."""
    left = [how]

    def decide(request: bytes) -> Cut:
        return left.pop() if left and statement in request else "pass"

    proxy.decide = decide


async def test_a_block_whose_connection_went_silent_before_its_end_wrote_nothing_and_its_job_fails_once(
    proxy: Proxy, block: Callable[..., Task[..., Any]], behind: PgQueue, look: Look, starts: list[int]
) -> None:
    job = block().enqueue()
    _silent_once(proxy, b'"pgqueue".complete(')
    async with working(behind):
        await auntil(lambda: look.state(job.id) == "failed", "the end of the job", within=NOTICED)
    assert (starts, written_by(look)) == ([job.id], [])
    assert look.value("select error_type from dead_letters") == "pgqueue.errors.Disconnected"


async def test_a_block_whose_commit_is_swallowed_wrote_nothing_and_its_job_fails_once(
    proxy: Proxy,
    block: Callable[..., Task[..., Any]],
    behind: PgQueue,
    look: Look,
    starts: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pgqueue.transaction.ending.ASK_WITHIN", 0.5)
    job = block().enqueue()
    _silent_once(proxy, b"COMMIT")
    async with working(behind) as worker:
        await auntil(lambda: hasattr(worker, "_parts") and worker._parts.finisher.unflushed(), "the report of a failure")
        look.rows(BACKENDS)  # until then the server's session holds the job's row; TCP would tell the server
        await auntil(lambda: look.state(job.id) == "failed", "the end of the job", within=NOTICED)
    assert (starts, written_by(look)) == ([job.id], [])
    assert "is not known" in look.value("select error_message from dead_letters")


async def test_a_block_whose_commit_is_not_answered_has_committed_and_its_job_succeeds_once(
    proxy: Proxy, block: Callable[..., Task[..., Any]], behind: PgQueue, look: Look, starts: list[int]
) -> None:
    _silent_once(proxy, b"COMMIT", "silent after")
    job = block().enqueue()
    async with working(behind) as worker:
        await _succeeded(look, job.id)
        await auntil(lambda: not worker._parts.slots.running, "the end of the run", within=NOTICED)
        _ended_once(look, starts, [job.id])
    assert written_by(look) == [job.id]


async def test_a_statement_of_the_handler_may_take_longer_than_the_deadline(
    block: Callable[..., Task[..., Any]], behind: PgQueue, look: Look, starts: list[int]
) -> None:
    job = block(statement=f"select pg_sleep({3 * DEADLINE})").enqueue()
    async with working(behind):
        await _succeeded(look, job.id)
        _ended_once(look, starts, [job.id])
    assert written_by(look) == [job.id]


@pytest.mark.slow
@pytest.mark.parametrize("purpose", ["liveness", "worker"])
async def test_a_job_of_three_leases_ends_once_with_the_real_deadlines(
    proxy: Proxy, look: Look, starts: list[int], purpose: str
) -> None:
    app, lease = PgQueue(proxy.url, lease=6), 6.0

    @app.task(retry=0)
    async def work(ctx: JobContext, seconds: float) -> None:
        starts.append(ctx.id)
        await asyncio.sleep(seconds)

    async with working(app, grace=30):
        await _listening(look)
        first = work.enqueue(0)
        await _succeeded(look, first.id)  # every link is open
        job = work.enqueue(3.2 * lease)
        await auntil(lambda: job.id in starts, "the job")
        assert proxy.silence(f"pgqueue {purpose}") >= 1
        await auntil(lambda: look.state(job.id) == "succeeded", "the job", within=3.2 * lease + 10)
        _ended_once(look, starts, [first.id, job.id])
    app.close()
    await app.aclose()
