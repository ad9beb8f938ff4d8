"""ctx.transaction(): what a handler writes and the end of its job commit together."""

import asyncio
import logging
import threading
from collections.abc import Callable
from typing import Any

import pytest

from pgqueue import Cancel, JobContext, PgQueue, RetryIn, Snooze
from pgqueue.errors import AlreadyFinished, OutsideWorker, PgQueueError
from pgqueue.worker.in_process import from_json, to_json
from tests.looking import Look
from tests.worker.blocks import INSERT, Register, error_of, set_result, written_by
from tests.worker.conftest import burst
from tests.worker.jobs import job as made_by_hand

pytestmark = pytest.mark.usefixtures("written")


async def test_what_the_handler_wrote_and_its_end_commit_together(async_app: PgQueue, look: Look, handler: Register) -> None:
    seen: list[Any] = []

    def inside(ctx: JobContext, tx: Any) -> None:
        tx.result = {"by": ctx.id}
        seen.append((look.state(ctx.id), written_by(look)))

    job = handler(async_app, inside, lambda ctx: seen.append((look.state(ctx.id), written_by(look)))).enqueue()
    worker = await burst(async_app)
    assert seen == [("running", []), ("succeeded", [job.id])]
    assert await job.aresult(timeout=0) == {"by": job.id}
    assert look.job(job.id)["elapsed"] > 0
    assert worker._parts.finisher.counts == {"succeeded": 1}


async def test_an_exception_in_the_block_takes_everything_back(async_app: PgQueue, look: Look, handler: Register) -> None:
    def inside(ctx: JobContext, tx: Any) -> None:
        raise ValueError("no")

    job = handler(async_app, inside).enqueue()
    worker = await burst(async_app)
    assert (written_by(look), look.state(job.id), error_of(look, job.id)) == ([], "failed", "ValueError")
    assert worker._parts.finisher.counts == {"failed": 1, "dead_letter": 1}


async def test_after_a_block_that_failed_another_may_finish_the_job(async_app: PgQueue, look: Look) -> None:
    @async_app.task
    async def again(ctx: JobContext) -> None:
        for result in (float("nan"), 1):
            try:
                async with ctx.transaction() as tx:
                    await tx.connection.execute(INSERT, (ctx.id,))
                    tx.result = result
            except TypeError:
                assert not ctx.is_finished
        assert ctx.is_finished

    job = again.enqueue()
    await burst(async_app)
    assert (written_by(look), await async_app.job(job.id).aresult(timeout=0)) == ([job.id], 1)


async def test_a_job_enqueued_in_the_block_vanishes_with_it(async_app: PgQueue, look: Look) -> None:
    @async_app.task(retry=0)
    async def child(n: int) -> None: ...

    @async_app.task(retry=0)
    async def parent(ctx: JobContext, ends_well: bool) -> None:
        async with ctx.transaction() as tx:
            await child.using(connection=tx.connection).aenqueue(1)
            if not ends_well:
                raise ValueError

    @async_app.task(retry=0)
    def parent_in_thread(ctx: JobContext, ends_well: bool) -> None:
        with ctx.transaction() as tx:
            child.using(connection=tx.connection).enqueue(2)
            if not ends_well:
                raise ValueError

    for task in (parent, parent_in_thread):
        task.enqueue(True)
        task.enqueue(False)
    await burst(async_app)
    assert [row["args"] for row in look.rows("select args from jobs where task = 'child' order by args")] == [{"n": 1}, {"n": 2}]
    assert look.count("failed") == 2


async def test_a_block_may_be_longer_than_the_lease(async_app: PgQueue, look: Look, handler: Register) -> None:
    """The lease is 2 s."""
    job = handler(async_app, lambda ctx, tx: threading.Event().wait(3)).enqueue()
    await burst(async_app)
    assert (look.state(job.id), written_by(look)) == ("succeeded", [job.id])
    assert look.rows("select * from rescue_log") == []


@pytest.mark.parametrize("returned", [Snooze(60), RetryIn(60), Cancel("no"), "text"], ids=lambda value: type(value).__name__)
async def test_what_is_returned_after_the_block_is_ignored_with_a_warning(
    async_app: PgQueue, look: Look, handler: Register, caplog: pytest.LogCaptureFixture, returned: Any
) -> None:
    name = f"returns {type(returned).__name__} {async_app.url}"  # of a plain result it is said once a task and process
    task = handler(async_app, set_result, lambda ctx: returned, name=name)
    jobs = [task.enqueue() for _ in range(2)]
    await burst(async_app)
    for job in jobs:
        assert (look.state(job.id), await job.aresult(timeout=0)) == ("succeeded", {"by": job.id})
    warned = [record.getMessage() for record in caplog.records if "ignored" in record.getMessage()]
    assert len(warned) == (1 if returned == "text" else 2), warned


