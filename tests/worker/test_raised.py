"""Whatever a handler raises or cancels is its own job's failure: one attempt, by its policy, and the worker goes on."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from pgqueue import JobContext, JobEvent, PgQueue, Retry, Task
from pgqueue.worker import WorkerOptions
from pgqueue.worker.outcome import Outcome
from pgqueue.worker.signals import Alarm
from pgqueue.worker.slots import Slots
from pgqueue.worker.worker import Worker
from tests.looking import Look
from tests.waiting import auntil
from tests.worker import process_jobs
from tests.worker.conftest import burst, working
from tests.worker.jobs import job
from tests.worker.processes import InProcess
from tests.worker.raised import RAISED, throw
from tests.worker.slots_harness import SlotsHarness

ONCE_MORE = Retry(1, backoff="fixed", delay=0)
AS_RUNTIME_ERROR = {"StopIteration", "GeneratorExit"}  # these would end our own coroutines
ODD = {"a RateLimited without anything"}


def _dead(look: Look, attempts: int = 2) -> set[str]:
    """What became of the dead letters, each of which has used up its attempts."""
    rows = look.rows("select args ->> 'kind' as kind, attempt, jsonb_array_length(errors) as errors, rescues from dead_letter")
    assert {(row["attempt"], row["errors"], row["rescues"]) for row in rows} == {(attempts, attempts, 0)}
    return {row["kind"] for row in rows}


@pytest.mark.parametrize("executor", ["async", "thread", "process"])
async def test_whatever_a_handler_raises_costs_one_attempt(
    async_app: PgQueue, look: Look, in_process: InProcess, executor: str
) -> None:
    """FAULTS 54."""
    if executor == "async":

        @async_app.task(name="raises", retry=ONCE_MORE)
        async def in_loop(kind: str) -> None:
            await asyncio.sleep(0)
            throw(kind)

    elif executor == "thread":
        async_app.task(name="raises", retry=ONCE_MORE)(_throw)
    else:
        in_process(async_app, process_jobs.throw_kind, name="raises", retry=ONCE_MORE)
    good: Task[[], None] = async_app.task(name="good")(_nothing)
    jobs = async_app.tasks["raises"].enqueue_many([(kind,) for kind in RAISED])
    beside = good.enqueue_many([()] * 20)
    worker = await burst(async_app, concurrency=3)
    assert _dead(look) == set(RAISED)
    types = look.rows("select args ->> 'kind' as kind, errors -> -1 ->> 'type' as type from dead_letter")
    assert {row["kind"]: row["type"].split(".")[-1] for row in types if row["kind"] not in ODD} == {
        kind: "RuntimeError" if kind in AS_RUNTIME_ERROR and executor != "process" else type(make()).__name__
        for kind, make in RAISED.items()
        if kind not in ODD
    }
    assert {look.state(one.id) for one in beside} == {"succeeded"}
    assert worker._parts.finisher.counts["failed"] == 2 * len(jobs)


def _throw(kind: str) -> None:
    throw(kind)


async def _nothing() -> None:
    await asyncio.sleep(0)


async def _cancel_and_wait() -> None:
    _this().cancel()
    await asyncio.sleep(60)


async def _cancel_group() -> None:
    async def child(parent: asyncio.Task[Any]) -> None:
        parent.cancel()

    async with asyncio.TaskGroup() as group:
        group.create_task(child(_this()))
        await asyncio.sleep(60)


async def _cancel_child() -> None:
    child = asyncio.create_task(asyncio.sleep(60))
    asyncio.get_running_loop().call_soon(child.cancel)
    await child


def _this() -> asyncio.Task[Any]:
    task = asyncio.current_task()
    assert task is not None
    return task


async def _await_generator_exit() -> None:
    """A future that carries it closes all coroutines of the task that awaits it."""
    failed = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(failed.set_exception, GeneratorExit())
    await failed


async def _await_thread() -> None:
    await asyncio.to_thread(throw, "GeneratorExit")


CANCELS: dict[str, Callable[[], Any]] = {
    "itself": _cancel_and_wait,
    "its group": _cancel_group,
    "a child": _cancel_child,
    "by a future": _await_generator_exit,
    "by a thread": _await_thread,
}


async def test_a_handler_that_is_cut_off_by_itself_costs_one_attempt(async_app: PgQueue, look: Look) -> None:
    @async_app.task(name="cancels", retry=ONCE_MORE)
    async def cancels(kind: str) -> None:
        await CANCELS[kind]()

    cancels.enqueue_many([(kind,) for kind in CANCELS])
    await burst(async_app, concurrency=1)
    assert _dead(look) == set(CANCELS)


async def test_a_cancel_that_a_handler_leaves_behind_does_not_reach_the_next_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pgqueue.worker.slots.SLICE", 60.0)  # nothing else is awaited between two jobs
    app = PgQueue("postgresql://nobody@localhost:1/nothing")

    @app.task
    async def leaves() -> str:
        _this().cancel()  # it comes at the next await, and here is none any more
        return "done"

    app.task(name="innocent")(_nothing)
    outcomes: list[Outcome] = []
    slots = Slots(app.tasks, 1, outcomes.append, lambda: False, Alarm())
    slots.add([job(1, task="leaves"), job(2, task="innocent"), job(3, task="leaves"), job(4, task="innocent")])
    await auntil(lambda: len(outcomes) == 4, "their ends", 5)
    assert [(outcome.job.id, outcome.state) for outcome in outcomes] == [(n, "succeeded") for n in (1, 2, 3, 4)]
    await slots.close()


async def test_a_slot_takes_a_cancel_back_even_from_a_run_that_swallowed_it(harness: SlotsHarness) -> None:
    swallowed: list[int] = []

    async def swallow() -> None:
        _this().cancel()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            swallowed.append(_this().cancelling())
        _this().cancel()

    task = PgQueue("postgresql://nobody@localhost:1/nothing").task(name="swallow")(swallow)
    harness.slots._tasks = {**harness.slots._tasks, "swallow": task}
    harness.gate.set()
    for n in range(3):
        harness.slots.add([job(n, task="swallow"), job(10 + n)])
    await harness.ended(6)
    assert {outcome.state for outcome in harness.outcomes} == {"succeeded"}
    assert swallowed == [1, 1, 1]


@pytest.mark.parametrize("where", ["before", "after"])
async def test_whatever_middleware_raises_costs_one_attempt(async_app: PgQueue, look: Look, where: str) -> None:
    @async_app.around_execution
    async def around(ctx: JobContext) -> AsyncIterator[None]:
        if where == "before":
            throw(ctx.args["kind"])
        yield
        throw(ctx.args["kind"])

    @async_app.task(retry=ONCE_MORE)
    async def work(kind: str) -> None: ...

    work.enqueue_many([(kind,) for kind in RAISED])
    await burst(async_app, concurrency=3)
    assert _dead(look) == set(RAISED)


@pytest.mark.parametrize("is_async", [True, False])
async def test_whatever_a_callback_raises_is_logged_and_the_next_one_is_called(
    async_app: PgQueue, look: Look, is_async: bool
) -> None:
    told: list[str] = []
    kinds = [*RAISED, *CANCELS]

    def tell(event: JobEvent) -> None:
        told.append(event.job.args["kind"])
        throw(told[-1])

    async def atell(event: JobEvent) -> None:
        if event.job.args["kind"] in CANCELS:
            told.append(event.job.args["kind"])
            await CANCELS[told[-1]]()
        tell(event)

    async_app.on_success(atell if is_async else tell)

    @async_app.task
    async def work(kind: str) -> None: ...

    work.enqueue_many([(kind,) for kind in (kinds if is_async else RAISED)])
    worker = await burst(async_app)
    assert sorted(told) == sorted(kinds if is_async else RAISED)
    assert worker._parts.finisher.counts["callback_errors"] == len(told)


@pytest.mark.parametrize("kind", ["KeyboardInterrupt", "SystemExit", "CancelledError", "its __str__ raises"])
async def test_whatever_a_lifespan_raises_when_it_is_left_is_logged(
    database_url: str, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    @asynccontextmanager
    async def lifespan(app: PgQueue) -> AsyncIterator[None]:
        yield
        throw(kind)

    app = PgQueue(database_url, lifespan=lifespan)
    app.task(name="good")(_nothing).enqueue()
    await Worker(app, WorkerOptions(burst=True, handle_signals=False)).run()
    assert "the lifespan failed on exit" in caplog.text
    app.close()
    await app.aclose()


async def test_a_dropped_run_of_any_end_has_no_outcome(harness: SlotsHarness) -> None:
    harness.slots.add([job(1)])
    await auntil(lambda: harness.started == [1], "the job")
    await harness.slots.drop()
    assert (harness.outcomes, harness.slots.running) == ([], {})


async def test_a_job_that_is_cancelled_by_another_s_handler_fails_like_any_other(async_app: PgQueue, look: Look) -> None:
    victims: list[asyncio.Task[Any]] = []

    @async_app.task(retry=0)
    async def victim() -> None:
        victims.append(_this())
        await asyncio.sleep(60)

    @async_app.task
    async def attacker() -> None:
        victims[0].cancel()

    async with working(async_app):
        hurt = victim.enqueue()
        await auntil(lambda: victims, "the victim")
        fine = attacker.enqueue()
        await auntil(lambda: look.state(fine.id) == "succeeded", "the attacker")
        await auntil(lambda: look.state(hurt.id) == "failed", "the victim's end")
