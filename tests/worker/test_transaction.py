"""ctx.transaction(): what a handler writes and the end of its job commit together. Progress, beside it."""

import asyncio
import functools
import logging
import pickle
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import psycopg_pool
import pytest

from pgqueue import Cancel, JobContext, PgQueue, RetryIn, Snooze, Task
from pgqueue.errors import AlreadyFinished, InvalidArgument, LeaseLost, OutsideWorker, PgQueueError
from pgqueue.transaction import Services
from pgqueue.worker import Worker
from tests.faults.proxy import Cut, Proxy
from tests.looking import Look
from tests.waiting import auntil
from tests.worker.conftest import burst, working
from tests.worker.jobs import job as made_by_hand

BACKENDS = "select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name = 'pgqueue transaction'"
STEAL = "update job set claim_token = gen_random_uuid()"
INSERT = "insert into public.written (job_id) values (%s)"
Register = Callable[..., Task[..., Any]]


@pytest.fixture(autouse=True)
def written(look: Look) -> None:
    """A table of the application."""
    look.rows("create table public.written (job_id bigint)")


@pytest.fixture(params=["async", "thread"])
def handler(request: pytest.FixtureRequest) -> Callable[[PgQueue, Callable[..., Any]], Task[[], Any]]:
    """Makes a task of steps that run inside of a block; `after` runs behind it, and its value is what the handler returns."""

    def register(app: PgQueue, inside: Callable[..., Any], after: Callable[..., Any] = lambda ctx: None, **options: Any) -> Any:
        async def in_loop(ctx: JobContext) -> Any:
            async with ctx.transaction() as tx:
                await tx.connection.execute(INSERT, (ctx.id,))
                await asyncio.to_thread(inside, ctx, tx)
            return after(ctx)

        def in_thread(ctx: JobContext) -> Any:
            with ctx.transaction() as tx:
                tx.connection.execute(INSERT, (ctx.id,))
                inside(ctx, tx)
            return after(ctx)

        return app.task(**{"name": "handler", "retry": 0, **options})(in_loop if request.param == "async" else in_thread)

    return register


def _set_result(ctx: JobContext, tx: Any) -> None:
    tx.result = {"by": ctx.id}


def _written(look: Look) -> list[int]:
    return [row["job_id"] for row in look.rows("select job_id from public.written order by 1")]


def _slow_commit(look: Look) -> None:
    """From now on a COMMIT of what was written takes a second."""
    look.rows("create function slow() returns trigger language plpgsql as $$begin perform pg_sleep(1); return null; end$$")
    look.rows(
        "create constraint trigger slow after insert on public.written deferrable initially deferred "
        "for each row execute function slow()"
    )


async def _stale(worker: Worker) -> None:
    await auntil(lambda: hasattr(worker, "_finisher") and worker._finisher.counts["stale"], "the stale outcome")


def _error(look: Look, id: int) -> str:
    return str(look.value("select error_type from dead_letters where id = %s", id))


async def test_what_the_handler_wrote_and_its_end_commit_together(async_app: PgQueue, look: Look, handler: Register) -> None:
    seen: list[Any] = []

    def inside(ctx: JobContext, tx: Any) -> None:
        tx.result = {"by": ctx.id}
        seen.append((look.state(ctx.id), _written(look)))

    job = handler(async_app, inside, lambda ctx: seen.append((look.state(ctx.id), _written(look)))).enqueue()
    worker = await burst(async_app)
    assert seen == [("running", []), ("succeeded", [job.id])]
    assert await job.aresult(timeout=0) == {"by": job.id}
    assert look.job(job.id)["elapsed"] > 0
    assert worker._finisher.counts == {"succeeded": 1}


async def test_an_exception_in_the_block_takes_everything_back(async_app: PgQueue, look: Look, handler: Register) -> None:
    def inside(ctx: JobContext, tx: Any) -> None:
        raise ValueError("no")

    job = handler(async_app, inside).enqueue()
    worker = await burst(async_app)
    assert (_written(look), look.state(job.id), _error(look, job.id)) == ([], "failed", "ValueError")
    assert worker._finisher.counts == {"failed": 1, "dead": 1}


