"""What type checkers must accept."""

from datetime import UTC, datetime, timedelta
from typing import assert_type

from pgqueue import Job, Retry
from tests.typing.tasks import Order, add, fetch, nothing, place, send, with_context


def sync_code() -> None:
    assert_type(add.enqueue(1), Job[float])
    assert_type(add.enqueue(1, b=2).result(), float)
    assert_type(send.enqueue("ann", urgent=True), Job[list[str]])
    assert_type(fetch.enqueue("https://example.org").result(timeout=3), bytes)
    assert_type(place.enqueue(Order(1)), Job[Order])
    assert_type(place.enqueue(order=Order(1)).result(), Order)
    assert_type(with_context.enqueue(), Job[dict[str, int]])
    assert_type(add.enqueue_many([(1,), (2, 3)]), list[Job[float]])
    assert_type(add.enqueue_many({"a": n} for n in range(3)), list[Job[float]])


async def async_code() -> None:
    assert_type(await add.aenqueue(1), Job[float])
    assert_type(await send.aenqueue(to="ann"), Job[list[str]])
    assert_type(await (await fetch.aenqueue("https://example.org")).aresult(), bytes)
    assert_type(await nothing.aenqueue(), Job[None])
    assert_type(await send.aenqueue_many([("ann",)]), list[Job[list[str]]])


def with_options() -> None:
    assert_type(add.using(queue="mail", priority="low").enqueue(1), Job[float])
    assert_type(send.using(run_after=5).using(retry=Retry(2)).enqueue("ann"), Job[list[str]])
    place.using(run_at=datetime(2999, 1, 1, tzinfo=UTC), result_ttl=timedelta(days=1)).enqueue(Order(1))
