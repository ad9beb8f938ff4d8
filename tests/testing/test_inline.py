"""inline: enqueue means run, without a database."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from pgqueue import INJECTED, Cancel, EnqueueCall, Inject, Job, JobContext, PgQueue, RetryIn, Snooze
from pgqueue.errors import (
    ConfigurationError,
    InvalidArgument,
    JobCancelled,
    JobFailed,
    OutsideWorker,
    PgQueueError,
    ResultTimeout,
)
from pgqueue.testing import inline


@dataclass
class Order:
    """An argument that JSON does not have."""

    id: int


@pytest.fixture
def app() -> PgQueue:
    """An app that knows no database."""
    return PgQueue()


def test_a_handler_runs_at_once_with_arguments_and_results_through_json(app: PgQueue) -> None:
    seen: list[Any] = []

    @app.task
    def place(order: Order, *, times: tuple[int, ...] = ()) -> Order:
        seen.extend([order, times])
        return Order(order.id + 1)

    given = Order(1)
    with inline(app) as inlined:
        job = place.enqueue(given, times=(1, 2))
        assert seen == [Order(1), (1, 2)]
        assert seen[0] is not given
        assert inlined.jobs == [job]
    assert (job.result(), job.id, job.status, inlined.jobs[0].args) == (
        Order(2), 1, "succeeded", {"order": {"id": 1}, "times": [1, 2]},
    )  # fmt: skip
    assert isinstance(job, Job)


def test_arguments_that_do_not_fit_are_refused_as_ever(app: PgQueue) -> None:
    @app.task
    def send(to: str) -> None: ...

    with inline(app):
        with pytest.raises(InvalidArgument):
            send.enqueue(5)  # type: ignore[arg-type]
        with pytest.raises(InvalidArgument):
            send.enqueue()  # type: ignore[call-arg]


def test_an_error_of_a_handler_is_raised_by_enqueue(app: PgQueue) -> None:
    @app.task
    def fail() -> None:
        raise ValueError("no")

    with inline(app) as inlined:
        with pytest.raises(ValueError, match="no"):
            fail.enqueue()
        assert [job.status for job in inlined.jobs] == ["failed"]


async def test_an_error_of_a_handler_may_be_kept_for_the_result(app: PgQueue) -> None:
    @app.task
    async def fail() -> None:
        raise ValueError("no")

    with inline(app, raise_errors=False):
        job = await fail.aenqueue()
    with pytest.raises(JobFailed, match="job 1 failed: ValueError: no") as failed:
        await job.aresult()
    assert "raise ValueError" in str(failed.value.traceback)


def test_a_result_that_json_does_not_have_is_an_error(app: PgQueue) -> None:
    @app.task
    def odd() -> Any:
        return object()

    with inline(app), pytest.raises(TypeError):
        odd.enqueue()
    with inline(app, raise_errors=False), pytest.raises(JobFailed):
        odd.enqueue().result()


def test_an_async_handler_runs_where_no_loop_does(app: PgQueue) -> None:
    @app.task
    async def work(number: int) -> int:
        await asyncio.sleep(0)
        return number

    with inline(app):
        assert work.enqueue(1).result() == 1


async def test_an_async_handler_in_async_code_needs_aenqueue(app: PgQueue) -> None:
    @app.task
    async def work(number: int) -> int:
        return number

    @app.task
    def plain() -> str:
        return threading.current_thread().name

    with inline(app):
        with pytest.raises(PgQueueError, match=r"^task 'work' needs an event loop.* use aenqueue"):
            work.enqueue(1)
        assert await (await work.aenqueue(1)).aresult() == 1
        assert plain.enqueue().result() == threading.current_thread().name
        assert (await plain.aenqueue()).result() != threading.current_thread().name


def test_what_handlers_enqueue_runs_inline_too(app: PgQueue) -> None:
    @app.task
    def leaf(number: int) -> int:
        return number

    @app.task
    async def root() -> int:
        return (await leaf.aenqueue(2)).result() + leaf.enqueue(3).result()

    with inline(app) as inlined:
        assert root.enqueue().result() == 5
        assert [(job.row["task"], job.result()) for job in inlined.jobs] == [("leaf", 2), ("leaf", 3), ("root", 5)]


async def test_every_way_to_enqueue_runs(app: PgQueue) -> None:
    @app.task
    def add(a: int, b: int = 0) -> int:
        return a + b

    with inline(app):
        made = [
            *add.enqueue_many([(1,), {"a": 2, "b": 2}]),
            *await add.aenqueue_many([(3, 3)]),
            *app.enqueue_many([add.s(4), add.using(priority="high").s(5)]),
            *await app.aenqueue_many([add.s(6)]),
        ]
    assert [job.result() for job in made] == [1, 4, 6, 4, 5, 6]
    assert made[4].row["priority"] == 50


def test_what_needs_the_database_says_so(app: PgQueue) -> None:
    @app.task
    def add(a: int) -> int:
        return a

    with inline(app):
        with pytest.raises(PgQueueError, match=r"^inline\(\): this needs the database"):
            add.enqueue_select("select 1 as a")
        with pytest.raises(PgQueueError, match=r"^inline\(\): this needs the database"):
            app.cancel(1)
        job = add.enqueue(1)
    with pytest.raises(PgQueueError, match=r"^job 1 \('add'\) was run inline and is not in the database$"):
        job.extend_result(5)
    for read in (job.logs, lambda: list(job.watch())):
        with pytest.raises(PgQueueError, match=r"^job 1 \('add'\) was run inline and is not in the database$"):
            read()


async def test_what_needs_the_database_says_so_in_async_code(app: PgQueue) -> None:
    @app.task
    def add(a: int) -> int:
        return a

    with inline(app):
        with pytest.raises(PgQueueError, match=r"^inline\(\): this needs the database"):
            await add.aenqueue_select("select 1 as a")
        await app.aclose()
        app.close()


def test_after_the_block_the_app_is_as_before(app: PgQueue) -> None:
    @app.task
    def add(a: int) -> int:
        return a

    with inline(app) as outer:
        with inline(app) as inner:
            add.enqueue(1)
        add.enqueue(2)
        assert (len(outer.jobs), len(inner.jobs)) == (1, 1)
    assert app.inline is None
    assert not {"database", "async_database"} & app.__dict__.keys()
    with pytest.raises(ConfigurationError):
        add.enqueue(1)


def test_middleware_runs(app: PgQueue) -> None:
    seen: list[Any] = []

    @app.around_enqueue
    def enqueuing(call: EnqueueCall) -> Iterator[None]:
        call.change(meta={"by": call.task})
        seen.append(call.args)
        yield
        seen.append("enqueued")

    @app.around_execution
    async def executing(job: JobContext) -> AsyncIterator[None]:
        seen.append(job.meta)
        try:
            yield
        except KeyError:
            seen.append("swallowed")

    @app.task
    def add(a: int) -> int:
        return {1: a}[a]

    with inline(app):
        assert add.enqueue_many([(1,), (2,)])[1].result() is None
        add.enqueue(1)
    meta = {"by": "add"}
    assert seen == [[{"a": 1}, {"a": 2}], "enqueued", meta, meta, "swallowed", {"a": 1}, "enqueued", meta]


def test_middleware_that_lets_an_error_pass_lets_it_pass(app: PgQueue) -> None:
    @app.around_execution
    async def executing(job: JobContext) -> AsyncIterator[None]:
        yield

    @app.task
    def fail() -> None:
        raise ValueError("no")

    with inline(app), pytest.raises(ValueError, match="no"):
        fail.enqueue()


def test_a_result_without_a_hint_is_what_json_makes_of_it(app: PgQueue) -> None:
    @app.task
    def pair():  # type: ignore[no-untyped-def]
        return 1, {"a": (2,)}

    with inline(app):
        assert pair.enqueue().result() == [1, {"a": [2]}]


def test_values_are_injected_and_missing_ones_are_named(app: PgQueue) -> None:
    @app.task
    def use(order: Inject[Order] = INJECTED) -> int:
        return order.id

    with inline(app, values=(Order(7),)):
        assert use.enqueue().result() == 7
    with inline(app, raise_errors=False), pytest.raises(ConfigurationError, match=r"in tests give its values: values=\("):
        use.enqueue()


def test_what_a_handler_may_return_instead_of_a_result(app: PgQueue) -> None:
    @app.task
    def answer(how: str) -> Any:
        return {"snooze": Snooze(5), "retry": RetryIn(5), "cancel": Cancel("enough")}[how]

    with inline(app):
        for how in ("snooze", "retry"):
            with pytest.raises(ResultTimeout, match="was run inline and returned"):
                answer.enqueue(how).result()
        with pytest.raises(JobCancelled):
            answer.enqueue("cancel").result()


def test_the_context_is_that_of_a_first_run(app: PgQueue) -> None:
    @app.task(retry=2, queue="mail")
    def look(ctx: JobContext) -> list[Any]:
        with pytest.raises(OutsideWorker):
            ctx.transaction()
        return [ctx.id, ctx.queue, ctx.attempt, ctx.max_attempts, ctx.meta]

    with inline(app):
        assert look.using(meta=5).enqueue().result() == [1, "mail", 1, 3, 5]