async def test_after_a_block_that_failed_another_may_finish_the_job(async_app: PgQueue, look: Look) -> None:
    @async_app.task
    async def again(ctx: JobContext) -> None:
        for result in (float("nan"), 1):
            try:
                async with ctx.transaction() as tx:
                    await tx.connection.execute(INSERT, (ctx.id,))
                    tx.result = result
            except ValueError:
                assert not ctx.is_finished
        assert ctx.is_finished

    job = again.enqueue()
    await burst(async_app)
    assert (_written(look), await async_app.job(job.id).aresult(timeout=0)) == ([job.id], 1)


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


async def test_a_run_that_lost_its_job_inside_the_block_leaves_nothing(
    async_app: PgQueue, look: Look, handler: Register, caplog: pytest.LogCaptureFixture
) -> None:
    """Another has it by then: its writes and its end are the ones that count."""
    job = handler(async_app, lambda ctx, tx: look.rows(STEAL)).enqueue()
    async with working(async_app) as worker:
        await _stale(worker)
        assert (_written(look), look.state(job.id)) == ([], "running")
    assert "LeaseLost" in caplog.text


async def test_a_run_that_lost_its_lease_is_dropped_and_rolled_back_and_the_next_one_counts(
    database_url: str, look: Look
) -> None:
    app = PgQueue(database_url, lease=1)
    runs: list[str] = []

    @app.task
    async def work(ctx: JobContext) -> None:
        async with ctx.transaction() as tx:
            await tx.connection.execute(INSERT, (ctx.id,))
            runs.append(ctx.token)
            if len(runs) == 1:
                await tx.connection.execute("select pg_sleep(60)")

    job = work.enqueue()
    async with working(app) as worker:
        await auntil(lambda: runs, "the first run")
        look.rows("update worker set state = 'lost', heartbeat_at = now() - interval '1 hour'")
        await auntil(lambda: look.state(job.id) == "succeeded", "the second run")
        await auntil(lambda: worker._finisher.counts["succeeded"], "its outcome")
        assert (_written(look), len(runs)) == ([job.id], 2)
        assert worker._finisher.counts == {"succeeded": 1}
    await app.aclose()


async def test_a_thread_whose_worker_lost_its_lease_cannot_commit_any_more(database_url: str, look: Look) -> None:
    """Nobody can stop it; the database refuses it."""
    app = PgQueue(database_url, lease=1)
    runs: list[str] = []
    ended: list[BaseException] = []
    second_is_done = threading.Event()

    @app.task
    def work(ctx: JobContext) -> None:
        runs.append(ctx.token)
        try:
            with ctx.transaction() as tx:
                tx.connection.execute(INSERT, (ctx.id,))
                if len(runs) == 1:
                    second_is_done.wait(30)
        except LeaseLost as error:
            ended.append(error)

    job = work.enqueue()
    async with working(app):
        await auntil(lambda: runs, "the first run")
        look.rows("update worker set state = 'lost', heartbeat_at = now() - interval '1 hour'")
        await auntil(lambda: look.state(job.id) == "succeeded", "the second run")
        second_is_done.set()
        await auntil(lambda: ended, "the end of the first run")
    assert _written(look) == [job.id]
    await app.aclose()


async def test_a_block_may_be_longer_than_the_lease(async_app: PgQueue, look: Look, handler: Register) -> None:
    """The lease is 2 s."""
    job = handler(async_app, lambda ctx, tx: threading.Event().wait(3)).enqueue()
    await burst(async_app)
    assert (look.state(job.id), _written(look)) == ("succeeded", [job.id])
    assert look.rows("select * from rescue_log") == []


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
        assert (job.refresh().status, job.progress) == ("succeeded", None)


async def test_progress_is_told_every_200_ms_and_at_the_end(async_app: PgQueue, look: Look) -> None:
    told: list[Any] = []

    @async_app.task(retry=0)
    async def work(ctx: JobContext) -> None:
        for done in (0, 1, 2):
            await ctx.aprogress(done, 2)
            told.append(look.job(ctx.id)["progress"]["done"])
        await asyncio.sleep(0.2)
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
        await _stale(worker)
    assert [type(error) for error in caught] == [InvalidArgument, LeaseLost]


