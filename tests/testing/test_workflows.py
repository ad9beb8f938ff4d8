"""Workflows in tests: in the order of their edges, inside of a transaction that is rolled back."""

from typing import Any

import psycopg
import pytest

from pgqueue import JobContext, PgQueue, chain, chord, group
from pgqueue.errors import NoWorkflow, ResultExpired, UnknownParent
from pgqueue.testing import adrain, drain, run_job
from pgqueue.workflow.node import Parent


@pytest.fixture
def tests_own(database_url: str) -> Any:
    """The connection of a test."""
    with psycopg.connect(database_url, options="-c search_path=pgqueue") as connection:
        yield connection
        assert connection.execute("select * from workflow_drift()").fetchall() == []
        connection.rollback()


def test_drain_runs_a_workflow_to_its_end(app: PgQueue, tests_own: psycopg.Connection[Any]) -> None:
    @app.task
    def square(n: int) -> int:
        return n * n

    @app.task
    async def total(squares: list[int], ctx: JobContext) -> list[Any]:
        return [sum(squares), len(ctx.parents)]

    chord([square.s(n) for n in range(4)], total.s()).enqueue(connection=tests_own)
    ran = drain(app, tests_own)
    assert [one.task for one in ran] == ["square"] * 4 + ["total"]
    assert ran[-1].result == [14, 4]


def test_drain_runs_what_a_handler_adds_to_its_workflow(app: PgQueue, tests_own: psycopg.Connection[Any]) -> None:
    @app.task
    def leaf(n: int) -> int:
        return n

    @app.task
    def start(ctx: JobContext) -> None:
        ctx.workflow.add(leaf.si(1))
        with ctx.transaction():
            ctx.workflow.add(leaf.si(2))

    @app.task(retry=0)
    def fail(ctx: JobContext) -> None:
        ctx.workflow.add(leaf.si(3))
        raise ValueError

    group(start.s(), fail.s()).enqueue(connection=tests_own)
    ran = drain(app, tests_own)
    assert sorted(str(one.result) for one in ran if one.task == "leaf") == ["1", "2"]


def test_drain_skips_what_cannot_run(app: PgQueue, tests_own: psycopg.Connection[Any]) -> None:
    @app.task(retry=0)
    def fail() -> None:
        raise ValueError

    @app.task
    def after(nothing: None) -> None: ...

    chain(fail.s(), after.s()).enqueue(connection=tests_own)
    assert [(one.task, one.state) for one in drain(app, tests_own)] == [("fail", "failed")]


def test_drain_runs_chunks_with_injected_values(app: PgQueue, tests_own: psycopg.Connection[Any]) -> None:
    @app.task
    def double(n: int) -> int:
        return 2 * n

    double.map(range(4)).chunks(3).enqueue(connection=tests_own)
    assert [one.result for one in drain(app, tests_own)] == [[0, 2, 4], [6]]


async def test_adrain_runs_workflows_too(app: PgQueue, database_url: str) -> None:
    @app.task
    async def one() -> int:
        return 1

    @app.task
    async def add(n: int, more: int) -> int:
        return n + more

    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        await chain(one.s(), add.s(1), add.s(2)).aenqueue(connection=connection)
        assert [ran.result for ran in await adrain(app, connection)] == [1, 2, 4]
        await connection.rollback()


def test_a_job_that_takes_a_result_that_has_expired_fails_for_good_as_in_a_worker(
    app: PgQueue, tests_own: psycopg.Connection[Any]
) -> None:
    @app.task
    def fetch() -> int:
        return 3

    @app.task
    def store(n: int) -> None:
        raise AssertionError("it ran")

    chain(fetch.s(), store.using(run_after=3600).s()).enqueue(connection=tests_own)
    drain(app, tests_own)
    tests_own.execute("select delete_result(id) from job_history")
    tests_own.execute("select update(id, run_after => '0 s') from job")

    (ran,) = drain(app, tests_own)

    assert (ran.task, ran.state) == ("store", "failed")
    assert isinstance(ran.error, ResultExpired)


def test_run_job_gives_parents(app: PgQueue) -> None:
    @app.task
    def join(ctx: JobContext) -> Any:
        with pytest.raises(UnknownParent, match="there are: 'fetch', 'parse'"):
            ctx.parents["else"]
        with pytest.raises(NoWorkflow):
            ctx.workflow  # noqa: B018
        return [ctx.parents["fetch"].result, ctx.parents["parse"].state]

    assert run_job(join, parents={"fetch": 5, "parse": Parent(7, "parse", "parse", "failed")}) == [5, "failed"]


def test_run_job_gives_parents_on_a_connection_too(app: PgQueue, tests_own: psycopg.Connection[Any]) -> None:
    @app.task
    def join(ctx: JobContext) -> Any:
        return ctx.parents["fetch"].result

    assert run_job(join, parents={"fetch": 5}, connection=tests_own) == 5
