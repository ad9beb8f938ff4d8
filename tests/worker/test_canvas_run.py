"""Canvases from end to end: written by an application, run by a worker, read by the application."""

from collections.abc import Iterator

import pytest

from pgqueue import JobContext, PgQueue, chain, chord, group
from pgqueue.errors import JobFailed
from tests.looking import Look
from tests.worker.conftest import burst

PATIENCE = 30.0


@pytest.fixture(autouse=True)
def no_drift(look: Look) -> Iterator[None]:
    """What a test leaves of its workflows adds up."""
    yield
    assert look.rows("select * from workflow_drift()") == []


async def test_results_flow_through_chains_and_groups(async_app: PgQueue) -> None:
    @async_app.task
    async def fetch(url: str) -> bytes:
        return url.encode()

    @async_app.task
    def cut(ctx: JobContext, document: bytes, size: int) -> list[bytes]:
        return [document[at : at + size] for at in range(0, len(document), size)]

    @async_app.task
    def count(parts: list[bytes]) -> int:
        return len(parts)

    @async_app.task
    async def total(numbers: list[int], plus: int = 0) -> int:
        return sum(numbers) + plus

    flow = await chain(fetch.s("abcdef"), group(cut.s(size) | count.s() for size in (1, 2, 3)), total.s(plus=100)).aenqueue()
    chorded = await chord([fetch.s("a"), fetch.s("b")], count.s()).aenqueue()
    ended = await (fetch.s("xy") | group(cut.s(1), cut.s(2))).aenqueue()
    await burst(async_app)
    assert await flow.aresult(PATIENCE) == 6 + 3 + 2 + 100
    assert await chorded.aresult(PATIENCE) == 2
    assert await ended.aresult(PATIENCE) == [[b"x", b"y"], [b"xy"]]
    assert (await flow.arefresh()).status == "succeeded"


async def test_a_failure_ends_what_hangs_on_it(async_app: PgQueue) -> None:
    @async_app.task(retry=0)
    def divide(number: int, by: int) -> float:
        return number / by

    flow = await chain(divide.s(1, 1), divide.s(0), divide.s(1)).aenqueue()
    await burst(async_app)
    with pytest.raises(JobFailed, match="ZeroDivisionError"):
        await flow.aresult(PATIENCE)


async def test_chunks_give_a_list_of_lists(async_app: PgQueue) -> None:

    @async_app.task
    def double(number: int) -> int:
        return number * 2

    @async_app.task
    def lengths(chunks: list[list[int]]) -> list[int]:
        return [len(one) for one in chunks]

    flow = await double.map(range(5)).chunks(2).aenqueue()
    counted = await chain(double.map(range(5)).chunks(2), lengths.s()).aenqueue()
    await burst(async_app)
    assert await flow.aresult(PATIENCE) == [[0, 2], [4, 6], [8]]
    assert await counted.aresult(PATIENCE) == [2, 2, 1]