@pytest.mark.parametrize("returned", [Snooze(60), RetryIn(60), Cancel("no"), "text"], ids=lambda value: type(value).__name__)
async def test_what_is_returned_after_the_block_is_ignored_with_a_warning(
    async_app: PgQueue, look: Look, handler: Register, caplog: pytest.LogCaptureFixture, returned: Any
) -> None:
    name = f"returns {type(returned).__name__} {async_app.url}"  # of a plain result it is said once a task and process
    task = handler(async_app, _set_result, lambda ctx: returned, name=name)
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

    job = handler(async_app, _set_result, after, retry=3).enqueue()
    worker = await burst(async_app)
    (record,) = [record for record in caplog.records if record.exc_info]
    assert (record.levelno, f"job {job.id} was finished by its transaction" in record.getMessage()) == (logging.WARNING, True)
    assert "too late to matter" in caplog.text
    assert (look.state(job.id), look.job(job.id)["errors"]) == ("succeeded", None)
    assert worker._finisher.counts == {"succeeded": 1}


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
    assert _error(look, job.id).endswith("PgQueueError" if way == "sql" else "ProgrammingError")


@pytest.mark.parametrize("result", [float("nan"), object(), "\x00"], ids=["NaN", "an object", "NUL"])
async def test_a_result_that_cannot_be_stored_takes_everything_back(
    async_app: PgQueue, look: Look, handler: Register, result: Any
) -> None:
    def inside(ctx: JobContext, tx: Any) -> None:
        tx.result = result

    job = handler(async_app, inside).enqueue()
    await burst(async_app)
    assert (look.state(job.id), _written(look)) == ("failed", [])


async def test_a_deferred_constraint_that_refuses_the_commit_fails_the_attempt(
    async_app: PgQueue, look: Look, handler: Register
) -> None:
    look.rows("alter table public.written add constraint once unique (job_id) deferrable initially deferred")
    look.rows("insert into public.written values (1)")
    job = handler(async_app, _set_result).enqueue()
    assert job.id == 1
    await burst(async_app)
    assert (look.state(1), _written(look)) == ("failed", [1])
    assert _error(look, 1).endswith("UniqueViolation")


async def test_the_connection_is_given_back_as_it_was(async_app: PgQueue, look: Look) -> None:
    seen: list[Any] = []

    @async_app.task(retry=0)
    async def work(ctx: JobContext) -> None:
        async with ctx.transaction() as tx:
            seen.append(tx.connection.info.backend_pid)
            cursor = await tx.connection.execute("select 7 as n")
            seen.append(await cursor.fetchone())
            tx.connection.row_factory = psycopg.rows.dict_row

    work.enqueue_many([()] * 2)
    await burst(async_app, concurrency=1)
    pid, row, again_pid, again_row = seen
    assert (pid, row) == (again_pid, again_row)


async def test_no_more_blocks_run_at_once_than_the_pool_has_connections(database_url: str, look: Look, handler: Register) -> None:
    app = PgQueue(database_url, transaction_pool_size=2)
    inside, may_end = threading.Semaphore(0), threading.Event()
    most: list[int] = []

    def hold(ctx: JobContext, tx: Any) -> None:
        inside.release()
        may_end.wait(30)
        most.append(look.value("select count(*) from pg_stat_activity where application_name = 'pgqueue transaction'"))

    ids = [job.id for job in handler(app, hold).enqueue_many([()] * 5)]
    async with working(app, concurrency=5) as worker:
        for _ in range(2):
            assert await asyncio.to_thread(inside.acquire, timeout=30)
        await auntil(lambda: len(worker._slots.running) == 5, "all handlers")
        assert not inside.acquire(timeout=0.2)
        may_end.set()
        await auntil(lambda: look.count("succeeded") == 5, "all jobs")
    assert (_written(look), max(most)) == (ids, 2)
    app.close()
    await app.aclose()


