"""FAULTS 53, the long form: loops that end at any moment under load."""

import asyncio
import random
import time

import pytest

from pgqueue import PgQueue, Retry, chain, group
from pgqueue.worker import loops
from tests.looking import Look
from tests.waiting import auntil
from tests.worker.conftest import working
from tests.worker.harm import Harm, cancel, let_raise, tasks_of


@pytest.mark.slow
@pytest.mark.parametrize("harm", [cancel, let_raise], ids=["cancelled", "raise"])
async def test_loops_that_are_harmed_at_any_await_under_load_lose_nothing(
    database_url: str, look: Look, monkeypatch: pytest.MonkeyPatch, harm: Harm, dice: random.Random
) -> None:
    """FAULTS 53, at random moments."""
    short = PgQueue(database_url, lease=1)
    monkeypatch.setattr(loops, "STEADY_AFTER", 0.0)
    monkeypatch.setattr(loops, "FIRST_PAUSE", 0.001)

    @short.task(retry=Retry(20, delay=0, backoff="fixed"))
    async def work(n: int) -> int:
        await asyncio.sleep(dice.random() / 100)
        return n

    @short.task
    async def total(numbers: list[int]) -> int:
        return sum(numbers)

    ids = [job.id for job in work.enqueue_many([(n,) for n in range(3000)])]
    flows = [chain(group(*(work.s(n) for n in range(5))), total.s()).enqueue() for _ in range(100)]
    async with working(short, concurrency=20) as worker:
        await auntil(lambda: hasattr(worker, "_parts") and tasks_of(worker), "a worker")
        deadline = time.monotonic() + 60
        while look.live():
            assert time.monotonic() < deadline, look.rows("select state, count(*) from job group by 1")
            for task in dice.sample(list(tasks_of(worker).values()), 2):
                harm(task)
            await asyncio.sleep(dice.random() / 20)
    assert look.count("succeeded") == len(ids) + 600
    assert [flow.result(timeout=0) for flow in flows] == [10] * 100
    await short.aclose()
