"""ctx.step_in_transaction(): a step and what it writes commit together, once, and the job goes on."""

from collections.abc import Callable
from typing import Any

import pytest

from pgqueue import JobContext, PgQueue, Retry
from pgqueue.errors import AlreadyFinished, PgQueueError
from tests.looking import Look
from tests.waiting import auntil
from tests.worker.blocks import BACKENDS, INSERT, held_commit, written_by
from tests.worker.conftest import burst, working

pytestmark = pytest.mark.usefixtures("written")
AT_ONCE = Retry(3, backoff="fixed", delay=0, jitter=False)
Inside = Callable[[JobContext], Any]


@pytest.fixture(params=["async", "thread"])
def task(request: pytest.FixtureRequest, async_app: PgQueue) -> Callable[..., Any]:
    """Makes a task that writes in a step; `inside` runs in the step behind the write, `after` behind the step."""

    def register(inside: Inside = lambda ctx: None, after: Inside = lambda ctx: None) -> Any:
        async def awrite(connection: Any, ctx: JobContext) -> int:
            await connection.execute(INSERT, (ctx.id,))
            inside(ctx)
            return ctx.attempt

        def write(connection: Any, ctx: JobContext) -> int:
            connection.execute(INSERT, (ctx.id,))
            inside(ctx)
            return ctx.attempt

        async def in_loop(ctx: JobContext) -> int:
            value: int = await ctx.step_in_transaction("write", awrite, ctx)
            after(ctx)
            return value

        def in_thread(ctx: JobContext) -> int:
            value = ctx.step_in_transaction("write", write, ctx)
            after(ctx)
            return value

        handler = in_loop if request.param == "async" else in_thread
        return async_app.task(name="work", retry=AT_ONCE)(handler)

    return register


def fail_at_first(ctx: JobContext) -> None:
    if ctx.attempt == 1:
        raise ValueError("no")


async def test_what_a_step_wrote_is_there_once_whatever_follows(task: Any, look: Look) -> None:
    seen: list[Any] = []

    def after(ctx: JobContext) -> None:
        seen.append((look.state(ctx.id), written_by(look), len(look.rows("select * from job_step"))))
        fail_at_first(ctx)

    job = task(after=after).enqueue()
    await burst(job._client)
    assert job.result(timeout=0) == 1
    assert seen == [("running", [job.id], 1)] * 2


async def test_a_step_that_raised_has_written_nothing(task: Any, look: Look) -> None:
    seen: list[Any] = []

    def inside(ctx: JobContext) -> None:
        seen.append((written_by(look), look.rows("select * from job_step")))
        fail_at_first(ctx)

    job = task(inside=inside).enqueue()
    await burst(job._client)
    assert job.result(timeout=0) == 2
    assert (seen, written_by(look)) == ([([], []), ([], [])], [job.id])


async def test_a_connection_that_breaks_before_commit_has_written_nothing(task: Any, look: Look) -> None:
    def inside(ctx: JobContext) -> None:
        if ctx.attempt == 1:
            look.rows(BACKENDS)

    job = task(inside=inside).enqueue()
    await burst(job._client)
    assert (job.result(timeout=0), written_by(look)) == (2, [job.id])


async def test_a_commit_that_is_not_answered_is_seen_by_the_next_run(task: Any, look: Look, connect: Any) -> None:
    """The backend is ended in the middle of COMMIT: the step is rolled back, and the next run does it."""
    release = held_commit(look)
    beside = Look(connect())
    job = task().enqueue()
    waits = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and application_name = 'pgqueue transaction'"
    async with working(job._client):
        await auntil(lambda: beside.value(waits), "the COMMIT in progress")
        beside.rows(BACKENDS)
        release()
        assert await job.aresult(timeout=20) == 2
    assert (written_by(look), len(look.rows("select * from job_step"))) == ([job.id], 1)


async def test_a_step_of_its_own_inside_a_block_is_refused(async_app: PgQueue, look: Look) -> None:
    caught: list[BaseException] = []

    @async_app.task(retry=0)
    async def work(ctx: JobContext) -> None:
        async def write(connection: Any) -> None: ...

        async with ctx.transaction():
            try:
                await ctx.step_in_transaction("write", write)
            except AlreadyFinished as error:
                caught.append(error)

    work.enqueue()
    await burst(async_app)
    assert len(caught) == 1


async def test_a_step_that_commits_itself_is_refused(async_app: PgQueue, look: Look) -> None:
    caught: list[BaseException] = []

    @async_app.task(retry=0)
    def work(ctx: JobContext) -> None:
        def write(connection: Any) -> None:
            connection.execute("commit")

        try:
            ctx.step_in_transaction("write", write)
        except PgQueueError as error:
            caught.append(error)

    job = work.enqueue()
    await burst(async_app)
    assert [str(error) for error in caught] == [
        f"job {job.id}: the transaction was ended inside the step; leave that to the step"
    ]