async def test_who_waits_too_long_for_a_connection_is_told_what_to_do(
    database_url: str, look: Look, handler: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pgqueue.transaction.POOL_WITHIN", 0.1)
    app = PgQueue(database_url, transaction_pool_size=1)
    may_end = threading.Event()
    handler(app, lambda ctx, tx: may_end.wait(30)).enqueue_many([()] * 2)
    async with working(app):
        await auntil(lambda: look.count("failed"), "the one that waited")
        may_end.set()
        await auntil(lambda: look.count("succeeded"), "the other")
    assert "all 1 were taken (raise transaction_pool_size)" in look.value("select error_message from dead_letters")
    app.close()
    await app.aclose()


async def test_handlers_that_enqueue_on_the_app_s_connections_in_their_blocks_do_not_wait_for_each_other(
    database_url: str, look: Look, handler: Register
) -> None:
    app = PgQueue(database_url, transaction_pool_size=2, pool_size=1)
    both = threading.Barrier(2)

    @app.task
    async def child() -> None: ...

    def inside(ctx: JobContext, tx: Any) -> None:
        both.wait(30)
        child.enqueue()

    handler(app, inside).enqueue_many([()] * 2)
    await burst(app)
    assert look.count("succeeded") == 4
    app.close()
    await app.aclose()


async def test_a_connection_that_died_in_the_pool_is_replaced(async_app: PgQueue, look: Look, handler: Register) -> None:
    task = handler(async_app, _set_result)
    async with working(async_app):
        for _ in range(2):
            job = task.enqueue()
            await auntil(
                functools.partial(look.value, "select true from jobs where id = %s and state = 'succeeded'", job.id), "the job"
            )
            look.rows(BACKENDS)
            await auntil(lambda: look.value(BACKENDS) == 0, "the end of the connection")
    assert look.count("succeeded") == 2


async def test_a_connection_that_breaks_in_the_block_fails_the_attempt(async_app: PgQueue, look: Look, handler: Register) -> None:
    job = handler(async_app, lambda ctx, tx: look.rows(BACKENDS)).enqueue()
    await burst(async_app)
    assert (look.state(job.id), _written(look)) == ("failed", [])
    assert _error(look, job.id) == "pgqueue.errors.Disconnected"


@pytest.fixture
async def behind(database_url: str, async_app: PgQueue) -> AsyncIterator[tuple[PgQueue, Proxy]]:
    """An app behind a proxy; its worker's heartbeats go directly."""
    with Proxy(database_url) as proxy:
        app = PgQueue(proxy.url, listen_url=database_url, transaction_pool_size=1)
        yield app, proxy
        app.close()
        await app.aclose()


def _at_commit(proxy: Proxy, cut: Cut, harm: Callable[[], Any] = lambda: None) -> list[str]:
    """What happens when the next block commits; what was asked of the database since."""
    asked: list[str] = []

    def decide(request: bytes) -> Cut:
        if b'"pgqueue".finished(' in request:
            asked.append("finished")
        if b"COMMIT" not in request or "COMMIT" in asked:
            return "pass"
        asked.append("COMMIT")
        harm()
        return cut

    proxy.decide = decide
    return asked


async def test_a_commit_whose_answer_was_lost_is_found_out(behind: tuple[PgQueue, Proxy], look: Look, handler: Register) -> None:
    app, proxy = behind
    job = handler(app, _set_result, lambda ctx: None).enqueue()
    asked = _at_commit(proxy, "after commit")
    worker = await burst(app)
    assert (look.state(job.id), _written(look)) == ("succeeded", [job.id])
    assert look.job(job.id)["errors"] is None
    assert worker._finisher.counts == {"succeeded": 1}
    assert (asked, proxy.cuts) == (["COMMIT", "finished"], 1)


async def test_a_commit_that_goes_on_without_us_is_waited_for(
    behind: tuple[PgQueue, Proxy], look: Look, handler: Register
) -> None:
    """While it does, the job looks as if it ran under our token: who took that for a rollback would report a failure."""
    app, proxy = behind
    _slow_commit(look)
    job = handler(app, _set_result).enqueue()
    asked = _at_commit(proxy, "before reply")
    worker = await burst(app)
    assert (look.state(job.id), _written(look)) == ("succeeded", [job.id])
    assert worker._finisher.counts == {"succeeded": 1}
    assert len(asked) > 3


async def test_a_commit_that_never_arrived_was_a_rollback(behind: tuple[PgQueue, Proxy], look: Look, handler: Register) -> None:
    app, proxy = behind

    def kill() -> None:
        assert look.value(BACKENDS) == 1
        while look.value(BACKENDS):
            pass

    job = handler(app, _set_result).enqueue()
    asked = _at_commit(proxy, "pass", kill)
    worker = await burst(app)
    assert (look.state(job.id), _written(look)) == ("failed", [])
    assert _error(look, job.id) == "pgqueue.errors.Disconnected"
    assert worker._finisher.counts == {"failed": 1, "dead": 1}
    assert asked[:2] == ["COMMIT", "finished"]


async def test_a_commit_that_never_arrived_of_a_job_that_was_lost_meanwhile(
    behind: tuple[PgQueue, Proxy], look: Look, handler: Register, caplog: pytest.LogCaptureFixture
) -> None:
    app, proxy = behind

    def kill_and_steal() -> None:
        while look.value(BACKENDS):
            pass
        look.rows(STEAL)

    handler(app, _set_result).enqueue()
    _at_commit(proxy, "pass", kill_and_steal)
    async with working(app) as worker:
        await _stale(worker)
        assert _written(look) == []
    assert "LeaseLost" in caplog.text


async def test_a_run_that_is_dropped_while_it_commits_has_committed(async_app: PgQueue, look: Look) -> None:
    """The worker stops without grace in the middle of a COMMIT that takes a second."""
    _slow_commit(look)

    @async_app.task
    async def work(ctx: JobContext) -> None:
        async with ctx.transaction() as tx:
            await tx.connection.execute(INSERT, (ctx.id,))
        pytest.fail("a run that was dropped went on")

    job = work.enqueue()
    worker: Worker
    async with working(async_app, grace=0) as worker:
        committing = "select count(*) from pg_stat_activity where application_name = 'pgqueue transaction' and query = 'COMMIT'"
        await auntil(lambda: look.value(committing + " and state = 'active'"), "the COMMIT")
    assert (look.state(job.id), _written(look)) == ("succeeded", [job.id])
    assert worker._finisher.counts == {"succeeded": 1}


def test_of_threads_that_open_the_pool_at_once_all_get_the_same(app: PgQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    both = threading.Barrier(2)

    class Slow(psycopg_pool.ConnectionPool):
        def __init__(self, *args: Any, **options: Any) -> None:
            both.wait(30)
            super().__init__(*args, **options)

    monkeypatch.setattr("pgqueue.database.pools.ConnectionPool", Slow)
    with ThreadPoolExecutor(2) as threads:
        one, other = (future.result() for future in [threads.submit(app.database.pool) for _ in range(2)])
    assert one is other
    assert not one.closed


async def test_a_run_that_is_dropped_in_the_block_gives_its_connection_back(database_url: str, async_app: PgQueue) -> None:
    services = Services(async_app)
    ctx = made_by_hand()
    ctx._services = services
    inside = asyncio.Event()

    async def work() -> None:
        async with ctx.transaction() as tx:
            inside.set()
            await tx.connection.execute("select pg_sleep(60)")

    run = asyncio.create_task(work())
    await inside.wait()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    pool = await services.async_transactions.pool()
    assert pool.get_stats()["pool_available"] == pool.get_stats()["pool_size"] == 1
    async with pool.connection() as connection:
        await connection.execute("select 1")
    await services.close()


@pytest.mark.parametrize("copy", [lambda ctx: ctx, lambda ctx: pickle.loads(pickle.dumps(ctx))], ids=["by hand", "in a process"])
async def test_a_context_without_a_worker_says_so(async_app: PgQueue, copy: Callable[[JobContext], JobContext]) -> None:
    ctx = made_by_hand()
    if copy(ctx) is not ctx:
        ctx._services = Services(async_app)  # they stay behind
    ctx = copy(ctx)
    assert (ctx.id, ctx.token) == (made_by_hand().id, made_by_hand().token)
    for use in (ctx.transaction, lambda: ctx.progress(1)):
        with pytest.raises(OutsideWorker, match=f"job {ctx.id} has no worker's connections"):
            use()
    with pytest.raises(OutsideWorker):
        await ctx.aprogress(1)
