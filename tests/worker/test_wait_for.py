"""ctx.wait_for(): a durable wait inside straight code."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from pgqueue import JobContext, PgQueue, SignalTimeout
from pgqueue.errors import InvalidArgument, JobNotFound, LeaseLost, PgQueueError, WrongState
from pgqueue.steps.waits import Waits
from tests.looking import Look
from tests.waiting import auntil
from tests.worker.blocks import STEAL, stale_outcome
from tests.worker.conftest import burst, working

TIME_OUT = "update job_signal set until = until - interval '1 day'"
MAKE_DUE = "update job set run_at = run_at - interval '1 day' where state = 'scheduled'"
Wait = Callable[..., Any]


@pytest.fixture(params=["async", "thread"])
def waiter(request: pytest.FixtureRequest, async_app: PgQueue) -> Callable[..., Any]:
    """Makes a task that does `before` as a step, waits for a signal, and returns what it was told with the value of the step."""

    def register(before: Callable[[], Any] = lambda: 1, timeout: Any = None, **options: Any) -> Any:
        async def in_loop(ctx: JobContext) -> Any:
            value = await ctx.step("before", before)
            try:
                return [value, await ctx.wait_for("approved", timeout)]
            except SignalTimeout as error:
                return [value, str(error)]

        def in_thread(ctx: JobContext) -> Any:
            value = ctx.step("before", before)
            try:
                return [value, ctx.wait_for("approved", timeout)]
            except SignalTimeout as error:
                return [value, str(error)]

        handler = in_loop if request.param == "async" else in_thread
        return async_app.task(**{"name": "work", "retry": 0, **options})(handler)

    return register


async def test_a_job_waits_without_a_worker_and_goes_on_when_it_is_told(async_app: PgQueue, waiter: Any, look: Look) -> None:
    done: list[int] = []
    job = waiter(lambda: done.append(1)).enqueue()
    worker = await burst(async_app)
    assert (look.state(job.id), look.job(job.id)["attempt"]) == ("scheduled", 0)
    assert worker._parts.finisher.counts == {"waiting": 1, "scheduled": 1}

    assert async_app.signal(job, "approved", {"by": "ann"}) is True
    await burst(async_app)

    assert job.result(timeout=0) == [None, {"by": "ann"}]
    assert done == [1]


async def test_a_signal_that_comes_first_is_there_at_once(async_app: PgQueue, waiter: Any) -> None:
    job = waiter().enqueue()
    assert await async_app.asignal(job.id, "approved") is True
    assert await async_app.asignal(job.id, "approved", 2) is False

    worker = await burst(async_app)

    assert job.result(timeout=0) == [1, None]
    assert worker._parts.finisher.counts == {"succeeded": 1}


async def test_a_running_worker_goes_on_with_a_job_that_is_told(async_app: PgQueue, waiter: Any, look: Look) -> None:
    job = waiter().enqueue()
    async with working(async_app):
        await auntil(lambda: look.state(job.id) == "scheduled", "the wait")
        async_app.signal(job, "approved", 1)
        assert await job.aresult(timeout=20) == [1, 1]


async def test_a_wait_that_is_over_raises_in_this_run_and_each_later_one(async_app: PgQueue, waiter: Any, look: Look) -> None:
    job = waiter(timeout=timedelta(hours=1)).enqueue()
    await burst(async_app)
    look.rows(TIME_OUT)
    look.rows(MAKE_DUE)

    await burst(async_app)

    assert job.result(timeout=0) == [1, f"job {job.id}: signal 'approved' has not come in time"]


async def test_a_wait_that_is_over_and_not_caught_is_a_failure_for_good(async_app: PgQueue, look: Look) -> None:
    @async_app.task
    async def work(ctx: JobContext) -> None:
        await ctx.wait_for("approved", timeout=0)

    job = work.enqueue()
    await burst(async_app)
    dead = look.job(job.id)
    assert (dead["state"], dead["reason"], dead["attempt"]) == ("failed", "timeout", 1)
    assert dead["errors"][-1]["type"] == "pgqueue.errors.SignalTimeout"


async def test_except_exception_does_not_stop_a_wait(async_app: PgQueue, look: Look) -> None:
    ended: list[str] = []

    @async_app.task(retry=0)
    async def work(ctx: JobContext) -> Any:
        try:
            return await ctx.wait_for("approved")
        except Exception:
            return "caught"
        finally:
            ended.append("finally")

    job = work.enqueue()
    await burst(async_app)
    assert (look.state(job.id), ended) == ("scheduled", ["finally"])


async def test_a_wait_in_a_group_of_tasks_is_a_wait_and_an_error_beside_it_a_failure(async_app: PgQueue, look: Look) -> None:
    async def refuse() -> None:
        raise ValueError("no")

    @async_app.task(retry=0)
    async def work(ctx: JobContext, fails: bool) -> Any:
        async with asyncio.TaskGroup() as group:
            group.create_task(ctx.wait_for("approved"))
            if fails:
                group.create_task(refuse())

    waits, fails = work.enqueue(False), work.enqueue(True)
    await burst(async_app)
    assert (look.state(waits.id), look.state(fails.id)) == ("scheduled", "failed")
    assert look.job(waits.id)["control"]["waits_for"]["signal"] == "approved"


async def test_middleware_sees_a_wait_pass(async_app: PgQueue, look: Look) -> None:
    seen: list[str] = []

    @async_app.around_execution
    async def around(ctx: JobContext) -> Any:
        try:
            yield
        except BaseException as error:
            seen.append(type(error).__name__)
            raise

    @async_app.task(retry=0)
    async def work(ctx: JobContext) -> None:
        await ctx.wait_for("approved")

    job = work.enqueue()
    await burst(async_app)
    assert (seen, look.state(job.id)) == (["Waits"], "scheduled")


async def test_no_callback_runs_for_a_wait(async_app: PgQueue) -> None:
    called: list[Any] = []
    for register in (async_app.on_success, async_app.on_failure, async_app.on_retry, async_app.on_dead):
        register(called.append)

    @async_app.task(retry=0)
    async def work(ctx: JobContext) -> None:
        await ctx.wait_for("approved")

    work.enqueue()
    await burst(async_app)
    assert called == []


async def test_a_wait_inside_a_block_is_refused(async_app: PgQueue) -> None:
    caught: list[BaseException] = []

    @async_app.task(retry=0)
    async def work(ctx: JobContext) -> None:
        async with ctx.transaction():
            try:
                await ctx.wait_for("approved")
            except PgQueueError as error:
                caught.append(error)

    job = work.enqueue()
    await burst(async_app)
    why = f"job {job.id}: it cannot wait for signal 'approved' inside ctx.transaction(), which would be rolled back"
    assert str(caught[0]).startswith(why)


async def test_a_wait_of_a_job_that_is_another_s_raises(async_app: PgQueue, look: Look) -> None:
    caught: list[BaseException] = []

    @async_app.task(retry=0)
    async def work(ctx: JobContext) -> None:
        look.rows(STEAL)
        try:
            await ctx.wait_for("approved")
        except PgQueueError as error:
            caught.append(error)

    work.enqueue()
    async with working(async_app) as worker:
        await stale_outcome(worker)
    assert [type(error) for error in caught] == [LeaseLost]


async def test_a_signal_commits_with_the_transaction_that_sends_it(async_app: PgQueue, look: Look, connect: Any) -> None:
    @async_app.task(retry=0)
    async def work(ctx: JobContext) -> None:
        await ctx.wait_for("approved")

    job = work.enqueue()
    await burst(async_app)
    theirs = connect()
    with theirs.transaction(force_rollback=True):
        assert async_app.signal(job, "approved", connection=theirs) is True
    assert look.state(job.id) == "scheduled"
    with theirs.transaction():
        assert async_app.signal(job, "approved", connection=theirs) is True
    assert look.state(job.id) == "ready"


def test_what_is_no_signal_is_refused(app: PgQueue) -> None:
    @app.task
    def work() -> None: ...

    job = work.enqueue()
    for name in ("", "x" * 201, "a\x00b", 7):
        with pytest.raises(InvalidArgument, match=r"^name: "):
            app.signal(job, name)  # type: ignore[arg-type]
    for payload in ({1}, float("nan"), "a\x00b"):
        with pytest.raises(InvalidArgument, match=r"^payload: .* use JSON values"):
            app.signal(job, "approved", payload)
    with pytest.raises(InvalidArgument, match=r"^job: "):
        app.signal("7", "approved")  # type: ignore[arg-type]
    with pytest.raises(JobNotFound):
        app.signal(4711, "approved")
    app.cancel(job.id)
    with pytest.raises(WrongState, match="only a job that is not over takes signals"):
        app.signal(job, "approved")


@pytest.mark.parametrize("timeout", [-1, float("nan"), "1 h", 1e11])
async def test_a_timeout_that_is_none_is_refused(async_app: PgQueue, look: Look, timeout: Any) -> None:
    @async_app.task(retry=0)
    async def work(ctx: JobContext) -> None:
        with pytest.raises(InvalidArgument, match=r"^timeout: "):
            await ctx.wait_for("approved", timeout)

    job = work.enqueue()
    await burst(async_app)
    assert look.state(job.id) == "succeeded"


def test_a_wait_is_no_exception() -> None:
    assert not issubclass(Waits, Exception)
