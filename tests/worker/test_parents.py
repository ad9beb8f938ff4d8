"""What a node's parents have come to reaches its handler."""

import asyncio
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

from pgqueue import JobContext, PgQueue, chain, chord, group
from pgqueue.errors import UnknownParent
from tests.looking import Look
from tests.worker.conftest import InProcess, burst, working
from tests.worker.process_jobs import add_up


@dataclass
class Page:
    url: str
    size: int


@pytest.fixture(autouse=True)
def _no_drift(look: Look) -> Any:
    yield
    assert look.rows("select * from workflow_drift()") == []


async def test_a_parents_result_becomes_the_argument_as_its_hint_says(app: PgQueue) -> None:
    taken: list[Any] = []

    @app.task
    async def fetch(url: str) -> Page:
        return Page(url, 7)

    @app.task
    async def store(page: Page, fast: bool) -> int:
        taken.append((page, fast))
        return page.size

    flow = chain(fetch.s("here"), store.s(fast=True)).enqueue()
    await burst(app)
    assert taken == [(Page("here", 7), True)]
    assert await flow.aresult(timeout=0) == 7
    await app.aclose()


async def test_a_child_of_a_group_takes_the_list_of_results_in_the_order_of_the_group(app: PgQueue) -> None:
    taken: list[Any] = []

    @app.task
    async def square(n: int) -> int | None:
        await asyncio.sleep(0.02 / (n + 1))
        return n * n if n != 2 else None

    @app.task
    def gather(squares: list[int | None], ctx: JobContext) -> None:
        taken.append(squares)
        taken.append([parent.result for parent in ctx.parents.values()])

    chord([square.s(n) for n in range(5)], gather.s()).enqueue()
    await burst(app)
    assert taken == [[0, 1, None, 9, 16]] * 2


async def test_parents_are_found_by_node_name_then_task_name_then_id(app: PgQueue, look: Look) -> None:
    seen: list[JobContext] = []

    @app.task
    async def one() -> int:
        return 1

    @app.task
    async def two() -> int:
        return 2

    @app.task(name="child")
    async def child(ctx: JobContext) -> None:
        seen.append(ctx)

    first = one.enqueue()
    second, third = two.enqueue(), two.enqueue()
    child.using(depends_on=[first, second, third]).enqueue()
    look.rows("update workflow_node set name = 'named' where job_id = %s returning 1", second.id)
    await burst(app)
    (ctx,) = seen
    assert list(ctx.parents) == ["one", "named", "two"]
    assert [parent.id for parent in ctx.parents.values()] == [first.id, second.id, third.id]
    assert "three" not in ctx.parents
    with pytest.raises(UnknownParent, match=r"^ctx.parents: there is no parent 'three'; there are: 'one', 'named', 'two'$"):
        ctx.parents["three"]


async def test_a_failed_parent_tells_its_error(app: PgQueue) -> None:
    seen: list[JobContext] = []

    @app.task(retry=0)
    async def fail() -> None:
        raise ValueError("no good")

    @app.task
    async def clean_up(ctx: JobContext) -> None:
        seen.append(ctx)

    flow = app.workflow("import")
    flow.add(fail, name="fail")
    flow.add(clean_up, after="fail", when="finished")
    flow.enqueue()
    await burst(app)
    parent = seen[0].parents["fail"]
    assert (parent.state, parent.result, parent.task) == ("failed", None, "fail")
    assert parent.error is not None
    assert parent.error["message"] == "no good"


async def test_a_job_that_has_waited_for_nothing_has_no_parents(app: PgQueue) -> None:
    seen: list[JobContext] = []

    @app.task
    async def alone(ctx: JobContext) -> None:
        seen.append(ctx)

    alone.enqueue()
    group(alone.s(), alone.s()).enqueue()
    await burst(app)
    assert [dict(ctx.parents) for ctx in seen] == [{}, {}, {}]


async def test_a_result_reaches_a_handler_in_a_process(app: PgQueue, in_process: InProcess) -> None:
    add = in_process(app, add_up)

    @app.task
    async def three() -> int:
        return 3

    flow = chain(three.s(), add.s(4)).enqueue()
    await burst(app)
    assert await flow.aresult(timeout=0) == 7
    await app.aclose()


async def test_plain_jobs_start_while_parents_are_being_loaded(
    app: PgQueue, look: Look, connection: psycopg.Connection[Any]
) -> None:
    done: list[str] = []

    @app.task
    async def parent() -> int:
        return 1

    @app.task
    async def child(n: int) -> None:
        done.append("child")

    @app.task
    async def plain() -> None:
        done.append("plain")

    flow = chain(parent.s(), child.s()).enqueue()
    look.rows("update workflow_node set state = state where false returning 1")
    connection.execute("alter table workflow_edge rename to workflow_edge_away")  # what waits is certain to wait
    connection.execute("alter table workflow_edge_away rename to workflow_edge")
    with connection.transaction():
        async with working(app):
            async with asyncio.timeout(10):
                while not done or look.value("select count(*) from job where id = %s and state <> 'blocked'", flow.jobs["child"].id) < 0:
                    plain.enqueue()
                    await asyncio.sleep(0.05)
    assert "plain" in done
