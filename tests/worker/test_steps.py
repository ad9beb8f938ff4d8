"""ctx.step(): what a run has done the next one does not do again."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

import pytest

from pgqueue import JobContext, PgQueue, Retry
from pgqueue.errors import AlreadyFinished, InvalidArgument, LeaseLost, OutsideWorker, PgQueueError
from pgqueue.steps.memory import Memory
from pgqueue.worker.in_process import from_json, to_json
from tests.looking import Look
from tests.worker.blocks import INSERT, STEAL, error_of, stale_outcome, written_by
from tests.worker.conftest import burst, working
from tests.worker.jobs import job as made_by_hand

AT_ONCE = Retry(3, backoff="fixed", delay=0, jitter=False)


@dataclass
class Booking:
    """A value of a step."""

    seat: int
    day: date


def booked(seat: int) -> Booking:
    return Booking(seat, date(2026, 1, 2))


async def abooked(seat: int) -> Booking:
    return booked(seat)


@pytest.fixture(params=["async", "thread"])
def steps(request: pytest.FixtureRequest, async_app: PgQueue) -> Callable[..., Any]:
    """Makes a task of a generator: each (name, function, *args) that it yields is done as a step, in the way of its kind."""

    def register(work: Callable[[JobContext], Any], **options: Any) -> Any:
        async def in_loop(ctx: JobContext) -> Any:
            going, value = work(ctx), None
            while True:
                try:
                    value = await ctx.step(*going.send(value))
                except StopIteration as stop:
                    return stop.value

        def in_thread(ctx: JobContext) -> Any:
            going, value = work(ctx), None
            while True:
                try:
                    value = ctx.step(*going.send(value))
                except StopIteration as stop:
                    return stop.value

        handler = in_loop if request.param == "async" else in_thread
        return async_app.task(**{"name": "work", "retry": AT_ONCE, **options})(handler)

    return register


async def test_a_job_that_runs_again_goes_on_behind_its_last_step(steps: Any, look: Look) -> None:
    done: list[Any] = []

    def do(what: str) -> str:
        done.append(what)
        return what.upper()

    def work(ctx: JobContext) -> Any:
        first = yield "reserve", do, "reserve"
        second = yield "charge", do, "charge"
        if ctx.attempt == 1:
            raise ValueError("the network")
        third = yield "mail", do, "mail"
        return [first, second, third]

    job = steps(work).enqueue()
    await burst(job._client)
    assert done == ["reserve", "charge", "mail"]
    assert job.result(timeout=0) == ["RESERVE", "CHARGE", "MAIL"]
    kept = look.rows("select name, attempt, ended_at >= started_at as is_timed from steps(%s)", job.id)
    assert [(step["name"], step["attempt"]) for step in kept] == [("reserve", 1), ("charge", 1), ("mail", 2)]
    assert all(step["is_timed"] for step in kept)


async def test_a_step_that_raised_is_done_again(steps: Any, look: Look) -> None:
    tries: list[int] = []

    def charge() -> int:
        tries.append(1)
        if len(tries) < 3:
            raise ValueError("declined")
        return len(tries)

    def work(ctx: JobContext) -> Any:
        return (yield "charge", charge)

    job = steps(work).enqueue()
    await burst(job._client)
    assert job.result(timeout=0) == 3
    assert look.rows("select name, value, attempt from steps(%s)", job.id) == [{"name": "charge", "value": 3, "attempt": 3}]


async def test_a_name_that_is_used_again_gets_a_number_and_each_is_done_once(steps: Any, look: Look) -> None:
    done: list[int] = []

    def send(number: int) -> int:
        done.append(number)
        return number

    def work(ctx: JobContext) -> Any:
        sent = []
        for number in range(4):
            sent.append((yield "send", send, number))
            if number == 2 and ctx.attempt == 1:
                raise ValueError
        sent.append((yield "send#4", send, 9))
        return sent

    job = steps(work).enqueue()
    await burst(job._client)
    assert done == [0, 1, 2, 3, 9]
    assert job.result(timeout=0) == [0, 1, 2, 3, 9]
    names = [row["name"] for row in look.rows("select name from steps(%s)", job.id)]
    assert names == ["send", "send#2", "send#3", "send#4", "send#4#2"]


async def test_the_value_of_a_step_has_its_type_in_each_run(steps: Any) -> None:
    seen: list[Any] = []

    def untyped() -> Any:
        return {"at": (1, 2)}

    def work(ctx: JobContext) -> Any:
        seen.append((yield "book", booked, 4))
        seen.append((yield "untyped", untyped))
        if ctx.attempt == 1:
            raise ValueError

    await burst(steps(work).enqueue()._client)
    assert seen == [Booking(4, date(2026, 1, 2)), {"at": [1, 2]}] * 2


async def test_a_value_that_cannot_be_stored_is_a_failure_for_good(steps: Any, look: Look) -> None:
    done: list[Any] = []

    def strange(value: Any) -> Any:
        done.append(1)
        return value

    def work(ctx: JobContext) -> Any:
        yield "strange", strange, object() if ctx.task == "work" else None

    job = steps(work).enqueue()
    await burst(job._client)
    dead = look.job(job.id)
    assert (dead["state"], dead["reason"], len(done)) == ("failed", "system_error", 1)
    assert error_of(look, job.id) == "pgqueue.errors.StepNotStored"


async def test_a_value_that_is_too_large_is_a_failure_for_good(app: PgQueue, look: Look) -> None:
    app.settings = app.settings.model_copy(update={"max_result_bytes": 10})

    @app.task(retry=AT_ONCE)
    def work(ctx: JobContext) -> None:
        ctx.step("large", lambda: "x" * 9)

    job = work.enqueue()
    await burst(app)
    why = "step 'large': the result is 11 bytes of JSON, max_result_bytes is 10"
    assert look.value("select error_message from dead_letters where id = %s", job.id).startswith(why)
    await app.aclose()


async def test_the_1001st_step_is_a_failure_for_good(steps: Any, look: Look) -> None:
    def work(ctx: JobContext) -> Any:
        look.rows("insert into job_step select %s, 'step ' || n, null, now(), now(), 1 from generate_series(1, 1000) n", ctx.id)
        yield "one more", booked, 1

    job = steps(work).enqueue()
    await burst(job._client)
    assert (look.state(job.id), error_of(look, job.id)) == ("failed", "pgqueue.errors.StepNotStored")


async def test_a_step_of_a_job_that_is_another_s_raises(async_app: PgQueue, look: Look) -> None:
    caught: list[BaseException] = []

    @async_app.task(retry=0)
    async def stolen(ctx: JobContext) -> None:
        look.rows(STEAL)
        try:
            await ctx.step("charge", booked, 1)
        except PgQueueError as error:
            caught.append(error)

    stolen.enqueue()
    async with working(async_app) as worker:
        await stale_outcome(worker)
    assert [type(error) for error in caught] == [LeaseLost]
    assert look.rows("select * from job_step") == []


async def test_async_and_plain_functions_are_steps_of_async_handlers_and_only_plain_ones_of_others(
    async_app: PgQueue, look: Look
) -> None:
    seen: list[Any] = []

    @async_app.task(retry=0)
    async def work(ctx: JobContext) -> None:
        seen.append(await ctx.step("async", abooked, seat=1))
        seen.append(await ctx.step("plain", booked, seat=2))

    @async_app.task(retry=0)
    def in_thread(ctx: JobContext) -> None:
        with pytest.raises(InvalidArgument, match="it is async; give a plain `def`"):
            ctx.step("wrong", abooked, 3)

    for task in (work, in_thread):
        job = task.enqueue()
        await burst(async_app)
        assert look.state(job.id) == "succeeded"
    assert [booking.seat for booking in seen] == [1, 2]


async def test_steps_at_the_same_time_are_all_stored(async_app: PgQueue, look: Look) -> None:
    @async_app.task(retry=0)
    async def work(ctx: JobContext) -> list[int]:
        bookings = await asyncio.gather(*(ctx.step(f"book {seat}", abooked, seat) for seat in range(9)))
        return [booking.seat for booking in bookings]

    job = work.enqueue()
    await burst(async_app)
    assert job.result(timeout=0) == list(range(9))
    assert look.value("select count(*) from steps(%s)", job.id) == 9


@pytest.mark.parametrize("ends_well", [True, False])
@pytest.mark.parametrize("is_async", [True, False])
@pytest.mark.usefixtures("written")
async def test_a_step_in_a_block_commits_with_what_the_handler_wrote(
    async_app: PgQueue, look: Look, is_async: bool, ends_well: bool
) -> None:
    seen: list[Any] = []

    async def work(ctx: JobContext) -> None:
        async with ctx.transaction() as tx:
            await tx.connection.execute(INSERT, (ctx.id,))
            await ctx.step("charge", booked, 1)
            seen.append(look.rows("select * from job_step"))
            if not ends_well:
                raise ValueError

    def in_thread(ctx: JobContext) -> None:
        with ctx.transaction() as tx:
            tx.connection.execute(INSERT, (ctx.id,))
            ctx.step("charge", booked, 1)
            seen.append(look.rows("select * from job_step"))
            if not ends_well:
                raise ValueError

    job = async_app.task(name="work", retry=0)(work if is_async else in_thread).enqueue()
    await burst(async_app)
    assert seen == [[]], "nobody sees it before the commit"
    assert look.state(job.id) == ("succeeded" if ends_well else "failed")
    assert (written_by(look), len(look.rows("select * from job_step"))) == (([job.id], 1) if ends_well else ([], 0))


@pytest.mark.usefixtures("written")
async def test_after_the_block_there_are_no_more_steps(async_app: PgQueue, look: Look) -> None:
    caught: list[BaseException] = []

    @async_app.task(retry=0)
    async def work(ctx: JobContext) -> None:
        async with ctx.transaction():
            pass
        for late in (ctx.step("late", booked, 1), ctx.wait_for("late")):
            try:
                await late
            except AlreadyFinished as error:
                caught.append(error)

    work.enqueue()
    await burst(async_app)
    assert [str(error).partition("; ")[2] for error in caught] == ["do its steps before that", "wait for signals before that"]


async def test_a_job_without_steps_asks_for_none(async_app: PgQueue, look: Look) -> None:
    look.rows("select pg_stat_force_next_flush()")

    @async_app.task(retry=0)
    async def work(ctx: JobContext) -> None: ...

    work.enqueue_many([() for _ in range(5)])
    await burst(async_app)
    scans = "select coalesce(sum(seq_scan + idx_scan), 0) from pg_stat_user_tables where relname in ('job_step', 'job_signal')"
    assert look.value(scans) == 0


@pytest.mark.parametrize("name", ["", "x" * 201, None, "a\x00b", "\ud800"])
def test_a_name_that_is_none_is_refused_before_the_step_is_done(name: Any) -> None:
    with pytest.raises(InvalidArgument, match=r"^name: "):
        Memory().unique(name)


def test_a_context_without_a_worker_has_no_steps_and_no_signals() -> None:
    job = from_json(to_json(made_by_hand()))  # as in a process
    calls: list[Callable[[], object]] = [lambda: job.step("charge", booked, 1), lambda: job.wait_for("approved")]
    for call in calls:
        with pytest.raises(OutsideWorker, match="use it in async handlers or in threads of a worker, not in processes"):
            call()
