"""run_job: one handler, as a worker would run it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

from pgqueue import INJECTED, Inject, JobContext, PgQueue, Retry, Snooze
from pgqueue.errors import ConfigurationError, InvalidArgument, OutsideWorker, WrongConnection
from pgqueue.testing import arun_job, run_job
from tests.looking import Look

Connection = psycopg.Connection[Any]


@dataclass
class Order:
    """What JSON does not have."""

    id: int


@pytest.fixture
def nowhere() -> PgQueue:
    """An app that knows no database."""
    return PgQueue()


async def test_arguments_and_results_pass_through_json(nowhere: PgQueue) -> None:
    seen: list[Order] = []

    @nowhere.task
    def place(order: Order) -> Order:
        seen.append(order)
        return order

    @nowhere.task
    async def aplace(order: Order) -> Order:
        await asyncio.sleep(0)
        return order

    given = Order(1)
    returned = run_job(place, given)
    assert (returned, seen) == (given, [given])
    assert returned is not seen[0]
    assert seen[0] is not given
    assert await arun_job(place, given) == await arun_job(aplace, order=given) == given


def test_an_async_handler_runs_without_a_loop(nowhere: PgQueue) -> None:
    @nowhere.task
    async def add(a: int) -> int:
        await asyncio.sleep(0)
        return a

    assert run_job(add, 1) == 1


def test_what_the_handler_raises_is_raised(nowhere: PgQueue) -> None:
    error = ValueError("no")

    @nowhere.task
    def fail() -> None:
        raise error

    with pytest.raises(ValueError, match="no") as raised:
        run_job(fail)
    assert raised.value is error


def test_the_context_is_made_of_the_options(nowhere: PgQueue) -> None:
    @nowhere.task(queue="mail", retry=Retry(5))
    def look(ctx: JobContext) -> Any:
        with pytest.raises(OutsideWorker):
            ctx.progress(1)
        return [ctx.queue, ctx.attempt, ctx.max_attempts, ctx.meta, ctx.task]

    assert run_job(look) == ["mail", 1, 6, None, "look"]
    assert run_job(look, attempt=7, meta={"a": 1}) == ["mail", 7, 7, {"a": 1}, "look"]


def test_a_signature_takes_arguments_of_the_options_names(nowhere: PgQueue) -> None:
    @nowhere.task
    def odd(meta: int, values: int) -> int:
        return meta + values

    assert run_job(odd.s(meta=1, values=2)) == 3
    with pytest.raises(InvalidArgument, match="and nowhere else"):
        run_job(odd.s(meta=1, values=2), 5)


def test_what_stands_for_a_result_is_returned(nowhere: PgQueue) -> None:
    @nowhere.task
    def later() -> Snooze:
        return Snooze(5)

    assert run_job(later) == Snooze(5)


def test_values_and_middleware_are_there(nowhere: PgQueue) -> None:
    seen: list[str] = []

    @nowhere.around_execution
    async def around(job: JobContext) -> AsyncIterator[None]:
        seen.append(job.task)
        yield

    @nowhere.task
    def use(order: Inject[Order] = INJECTED) -> int:
        return order.id

    assert run_job(use, values=[Order(4)]) == 4
    assert seen == ["use"]
    with pytest.raises(ConfigurationError, match="values="):
        run_job(use)


def test_arguments_that_do_not_fit_are_refused(nowhere: PgQueue) -> None:
    @nowhere.task
    def add(a: int) -> int:
        return a

    with pytest.raises(InvalidArgument):
        run_job(add, "one")


def test_on_a_connection_the_job_is_one_of_its_transaction(app: PgQueue, theirs: Connection, look: Look) -> None:
    @app.task(unique="until_done", retry=0)
    def work(ctx: JobContext, number: int) -> Any:
        ctx.progress(1)
        return [ctx.attempt, ctx.max_attempts, ctx.meta]

    waiting = work.using(connection=theirs).enqueue(1)
    assert run_job(work.using(run_after=60), 1, connection=theirs, attempt=3, meta="m") == [3, 3, "m"]
    states = theirs.execute("select id = %s, state::text, attempt from jobs order by id", (waiting.id,)).fetchall()
    assert states == [(True, "ready", 0), (False, "succeeded", 3)]
    assert look.rows("select id from jobs") == []


def test_on_a_connection_an_error_is_raised_and_kept(app: PgQueue, theirs: Connection) -> None:
    @app.task
    def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        run_job(fail, connection=theirs, attempt=4)
    assert theirs.execute("select state::text from jobs").fetchall() == [("failed",)]


async def test_on_an_async_connection_a_handler_has_its_transaction(app: PgQueue, database_url: str) -> None:
    @app.task
    async def write(ctx: JobContext) -> Any:  # the result is that of the block
        async with ctx.transaction() as tx:
            await tx.connection.execute("create table note (id int)")
            tx.result = "written"

    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        assert await arun_job(write, connection=connection) == "written"
        await connection.rollback()
        with pytest.raises(WrongConnection):
            run_job(write, connection=connection)