async def test_an_error_after_the_block_is_only_logged(
    async_app: PgQueue, look: Look, handler: Register, caplog: pytest.LogCaptureFixture
) -> None:
    def after(ctx: JobContext) -> None:
        raise RuntimeError("too late to matter")

    job = handler(async_app, set_result, after, retry=3).enqueue()
    worker = await burst(async_app)
    (record,) = [record for record in caplog.records if record.exc_info]
    assert (record.levelno, f"job {job.id} was finished by its transaction" in record.getMessage()) == (logging.WARNING, True)
    assert "too late to matter" in caplog.text
    assert (look.state(job.id), look.job(job.id)["errors"]) == ("succeeded", None)
    assert worker._parts.finisher.counts == {"succeeded": 1}


async def test_a_job_is_finished_once(async_app: PgQueue, look: Look) -> None:
    caught: list[PgQueueError] = []

    def note(error: PgQueueError) -> None:
        caught.append(error)

    @async_app.task
    async def twice(ctx: JobContext) -> None:
        async with ctx.transaction():
            try:
                async with ctx.transaction():
                    pytest.fail("a block in a block")
            except AlreadyFinished as error:
                note(error)
        for use in (lambda: ctx.transaction().__aenter__(), lambda: ctx.aprogress(1)):
            try:
                await use()
            except AlreadyFinished as error:
                note(error)

    @async_app.task
    def twice_in_thread(ctx: JobContext) -> None:
        with ctx.transaction():
            pass
        try:
            with ctx.transaction():
                pytest.fail("a second block")
        except AlreadyFinished as error:
            note(error)

    for task, expected in ((twice, 3), (twice_in_thread, 1)):
        job = task.enqueue()
        await burst(async_app)
        assert (len(caught), look.state(job.id)) == (expected, "succeeded")
        caught.clear()


async def test_with_in_async_code_is_refused(async_app: PgQueue, look: Look) -> None:
    @async_app.task(retry=0)
    async def wrong(ctx: JobContext) -> None:
        with ctx.transaction():
            pass

    job = wrong.enqueue()
    await burst(async_app)
    assert "use `async with`" in look.value("select error_message from dead_letters where id = %s", job.id)


@pytest.mark.parametrize("way", ["commit()", "sql"])
async def test_a_block_whose_transaction_was_ended_inside_of_it_does_not_finish_the_job(
    async_app: PgQueue, look: Look, handler: Register, way: str
) -> None:
    def inside(ctx: JobContext, tx: Any) -> None:
        ended = tx.connection.execute("commit") if way == "sql" else tx.connection.commit()
        if asyncio.iscoroutine(ended):
            asyncio.run_coroutine_threadsafe(ended, loop).result()

    loop = asyncio.get_running_loop()
    job = handler(async_app, inside).enqueue()
    await burst(async_app)
    assert look.state(job.id) == "failed"
    assert error_of(look, job.id).endswith("PgQueueError" if way == "sql" else "ProgrammingError")


@pytest.mark.parametrize("result", [float("nan"), object(), "\x00"], ids=["NaN", "an object", "NUL"])
async def test_a_result_that_cannot_be_stored_takes_everything_back(
    async_app: PgQueue, look: Look, handler: Register, result: Any
) -> None:
    def inside(ctx: JobContext, tx: Any) -> None:
        tx.result = result

    job = handler(async_app, inside).enqueue()
    await burst(async_app)
    assert (look.state(job.id), written_by(look)) == ("failed", [])


async def test_a_deferred_constraint_that_refuses_the_commit_fails_the_attempt(
    async_app: PgQueue, look: Look, handler: Register
) -> None:
    look.rows("alter table public.written add constraint once unique (job_id) deferrable initially deferred")
    look.rows("insert into public.written values (1)")
    job = handler(async_app, set_result).enqueue()
    assert job.id == 1
    await burst(async_app)
    assert (look.state(1), written_by(look)) == ("failed", [1])
    assert error_of(look, 1).endswith("UniqueViolation")


def _in_a_process() -> JobContext:
    return from_json(to_json(made_by_hand()))


@pytest.mark.parametrize("make", [made_by_hand, _in_a_process])
async def test_a_context_without_a_worker_says_so(make: Callable[[], JobContext]) -> None:
    ctx = make()
    assert (ctx.id, ctx.token) == (made_by_hand().id, made_by_hand().token)
    for use in (ctx.transaction, lambda: ctx.progress(1)):
        with pytest.raises(OutsideWorker, match=f"job {ctx.id} has no connection of a worker"):
            use()
    with pytest.raises(OutsideWorker):
        await ctx.aprogress(1)
