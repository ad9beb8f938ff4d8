"""Many calls in one job, by the task that every app has."""

import threading
import time
from dataclasses import dataclass
from typing import Any

import pytest

from pgqueue import INJECTED, Cancel, Inject, JobContext, PgQueue, Retry, chain, group
from pgqueue.errors import ConfigurationError, InvalidArgument
from pgqueue.registry import CHUNK
from pgqueue.workflow.canvas import chunk_signature
from tests.looking import Look
from tests.waiting import auntil
from tests.worker import process_jobs
from tests.worker.conftest import burst, working


@pytest.fixture(autouse=True)
def _no_drift(look: Look) -> Any:
    yield
    assert look.rows("select * from workflow_drift()") == []


@dataclass
class Size:
    width: int


class Client:
    """What a lifespan yields."""


async def test_the_calls_run_one_after_the_other_and_their_results_are_a_list(async_app: PgQueue, look: Look) -> None:
    ran: list[int] = []

    @async_app.task
    async def half(size: Size) -> Size | None:
        ran.append(size.width)
        return Size(size.width // 2) if size.width else None

    job = async_app.enqueue_many([chunk_signature(half, [{"size": Size(n)} for n in (4, 0, 8)])])[0]
    await burst(async_app)
    assert ran == [4, 0, 8]
    assert await job.aresult(timeout=0) == [{"width": 2}, None, {"width": 4}]
    assert look.job(job.id)["task"] == CHUNK
    assert CHUNK not in async_app.tasks


async def test_what_follows_chunks_takes_the_list_of_their_lists(async_app: PgQueue) -> None:
    @async_app.task
    def double(n: int) -> int:
        return 2 * n

    @async_app.task
    async def total(lists: list[list[int]]) -> int:
        return sum(map(sum, lists))

    flow = chain(double.map(range(10)).chunks(4), total.s()).enqueue()
    await burst(async_app)
    assert await flow.aresult(timeout=0) == 90
    assert len(flow.jobs) == 4


async def test_a_def_runs_in_the_workers_threads_with_its_own_context_and_injected_values(database_url: str, look: Look) -> None:
    async def lifespan(app: PgQueue) -> Any:
        yield Client()

    app = PgQueue(database_url, lease=2.0, lifespan=lifespan)
    seen: list[Any] = []

    @app.task
    def work(ctx: JobContext, n: int, client: Inject[Client] = INJECTED) -> None:
        seen.append((threading.current_thread().name.rpartition("_")[0], ctx.task, ctx.args, ctx.meta, type(client)))

    async with working(app):
        (job,) = await app.aenqueue_many([chunk_signature(work.using(meta="m"), [{"n": 1}, {"n": 2}])])
        await auntil(lambda: look.state(job.id) == "succeeded", "it ends")
    assert seen == [("pgqueue-handler", "work", {"n": n}, "m", Client) for n in (1, 2)]
    await app.aclose()
    app.close()


async def test_a_call_that_fails_fails_the_job_with_its_error(async_app: PgQueue, look: Look) -> None:
    ran: list[int] = []

    @async_app.task(retry=0)
    async def work(n: int) -> None:
        ran.append(n)
        if n == 2:
            raise ValueError("two is no good")

    async_app.enqueue_many([chunk_signature(work, [{"n": n} for n in (1, 2, 3)])])
    await burst(async_app)
    assert ran == [1, 2]
    (error,) = look.value("select errors from dead_letter")
    assert (error["type"], error["message"]) == ("ValueError", "two is no good")
    assert "call 2 of 3 in a chunk of 'work'" in error["traceback"]


async def test_a_chunk_of_a_task_that_is_not_registered_waits_without_losing_an_attempt(async_app: PgQueue, look: Look) -> None:
    other = PgQueue(async_app.url)

    @other.task
    async def elsewhere(n: int) -> int:
        return n

    (job,) = other.enqueue_many([chunk_signature(elsewhere, [{"n": 1}])])
    async with working(async_app) as worker:
        await auntil(lambda: worker._parts.finisher.counts["unknown_task"] if hasattr(worker, "_parts") else 0, "it is put back")
    (row,) = look.rows("select state::text, attempt, errors from job where id = %s", job.id)
    assert row == {"state": "scheduled", "attempt": 0, "errors": None}
    other.close()


@pytest.mark.parametrize("kind", ["transaction", "outcome"])
async def test_a_call_does_not_end_the_job_of_the_others(async_app: PgQueue, look: Look, kind: str) -> None:
    @async_app.task(retry=0)
    async def work(ctx: JobContext) -> Any:
        if kind == "outcome":
            return Cancel("no more")
        async with ctx.transaction():
            return None

    async_app.enqueue_many([chunk_signature(work, [{}, {}])])
    await burst(async_app)
    assert look.value("select errors->-1->>'type' from dead_letter") == "pgqueue.errors.PgQueueError"


async def test_a_call_can_add_to_the_workflow_of_its_chunk(async_app: PgQueue) -> None:
    ran: list[int] = []

    @async_app.task
    async def more(n: int) -> None:
        ran.append(n)

    @async_app.task
    async def work(ctx: JobContext, n: int) -> None:
        ctx.workflow.add(more.si(n))

    group(work.s(n) for n in range(4)).chunks(2).enqueue()
    await burst(async_app)
    assert sorted(ran) == [0, 1, 2, 3]


async def test_a_cancelled_chunk_ends_with_the_call_that_runs_in_a_thread(async_app: PgQueue, look: Look) -> None:
    ran: list[str] = []
    started, gate = threading.Event(), threading.Event()

    @async_app.task
    def work(ctx: JobContext, n: int) -> None:
        started.set()
        gate.wait(20)
        ran.append(f"{n} {ctx.cancelled}")

    async with working(async_app) as worker:
        flow = group(work.s(n) for n in range(4)).chunks(4).enqueue()
        await auntil(started.is_set, "the first call runs")
        flow.cancel()
        (job,) = flow.jobs.values()
        await auntil(lambda: worker._parts.slots._jobs[worker._parts.slots.running[job.id]].cancelled, "it is asked to end")
        gate.set()
        await auntil(lambda: look.state(job.id) == "cancelled", "it is cancelled")
    assert ran == ["0 True"]


async def test_a_chunk_that_is_ended_by_force_tells_the_call_that_runs_in_a_thread(async_app: PgQueue) -> None:
    started, stopped = threading.Event(), threading.Event()

    @async_app.task
    def work(ctx: JobContext, n: int) -> None:
        started.set()
        deadline = time.monotonic() + 20
        while not ctx.should_cancel() and time.monotonic() < deadline:
            time.sleep(0.01)
        if ctx.should_cancel():
            stopped.set()

    job = async_app.enqueue_many([chunk_signature(work, [{"n": 1}, {"n": 2}])])[0]
    async with working(async_app):
        await auntil(started.is_set, "the first call runs")
        assert async_app.cancel(job.id, force=True) == "fenced"
        await auntil(stopped.is_set, "the call ends")


async def test_each_call_of_a_chunk_does_its_own_steps_once(async_app: PgQueue) -> None:
    charged: list[int] = []

    def charge(n: int) -> int:
        charged.append(n)
        return 10 * n

    @async_app.task
    async def pay(ctx: JobContext, n: int) -> list[int]:
        paid = [await ctx.step("charge", charge, n), await ctx.step("charge", charge, n + 100)]
        if n == 2 and ctx.attempt == 1:
            raise ConnectionError
        return paid

    sent = chunk_signature(pay.using(retry=Retry(1, backoff="fixed", delay=0, jitter=False)), [{"n": n} for n in (1, 2, 3)])
    job = async_app.enqueue_many([sent])[0]
    await burst(async_app)
    assert await job.aresult(timeout=0) == [[10, 1010], [20, 1020], [30, 1030]]
    assert charged == [1, 101, 2, 102, 3, 103]


async def test_what_each_call_of_a_chunk_says_is_kept(async_app: PgQueue) -> None:
    @async_app.task
    async def tell(ctx: JobContext, n: int) -> None:
        ctx.log(f"call {n}")

    job = async_app.enqueue_many([chunk_signature(tell, [{"n": n} for n in (1, 2, 3)])])[0]
    await burst(async_app)
    assert [line.message for line in job.logs()] == ["call 1", "call 2", "call 3"]


def test_a_task_for_processes_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="chunks: task 'where' runs in processes"):
        chunk_signature(process_jobs.where, [{}])


def test_arguments_that_do_not_fit_are_refused_with_their_place(app: PgQueue) -> None:
    @app.task
    async def work(n: int) -> None: ...

    with pytest.raises(InvalidArgument, match="1"):
        chunk_signature(work, [{"n": 1}, {"n": "x"}])


def test_its_name_is_taken(app: PgQueue) -> None:
    with pytest.raises(ConfigurationError, match=r"'pgqueue.chunk' is already registered"):

        @app.task(name=CHUNK)
        async def mine() -> None: ...
