"""RateLimited and ctx.park: what handlers do about the limits of others."""

import asyncio
import logging
import pickle
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pgqueue import InvalidArgument, JobContext, JobEvent, Limit, PgQueue, RateLimited, Retry, chain
from pgqueue.errors import OutsideWorker, PgQueueError
from tests.looking import Look
from tests.waiting import auntil
from tests.worker import process_jobs
from tests.worker.conftest import burst, working
from tests.worker.jobs import job as claimed
from tests.worker.processes import InProcess, processes, run_in

Handler = Callable[[JobContext], Any]
LATER = timedelta(days=1)
A_DAY = 86_400


@pytest.fixture(params=["async", "thread"])
def register(request: pytest.FixtureRequest, async_app: PgQueue) -> Callable[..., Any]:
    """Makes a task of what it does, async or in a thread."""
    async_app.limits.declare(Limit("openai", "1000/s", burst=1000))
    async_app.limits.declare(Limit("places", max_running=100))

    def register(does: Handler, **options: Any) -> Any:
        async def in_loop(ctx: JobContext) -> Any:
            return does(ctx)

        def in_thread(ctx: JobContext) -> Any:
            return does(ctx)

        return async_app.task(**{"name": "handler", "retry": 0, **options})(in_loop if request.param == "async" else in_thread)

    return register


def meet(times: int, attempts: list[int], **given: Any) -> Handler:
    """Meets a limit so many times, and then works."""

    def does(ctx: JobContext) -> str:
        attempts.append(ctx.attempt)
        if len(attempts) <= times:
            raise RateLimited(**{"retry_after": 0, **given})
        return "answered"

    return does


def parked(look: Look) -> dict[str, float]:
    """The keys that are shut, and for how many seconds."""
    rows = look.rows("select key, extract(epoch from max(until) - clock_timestamp())::float8 as s from parking group by key")
    return {row["key"]: row["s"] for row in rows if row["s"] > 0}


# What it makes of the job.


async def test_no_attempt_is_used_up_however_often_it_is_raised(
    async_app: PgQueue, register: Callable[..., Any], look: Look
) -> None:
    attempts: list[int] = []
    job = register(meet(3, attempts), limits=["openai"], retry=0).enqueue()
    await burst(async_app)
    assert await job.aresult(timeout=0) == "answered"
    assert attempts == [1, 1, 1, 1]
    assert look.job(job.id)["errors"] is None


async def test_the_job_waits_in_its_place_behind_the_key_that_it_shuts(
    async_app: PgQueue, register: Callable[..., Any], look: Look
) -> None:
    ran: list[int] = []

    def does(ctx: JobContext) -> None:
        ran.append(ctx.id)
        raise RateLimited(LATER)

    task = register(does, limits=["openai"])
    first, second = task.enqueue(), task.using(run_after=0).enqueue()
    before = look.job(first.id)["run_at"]
    async with working(async_app, concurrency=1):
        await auntil(lambda: "openai" in parked(look), "a key that is shut")
        await auntil(lambda: look.count("running") == 0, "the end of what runs")
    assert A_DAY - 600 < parked(look)["openai"] <= A_DAY
    assert ran[0] == first.id
    row = look.job(first.id)
    assert (row["state"], row["run_at"], row["attempt"]) == ("ready", before, 0)
    assert look.state(second.id) == "ready"


async def test_those_of_its_limits_are_shut_that_have_a_rate(
    async_app: PgQueue, register: Callable[..., Any], look: Look
) -> None:
    register(meet(9, [], retry_after=LATER), limits=["openai", "places"], fair="turn").enqueue()
    async with working(async_app):
        await auntil(lambda: parked(look), "a key that is shut")
    assert set(parked(look)) == {"openai"}


async def test_the_one_is_shut_that_is_named(async_app: PgQueue, register: Callable[..., Any], look: Look) -> None:
    register(meet(9, [], retry_after=LATER, key="places"), limits=["openai", "places"]).enqueue()
    async with working(async_app):
        await auntil(lambda: parked(look), "a key that is shut")
    assert set(parked(look)) == {"places"}


async def test_the_limit_of_its_queue_may_be_named(async_app: PgQueue, register: Callable[..., Any], look: Look) -> None:
    async_app.limits.set("queue:default", rate=1000, per=1)
    job = register(meet(9, [], retry_after=LATER, key="queue:default")).enqueue()
    async with working(async_app):
        await auntil(lambda: parked(look), "a key that is shut")
        await auntil(lambda: look.state(job.id) == "ready", "the end of the run")
    assert set(parked(look)) == {"queue:default"}


