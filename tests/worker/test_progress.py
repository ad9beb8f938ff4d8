"""ctx.progress() and ctx.aprogress()."""

from typing import Any

import pytest

from pgqueue import JobContext, PgQueue, context
from pgqueue.errors import InvalidArgument, LeaseLost, PgQueueError
from tests.looking import Look
from tests.worker.blocks import INSERT, STEAL, stale_outcome
from tests.worker.conftest import burst, working

pytestmark = pytest.mark.usefixtures("written")


async def test_progress_told_in_a_block_is_seen_at_once(async_app: PgQueue, look: Look) -> None:
    seen: list[Any] = []

    @async_app.task(retry=0)
    async def work(ctx: JobContext) -> None:
        async with ctx.transaction() as tx:
            await tx.connection.execute(INSERT, (ctx.id,))
            await ctx.aprogress(1, 2, "half")
            seen.append(look.job(ctx.id)["progress"])

    @async_app.task(retry=0)
    def in_thread(ctx: JobContext) -> None:
        with ctx.transaction():
            ctx.progress(3)
            told = async_app.job(ctx.id).progress
            seen.append(told)

    for task, expected in ((work, (1, 2, "half")), (in_thread, (3, None, None))):
        job = task.enqueue()
        await burst(async_app)
        told = seen.pop()
        assert (told["done"], told["total"], told["note"]) == expected
        assert job.refresh().status == "succeeded"
        assert job.progress is None


async def test_progress_is_told_every_200_ms_and_at_the_end(
    async_app: PgQueue, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Any] = []
    assert context.PROGRESS_EVERY == 0.2
    monkeypatch.setattr(context, "PROGRESS_EVERY", 600.0)

    @async_app.task(retry=0)
    async def work(ctx: JobContext) -> None:
        for done in (0, 1, 2):
            await ctx.aprogress(done, 2)
            told.append(look.job(ctx.id)["progress"]["done"])
        monkeypatch.setattr(context, "PROGRESS_EVERY", 0.0)  # that time has passed
        await ctx.aprogress(1, 2)
        told.append(look.job(ctx.id)["progress"]["done"])

    work.enqueue()
    await burst(async_app)
    assert told == [0, 0, 2, 1]


async def test_progress_of_a_job_that_is_another_s_raises(async_app: PgQueue, look: Look) -> None:
    caught: list[BaseException] = []

    @async_app.task(retry=0)
    async def work(ctx: JobContext) -> None:
        for harm, done in (("select 1", -1), (STEAL, 1)):
            look.rows(harm)
            try:
                await ctx.aprogress(done, done)
            except PgQueueError as error:
                caught.append(error)

    work.enqueue()
    async with working(async_app) as worker:
        await stale_outcome(worker)
    assert [type(error) for error in caught] == [InvalidArgument, LeaseLost]


async def test_progress_in_async_code_is_refused(async_app: PgQueue, look: Look) -> None:
    @async_app.task(retry=0)
    async def wrong(ctx: JobContext) -> None:
        ctx.progress(1)

    job = wrong.enqueue()
    await burst(async_app)
    why = "ctx.progress() in async code: use `await ctx.aprogress()`; it would block the event loop"
    assert look.value("select error_message from dead_letters where id = %s", job.id) == why


@pytest.mark.parametrize("is_async", [True, False])
async def test_a_note_that_postgresql_cannot_store_is_replaced_and_a_huge_one_is_not_sent(
    async_app: PgQueue, look: Look, is_async: bool
) -> None:
    seen: list[Any] = []

    async def work(ctx: JobContext) -> None:
        await ctx.aprogress(1, 1, "a\x00b\ud800")
        seen.append(look.job(ctx.id)["progress"]["note"])
        with pytest.raises(InvalidArgument, match=r"^note: .* is not valid; it has 50000000 characters; use at most 1,000$"):
            await ctx.aprogress(1, 1, "x" * 50_000_000)

    def work_in_thread(ctx: JobContext) -> None:
        ctx.progress(1, 1, "a\x00b\ud800")
        seen.append(look.job(ctx.id)["progress"]["note"])
        with pytest.raises(InvalidArgument, match=r"^note: .* use at most 1,000$"):
            ctx.progress(1, 1, "x" * 50_000_000)

    job = async_app.task(name="work", retry=0)(work if is_async else work_in_thread).enqueue()
    await burst(async_app)
    assert seen == ["a\ufffdb?"]
    assert look.state(job.id) == "succeeded"
