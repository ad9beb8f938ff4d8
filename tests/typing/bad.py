"""What type checkers must refuse: each line that ends in the word error, and no other."""

from typing import assert_type

from pgqueue import Job, JobContext, Limit, RateLimited, Schedule, chain, group
from tests.typing.tasks import Client, Order, add, app, fetch, nothing, place, send, three, with_context


def wrong_types(context: JobContext) -> None:
    add.enqueue("one")  # error
    add.enqueue(1, b="two")  # error
    send.enqueue(5)  # error
    place.enqueue({"id": 1})  # error
    fetch.using(queue="mail").enqueue(b"url")  # error


def missing_and_unknown() -> None:
    add.enqueue()  # error
    send.enqueue(urgent=True)  # error
    add.enqueue(1, c=2)  # error
    add.enqueue(1, 2, 3)  # error
    send.enqueue("ann", True)  # error
    nothing.enqueue(1)  # error


def the_context_is_no_argument(context: JobContext) -> None:
    send.enqueue(context, "ann")  # error
    send.enqueue("ann", ctx=context)  # error
    with_context.enqueue(context)  # error


def what_is_injected_keeps_its_type() -> None:
    fetch.enqueue("url", http="client")  # error
    fetch.enqueue("url", Client)  # error


def results() -> None:
    add.enqueue(1).result().upper()  # error
    assert_type(fetch.enqueue("url"), Job[str])  # error
    number: int = place.enqueue(Order(1)).result()  # error
    print(number)


async def in_async_code() -> None:
    await add.aenqueue("one")  # error
    await send.aenqueue()  # error
    (await fetch.aenqueue("url")).result().items()  # error
    (await (await nothing.aenqueue()).aresult()).items()  # error


def options() -> None:
    add.using(priority="urgent")  # error
    add.using(queue=5)  # error
    add.using(run_at="tomorrow")  # error
    add.using(urgent=True)  # error
    add.using(queue="mail").enqueue("one")  # error
    app.task(retries=5)  # error
    app.task(priority="urgent")  # error


def calls_behind_a_parent() -> None:
    add.s("one")  # error
    three.s("b")  # error
    three.s(1)  # error
    nothing.s(1)  # error
    add.s(1, c=2)  # error
    place.si()  # error
    add.si("one")  # error
    with_context.s(1)  # error


def workflows() -> None:
    add.s(1) | send  # error
    chain(add.s(1), send)  # error
    group(add)  # error
    group([add])  # error
    chain(add.s(1), send.s()).enqueue().result().items()  # error
    app.workflow().add(add, 1)  # error
    app.workflow().add(add.s(1), when="later")  # error
    app.workflow(on_failure=add)  # error
    send.using(depends_on="job")  # error
    send.using(run_if="later")  # error


def limits() -> None:
    Limit("openai", counts="jobs")  # error
    Limit("openai", per=[1])  # error
    Limit(5)  # error
    app.limits.set("openai", counts="jobs")  # error
    app.limits.park("openai", "soon")  # error
    add.using(limits=5)  # error
    add.using(limits=[5])  # error
    add.using(cost="5")  # error
    add.using(cost=lambda a: "much")  # error
    add.using(fair=["tenant"])  # error
    add.using(rate_limit="5/s")  # error
    app.task(rate_limit=5)  # error
    app.task(max_running="3")  # error
    RateLimited()  # error


def schedules() -> None:
    Schedule("reports", "report", every=60)  # error
    Schedule("reports", add.s(1), "0 2 * * *")  # error
    Schedule("reports", add.s(1), every="60")  # error
    Schedule("reports", add.s(1), every=60, misfire="no")  # error
    Schedule("reports", chain(add.s(1), send.s()), every=60)  # error
    Schedule("reports", add.s("one"), every=60)  # error
    app.schedules.set("reports", overlap="no")  # error
    app.schedules.set("reports", paused=True)  # error
    app.schedules.set("reports", starts_at="2026-01-01")  # error
    app.schedules.trigger("reports").result(timeout="5")  # error
    app.task(cron=5)  # error
    app.task(timezone=5)  # error
