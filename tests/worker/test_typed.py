"""Arguments and results of jobs that run: what does not fit fails its own job, and the others go on."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from pgqueue import PgQueue, Retry
from tests.looking import Look
from tests.worker.conftest import burst


@dataclass
class Item:
    name: str
    price: Decimal


@dataclass
class Order:
    day: date
    items: list[Item]


@pytest.mark.parametrize("is_async", [True, False])
async def test_a_handler_gets_and_gives_what_its_hints_say(async_app: PgQueue, is_async: bool) -> None:
    def halve(order: Order, share: Decimal = Decimal("0.5")) -> Order:
        return Order(order.day, [Item(item.name, item.price * share) for item in order.items])

    async def halve_async(order: Order, share: Decimal = Decimal("0.5")) -> Order:
        return halve(order, share)

    task = async_app.task(name="halve")(halve_async if is_async else halve)
    job = await task.aenqueue(Order(date(2026, 1, 1), [Item("cup", Decimal("9.90"))]))
    await burst(async_app)
    assert await job.aresult(timeout=0) == Order(date(2026, 1, 1), [Item("cup", Decimal("4.950"))])


async def test_a_wrong_argument_from_elsewhere_fails_its_job_by_name_and_its_neighbours_succeed(
    async_app: PgQueue, look: Look
) -> None:
    @async_app.task
    async def place(order: Order) -> str:
        return order.items[0].name

    def enqueue(price: str) -> int:
        args = f'{{"order": {{"day": "2026-01-01", "items": [{{"name": "cup", "price": {price}}}]}}}}'
        return int(look.value("select enqueue('place', %s, retries => 0)", args))

    fine = [enqueue("9.90") for _ in range(5)]
    bad = enqueue('"free"')
    fine += [enqueue('"1"') for _ in range(5)]
    await burst(async_app)
    assert [look.state(id) for id in fine] == ["succeeded"] * 10
    error = look.job(bad)["errors"][-1]
    assert error["type"] == "pgqueue.errors.InvalidArgument"
    assert error["message"].startswith(
        "args: task 'place' cannot take order.items.0.price = 'free': Input should be a valid decimal"
    )


async def test_a_result_that_is_too_large_fails_its_job_once_and_names_its_size(database_url: str, look: Look) -> None:
    app = PgQueue(database_url, max_result_bytes=100)
    runs: list[int] = []

    @app.task(retry=Retry(5, backoff="fixed", delay=0))
    async def give(size: int, letter: str = "x") -> str:
        runs.append(size)
        return letter * size

    jobs = [give.enqueue(98), give.enqueue(99), give.enqueue(49, "ü"), give.enqueue(50, "ü")]
    await burst(app)
    assert [look.state(job.id) for job in jobs] == ["succeeded", "failed", "succeeded", "failed"]
    row = look.job(jobs[1].id)
    assert row["reason"] == "system_error"
    assert row["errors"][-1]["type"] == "pgqueue.errors.ResultTooLarge"
    assert row["errors"][-1]["message"].startswith("the result is 101 bytes of JSON, max_result_bytes is 100; ")
    assert "102 bytes" in look.job(jobs[3].id)["errors"][-1]["message"]
    assert sorted(runs) == [49, 50, 98, 99]
    app.close()
    await app.aclose()


async def test_a_result_of_a_type_that_cannot_be_stored_fails_its_own_job(async_app: PgQueue, look: Look) -> None:
    @async_app.task(retry=0)
    async def price(of: str) -> Item:
        values: dict[str, Any] = {"nul": Item("\x00", Decimal(1)), "odd": object()}
        return values.get(of, Item(of, Decimal(1)))  # type: ignore[no-any-return]

    jobs = price.enqueue_many([("fine",), ("nul",), ("odd",), ("fine",)])
    await burst(async_app)
    assert [look.state(job.id) for job in jobs] == ["succeeded", "failed", "failed", "succeeded"]
    assert "name = " in look.job(jobs[1].id)["errors"][-1]["message"]
    assert "is not of type Item" in look.job(jobs[2].id)["errors"][-1]["message"]