@pytest.mark.parametrize("given", [{}, {"key": "openai"}])
async def test_a_job_without_that_limit_is_put_off_alone(
    async_app: PgQueue, register: Callable[..., Any], look: Look, given: dict[str, Any]
) -> None:
    job = register(meet(9, [], retry_after=LATER, **given), limits=["places"] if given else None).enqueue()
    await burst(async_app)
    row = look.job(job.id)
    assert (row["state"], row["attempt"]) == ("scheduled", 0)
    assert A_DAY - 600 < look.value("select extract(epoch from run_at - clock_timestamp()) from job") <= A_DAY
    assert parked(look) == {}


async def test_it_is_no_failure_for_callbacks_and_logs(
    async_app: PgQueue, register: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    told: list[JobEvent] = []
    for on in (async_app.on_success, async_app.on_failure, async_app.on_retry, async_app.on_dead):
        on(told.append)
    caplog.set_level(logging.INFO, "pgqueue")
    job = register(meet(1, [], key="openai"), limits=["openai"]).enqueue()
    await burst(async_app)
    assert [event.result for event in told] == ["answered"]
    about = [record for record in caplog.records if getattr(record, "job_id", None) == job.id]
    assert [(record.levelname, record.getMessage()) for record in about] == [
        ("INFO", f"job {job.id} met a rate limit: openai: again in 0 s")
    ]
    warned = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert [line for line in warned if "superuser" not in line] == []


async def test_middleware_sees_it_and_may_swallow_it(async_app: PgQueue, register: Callable[..., Any], look: Look) -> None:
    seen: list[RateLimited] = []

    @async_app.around_execution
    async def watch(ctx: JobContext) -> AsyncIterator[None]:
        try:
            yield
        except RateLimited as met:
            seen.append(met)
            if len(seen) < 2:
                raise

    job = register(meet(2, [], key="openai"), limits=["openai"]).enqueue()
    await burst(async_app)
    assert [(met.delay, met.key) for met in seen] == [(0, "openai")] * 2
    assert await job.aresult(timeout=0) is None
    assert look.state(job.id) == "succeeded"


async def test_in_a_block_it_rolls_everything_back(
    async_app: PgQueue, register: Callable[..., Any], look: Look, written: None
) -> None:
    attempts: list[int] = []

    async def does(ctx: JobContext) -> None:
        attempts.append(ctx.attempt)
        async with ctx.transaction() as tx:
            await tx.connection.execute("insert into public.written values (%s)", (ctx.id,))
            if len(attempts) == 1:
                raise RateLimited(0)

    async_app.task(name="block", limits=["openai"], retry=0)(does).enqueue()
    await burst(async_app)
    assert attempts == [1, 1]
    assert look.value("select count(*) from public.written") == 1


async def test_a_chunk_that_meets_a_limit_begins_again(async_app: PgQueue, register: Callable[..., Any]) -> None:
    calls: list[int] = []

    def call(n: int) -> int:
        calls.append(n)
        if len(calls) == 2:
            raise RateLimited(0)
        return n

    workflow = async_app.task(limits=["openai"], retry=0)(call).map([1, 2]).chunks(2).enqueue()
    await burst(async_app)
    assert await workflow.aresult(timeout=0) == [[1, 2]]
    assert calls == [1, 2, 1, 2]


async def test_a_node_of_a_workflow_waits_and_its_child_runs_then(async_app: PgQueue, register: Callable[..., Any]) -> None:
    task = register(meet(1, []), limits=["openai"])
    workflow = chain(task.si(), task.si()).enqueue()
    await burst(async_app)
    assert await workflow.aresult(timeout=0) == "answered"


# In processes.


async def test_a_process_tells_of_it(async_app: PgQueue, look: Look, in_process: InProcess) -> None:
    seen: list[BaseException] = []

    @async_app.around_execution
    async def watch(ctx: JobContext) -> AsyncIterator[None]:
        try:
            yield
        except BaseException as error:
            seen.append(error)
            raise

    async_app.limits.declare(Limit("openai", "1000/s"))
    job = in_process(async_app, process_jobs.meet, limits=["openai"], retry=0).enqueue("openai")
    async with working(async_app):
        await auntil(lambda: "openai" in parked(look), "a key that is shut")
    assert look.job(job.id)["attempt"] == 0
    (met,) = seen
    assert isinstance(met, RateLimited)
    assert (A_DAY - 600 < met.delay <= A_DAY, met.key) == (True, "openai")


async def test_the_process_goes_on_with_other_jobs() -> None:
    async with processes() as pool:
        first = (await run_in(pool, process_jobs.where))["result"]
        with pytest.raises(RateLimited):
            await run_in(pool, process_jobs.meet, key=None)
        assert (await run_in(pool, process_jobs.where))["result"] == first


# The exception.


@pytest.mark.parametrize(
    ("given", "delay"),
    [(30, 30), (0.5, 0.5), (timedelta(minutes=1), 60), (-5, 0), (datetime(2020, 1, 1, tzinfo=UTC), 0)],
)
def test_retry_after_is_seconds_a_span_or_a_time(given: Any, delay: float) -> None:
    assert RateLimited(given).delay == delay


def test_a_time_is_counted_from_now() -> None:
    assert 3500 < RateLimited(datetime.now(UTC) + timedelta(hours=1)).delay <= 3600


@pytest.mark.parametrize("given", [True, "30", None, float("nan"), float("inf"), datetime(2999, 1, 1)])
def test_what_is_no_time_is_refused(given: Any) -> None:
    with pytest.raises(InvalidArgument, match=r"^retry_after: "):
        RateLimited(given)


def test_it_comes_out_of_a_process_as_it_went_in() -> None:
    met = pickle.loads(pickle.dumps(RateLimited(30, "openai")))
    assert (met.delay, met.key, str(met)) == (30, "openai", "openai: again in 30 s")


def test_what_is_no_key_is_refused() -> None:
    with pytest.raises(InvalidArgument, match=r"^key: 5 is not valid; use the key of a limit"):
        RateLimited(1, key=5)  # type: ignore[arg-type]


# ctx.park.


@pytest.mark.parametrize("until", [LATER, A_DAY, datetime.now(UTC) + LATER])
@pytest.mark.parametrize("key", ["openai", "openai:7", "queue:default"])
async def test_a_handler_shuts_a_key_and_goes_on(async_app: PgQueue, look: Look, key: str, until: Any) -> None:
    async_app.limits.set("openai", rate=1000, per=1)
    async_app.limits.set("queue:default", rate=1000, per=1)

    @async_app.task
    async def in_loop(ctx: JobContext) -> str:
        await ctx.apark(key, until)
        return "done"

    job = in_loop.enqueue()
    async with working(async_app):
        await auntil(lambda: look.state(job.id) == "succeeded", "the job")
    assert set(parked(look)) == {key}
    assert A_DAY - 7200 < parked(look)[key] <= A_DAY


async def test_a_handler_in_a_thread_does_so_without_an_a(async_app: PgQueue, look: Look) -> None:
    async_app.limits.set("openai", rate=1000, per=1)

    @async_app.task
    def in_thread(ctx: JobContext) -> None:
        ctx.park("openai", LATER)

    in_thread.enqueue()
    await burst(async_app)
    assert set(parked(look)) == {"openai"}


async def test_in_async_code_the_form_without_an_a_is_refused(async_app: PgQueue, look: Look) -> None:
    @async_app.task(retry=0)
    async def wrong(ctx: JobContext) -> None:
        ctx.park("openai", 5)

    job = wrong.enqueue()
    await burst(async_app)
    (error,) = look.job(job.id)["errors"]
    assert (error["type"], "use `await ctx.apark()`" in error["message"]) == (f"pgqueue.errors.{PgQueueError.__name__}", True)


async def test_a_key_that_is_not_there_fails_the_job(async_app: PgQueue, look: Look) -> None:
    @async_app.task(retry=Retry(0))
    async def wrong(ctx: JobContext) -> None:
        await ctx.apark("gone", 5)

    job = wrong.enqueue()
    await burst(async_app)
    (error,) = look.job(job.id)["errors"]
    assert error["message"].startswith("key: 'gone' is not valid; there is no such limit")


def test_without_a_worker_there_is_nothing_to_park() -> None:
    context = claimed()
    with pytest.raises(OutsideWorker, match=r"^ctx.park\(\): "):
        context.park("openai", 5)
    with pytest.raises(OutsideWorker, match=r"^ctx.apark\(\): "):
        asyncio.run(context.apark("openai", 5))


# What workers declare.


async def test_a_worker_says_which_limits_it_has_changed_and_no_others(
    async_app: PgQueue, caplog: pytest.LogCaptureFixture
) -> None:
    async_app.limits.declare(Limit("api", rate="4/s", burst=1))
    async_app.limits.declare(Limit("import", max_running=2, retry_blocks=True, weight=3))
    caplog.set_level(logging.INFO, "pgqueue")
    said = ["limit api: as declared now: 4/s, burst 1", "limit import: as declared now: max 2 running, retry blocks, weight 3"]
    await burst(async_app)
    assert [line for line in caplog.messages if line.startswith("limit ")] == said
    await burst(async_app)
    assert [line for line in caplog.messages if line.startswith("limit ")] == said


async def test_a_worker_says_which_limits_of_its_code_people_have_set(
    async_app: PgQueue, caplog: pytest.LogCaptureFixture, look: Look
) -> None:
    look.value("select set_limit('api', max_running => 1)")
    async_app.limits.declare(Limit("api", rate="4/s", burst=1))
    caplog.set_level(logging.INFO, "pgqueue")
    await burst(async_app)
    (line,) = (line for line in caplog.messages if line.startswith("limit "))
    assert line == "limit api: people have set it; what the code declares applies when they have deleted it"
    assert look.rows("select rate, max_running from limit_def") == [{"rate": None, "max_running": 1}]
